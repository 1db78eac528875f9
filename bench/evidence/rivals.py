"""One of the others' scanners, timed on one text; run by the Python of an environment that has it.

Standard input: `{"rival": name, "text": path, "patterns": [...], "guard": folder of llm-guard's wheel}`. Standard
output: the seconds of a core, and in a second line, unless that were long, those on the
clock for two at once. Nothing of this project is imported.
"""

from __future__ import annotations

import ast
import importlib
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Scan = Callable[[str], int]
_LONG = 5.0
"""Seconds beyond which a text is not scanned twice at once."""


def alternation(work: dict[str, Any]) -> Scan:
    """The standard library's `re` with one alternation of the same patterns: candidates only."""
    pattern = re.compile("|".join(f"(?:{one})" for one in work["patterns"]))
    return lambda text: sum(1 for _ in pattern.finditer(text))


def original(work: dict[str, Any]) -> Scan:
    """The original's algorithm: pattern by pattern, and each value found is replaced in the whole text."""
    patterns = [re.compile(one) for one in work["patterns"]]

    def scan(text: str) -> int:
        count = 0
        for pattern in patterns:
            for value in dict.fromkeys(match[0] for match in pattern.finditer(text)):
                count += 1
                text = text.replace(value, f"AWS_VALUE_{count:03}")
        return count

    return scan


def detect_secrets(_work: dict[str, Any]) -> Scan:
    """detect-secrets with its default plugins."""
    settings = importlib.import_module("detect_secrets.settings")
    return _secrets(settings.default_settings)


def guard(work: dict[str, Any]) -> Scan:
    """The secrets scanner of LLM Guard without LLM Guard, which needs torch: detect-secrets with its plugins."""
    source = Path(work["guard"], "llm_guard", "input_scanners", "secrets.py")
    plugins = f"file://{source.parent / 'secrets_plugins'}"
    config: dict[str, Any] = {}
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_default_detect_secrets_config":
            expression = compile(ast.Expression(node.value), str(source), "eval")
            config = eval(expression, {"_custom_plugins_path": plugins})  # a dict of strings from the package's source
    settings = importlib.import_module("detect_secrets.settings")
    return _secrets(lambda: settings.transient_settings(config))


def _secrets(settings: Callable[[], Any]) -> Scan:
    collection = importlib.import_module("detect_secrets.core.secrets_collection")

    def scan(text: str) -> int:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file, settings():
            file.write(text)
            file.flush()
            secrets = collection.SecretsCollection()
            secrets.scan_file(file.name)
            return len(secrets.data.get(file.name, ()))

    return scan


def presidio(work: dict[str, Any]) -> Scan:
    """Presidio's analyzer with the same patterns as recognisers, without a language model."""
    analyzer = importlib.import_module("presidio_analyzer")
    nlp = importlib.import_module("presidio_analyzer.nlp_engine")

    def artifacts(*_: object, **__: object) -> Any:
        return nlp.NlpArtifacts([], [], [], [], None, "en")

    names: dict[str, Any] = {
        "process_text": artifacts,
        "process_batch": lambda *_, **__: iter(()),
        "load": lambda _: None,
        "is_loaded": lambda _: True,
        "get_supported_languages": lambda _: ["en"],
        "get_supported_entities": lambda _: [],
        "is_stopword": lambda *_: False,
        "is_punct": lambda *_: False,
    }
    engine: Any = type("NoEngine", (nlp.NlpEngine,), names)()
    registry = analyzer.RecognizerRegistry(recognizers=[], supported_languages=["en"])
    for number, one in enumerate(work["patterns"]):
        pattern = analyzer.Pattern(f"p{number}", one, 0.9)
        registry.add_recognizer(analyzer.PatternRecognizer(f"AWS_{number}", patterns=[pattern], context=[]))
    whole = analyzer.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    return lambda text: len(whole.analyze(text, "en"))


RIVALS: dict[str, Callable[[dict[str, Any]], Scan]] = {
    "re, one alternation": alternation,
    "the original's algorithm": original,
    "detect-secrets": detect_secrets,
    "LLM Guard's detect-secrets": guard,
    "Presidio": presidio,
}


def _timed(scan: Scan, text: str, clock: Callable[[], float] = time.process_time) -> float:
    start = clock()
    scan(text)
    return clock() - start


def _child(name: str, work: dict[str, Any], path: str, barrier: Any, results: Any) -> None:
    scan = RIVALS[name](work)
    text = Path(path).read_text()
    scan(text[:2000])
    barrier.wait()
    results.put(_timed(scan, text, time.perf_counter))


def _two_at_once(name: str, work: dict[str, Any], path: str) -> float:
    """Return the seconds until both of two processes have scanned the text."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    children = [context.Process(target=_child, args=(name, work, path, barrier, results)) for _ in range(2)]
    for child in children:
        child.start()
    times = [results.get() for _ in children]
    for child in children:
        child.join()
    return float(max(times))


def main() -> None:
    """Read the work, do it, write the times as they come."""
    work = json.load(sys.stdin)
    scan = RIVALS[work["rival"]](work)
    scan("warm up")
    text = Path(work["text"]).read_text()
    alone = _timed(scan, text)
    if alone < 1:
        alone = min(alone, _timed(scan, text), _timed(scan, text))
    print(alone, flush=True)
    if alone > _LONG:
        return
    print(_two_at_once(work["rival"], work, work["text"]), flush=True)


if __name__ == "__main__":
    main()
