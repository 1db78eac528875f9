"""`python -m bench.evidence [--write] [--only PART,...]`: prints, or writes docs/evidence.md; `--help` has the rest."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from bench.evidence import (
    fuzzing,
    page,
    precision,
    recorded,
    roundtrip,
    session,
    shapes,
    speed,
    survival,
    truth,
    values,
)
from bench.evidence.precision import Found
from bench.evidence.session import Session
from bench.evidence.store import CACHE, Store
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from tests.e2e.claude import NotAvailableError

_PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
_EVERY = 50
"""One in so many changed texts goes through the streams of the three APIs as well."""


class Measurement:
    """All parts, each measured at most once."""

    def __init__(self, store: Store, seconds: int) -> None:
        """`seconds`: how long each fuzzer works."""
        self.store = store
        self.seconds = seconds
        self.masker = Masker(Settings(), bytes(range(32)))
        self._session: Session | str | None = None

    def recall(self) -> str:
        left_out: Counter[str] = Counter()
        found = {}
        for name in truth.names():
            _say(f"recall: {name}")
            found[name] = values.count(self.masker, truth.documents(self.store, name, left_out))
        for name in recorded.names():
            _say(f"recall: {name}")
            found[name] = values.count(self.masker, recorded.documents(self.store, name, left_out))
        _say("recall: botocore's models")
        return page.recall(found, values.count(self.masker, self._generated), left_out)

    @cached_property
    def _generated(self) -> list[values.Document]:
        services = shapes.services(self.store.wheel("botocore"))
        return [document for service in services for document in service.documents()]

    def precision(self) -> str:
        found: dict[str, Found] = {}
        for name, texts in precision.corpora(self.store).items():
            _say(f"precision: {name}")
            found[name] = precision.examine(self.masker, texts())
        return page.precision(found, self.session())

    def fidelity(self) -> str:
        results = {}
        for documents, names in ((truth.documents, truth.names()), (recorded.documents, recorded.names())):
            for name in names:
                _say(f"fidelity: {name}")
                texts = ((one.source, one.text) for one in documents(self.store, name, Counter()))
                results[name] = roundtrip.check(self.masker, texts, _EVERY)
        _say("fidelity: botocore's models")
        generated = ((one.source, one.text) for one in self._generated)
        results["requests and answers from botocore's models"] = roundtrip.check(self.masker, generated, 2 * _EVERY)
        return page.fidelity(results, self.session(), survival.measure(self.masker))

    def speed(self) -> str:
        text, plot = page.speed(speed.measure(self.store))
        _PAGE.with_name("evidence-speed.svg").write_text(plot)
        return text

    def fuzzing(self) -> str:
        _say(f"fuzzing: {self.seconds} seconds each")
        return page.fuzzing(fuzzing.measure(self.seconds, self.store.versions), self.seconds)

    def session(self) -> Session | str:
        if self._session is None:
            _say("a session of Claude Code")
            try:
                self._session = session.run(self.masker)
            except NotAvailableError as error:
                self._session = str(error)
        return self._session


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def main() -> None:
    """Measure the parts that are asked for; the page has the others as they were measured last."""
    parts: dict[str, Callable[[Measurement], str]] = {
        "recall": Measurement.recall,
        "precision": Measurement.precision,
        "fidelity": Measurement.fidelity,
        "fuzzing": Measurement.fuzzing,
        "speed": Measurement.speed,
    }
    parser = argparse.ArgumentParser(prog="python -m bench.evidence", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write docs/{_PAGE.name}")
    parser.add_argument("--only", default=",".join(parts), help=f"some of {','.join(parts)}")
    parser.add_argument("--path", type=Path, default=CACHE, help="where packages are kept")
    parser.add_argument("--seconds", type=int, default=120, help="that each fuzzer works")
    arguments = parser.parse_args()
    measurement = Measurement(Store(arguments.path), arguments.seconds)
    kept = arguments.path / "sections"
    kept.mkdir(parents=True, exist_ok=True)
    for name in filter(None, arguments.only.split(",")):
        measurement.store.versions.clear()
        section = parts[name](measurement)
        (kept / f"{name}.md").write_text(section + page.measured(measurement.store.versions))
    text = page.HEAD + "".join(_section(kept / f"{name}.md") for name in parts)
    if arguments.write:
        _PAGE.write_text(text)
    else:
        print(text)


def _section(path: Path) -> str:
    return path.read_text() if path.exists() else f"\n## {path.stem.title()}\n\nNot measured here.\n"


if __name__ == "__main__":
    main()
