"""docs/evidence.md: each part a function from what was measured to Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from bench.evidence import recorded, shapes, truth
from bench.evidence.fuzzing import Fuzzed
from bench.evidence.plot import lines
from bench.evidence.precision import Found, is_plain
from bench.evidence.roundtrip import Fidelity
from bench.evidence.session import Session
from bench.evidence.speed import AGAIN, LIMITS, OURS, RE2, Speed
from bench.evidence.survival import Survival
from bench.evidence.values import Tally

_SHOWN = 40
"""Misses of a family, and findings of a corpus, that are written out; the number of the others is."""
_GOAL_SHAPED, _GOAL_NAMES = 0.995, 0.95


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, its first column to the left."""
    written = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in written) + "\n"


def code(text: str) -> str:
    """Return `text` as code that no table and no Markdown takes apart."""
    return "`" + text.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`"


HEAD = """# Evidence

`python -m bench.evidence --write` fetches the corpora, measures and writes this page; `--only` measures a part anew. It
needs `pip install -e '.[dev,evidence]'`, npm, git, the package registries and GitHub. No figure is typed in by hand,
and every value quoted comes from a public package or repository or a generator. The settings are the defaults. What
each part was measured at stands at its end.
"""


def measured(versions: Mapping[str, str]) -> str:
    """Return what a part was measured at: commit, machine, time, load and packages."""
    root = Path(__file__).parents[2]
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "kong_plugins", "bench/evidence")
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    packages = ", ".join(code(name) for _, name in sorted(versions.items()))
    return (
        f"\nMeasured {when} at commit {commit}{', with changes not committed' if changed else ''}; "
        f"{platform.machine()}, {_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, "
        f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}.\n"
        + (f"\n<details><summary>Packages</summary>\n\n{packages}\n\n</details>\n" if packages else "")
    )


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown" if arguments[0] == "rev-parse" else done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(": ")[2] if names else platform.processor()


def recall(
    by_corpus: Mapping[str, Mapping[str, Tally]], generated: Mapping[str, Tally], left_out: Mapping[str, int]
) -> str:
    """Return recall by family, over all documents, then over what was made from the models; then every miss."""
    whole = merged(by_corpus.values())
    parts = [
        "\n## Recall\n\nA value counts as masked if no four letters or digits in a row are left of it. What is known "
        "to be in the documents comes from patterns written for this measurement (`bench/evidence/truth.py`), not the "
        "detectors', in CloudTrail's records, findings and recorded answers from the typed fields of AWS's APIs "
        "(`bench/evidence/recorded.py`), and in Terraform's states from the types of their resources "
        "(`bench/evidence/terraform.py`); what is known of the generated requests and answers comes from their "
        "generator, which follows the patterns and the members' names in botocore's models "
        "(`bench/evidence/shapes.py`). Each document, request or answer is masked by itself. Goals: 99.5 % of values "
        "with a shape, 95 % of names.\n\n"
        "### Documents nobody here wrote\n\n",
        table(("corpus", "values", "masked", "recall"), [_corpus_row(*item) for item in by_corpus.items()]),
        f"\nNot counted: {left_out.get('stand-ins', 0):,} stand-ins such as `my-bucket`, `keypair_name` or a key's own "
        "name, constants in ARNs such as `object` and `LATEST`, whole private ranges and names that AWS gives, and "
        f"{left_out.get('plain words', 0):,} plain words such as `test` where a name stands: "
        "masking each of them wherever it stands would take words out of sentences. What stands under a key that ends "
        'in `Version` (`"osVersion": "10.0.19044"`) is no address.\n\n'
        "Not looked for, as a rule for them would take words out of other texts: lists of plain names "
        '(`"projects": ["a-1"]`) among other things, a plain `Name` with nothing of AWS beside it, `ModelName`, which '
        "other trades have, tags but `Name`, short ids without a prefix (API Gateway's `4w7pvbmv`), and UUIDs but "
        "for those of keys and of resources that their key names: logs are full of UUIDs of requests.\n\n",
        _families(whole, truth.KIND | recorded.KIND),
        "\n### Requests and answers made from botocore's models\n\nFor one operation in three, of every service.\n\n",
        _families(generated, dict.fromkeys(shapes.SHAPED, truth.SHAPED)),
        "\n### Every miss\n",
        *(_misses(family, tally) for family, tally in whole.items() if tally.missed),
        *(_misses(f"{family}, generated", tally, _by_prefix) for family, tally in generated.items() if tally.missed),
    ]
    return "".join(parts)


def merged(results: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    """Add up tallies by family."""
    whole: dict[str, Tally] = {}
    for result in results:
        for family, tally in result.items():
            into = whole.setdefault(family, Tally())
            into.present += tally.present
            into.missed += tally.missed
            into.misses.update(tally.misses)
    return whole


def _corpus_row(name: str, result: Mapping[str, Tally]) -> list[str]:
    present = sum(tally.present for tally in result.values())
    missed = sum(tally.missed for tally in result.values())
    return [name, f"{present:,}", f"{present - missed:,}", _percent(1 - missed / max(present, 1))]


def _families(result: Mapping[str, Tally], kinds: Mapping[str, str]) -> str:
    rows = []
    for family, tally in sorted(result.items(), key=lambda item: (kinds.get(item[0], "~"), -item[1].present)):
        kind = kinds.get(family, truth.NAMES)
        goal = _GOAL_SHAPED if kind == truth.SHAPED else _GOAL_NAMES
        reached = "yes" if tally.recall >= goal else "**no**"
        masked = tally.present - tally.missed
        rows.append([family, f"{tally.present:,}", f"{masked:,}", _percent(tally.recall), f"{goal:.1%}", reached])
    return table(("family", "values", "masked", "recall", "goal", "reached"), rows)


def _percent(share: float) -> str:
    return f"{share:.2%}" if share == 1 else f"{min(share, 0.9999):.2%}"


def _by_prefix(miss: str) -> str:
    """Return what a generated miss is an example of: its service is not told, so its prefix."""
    value = miss.split('"')[-2] if miss.count('"') >= 2 else miss
    return value.split(":", 3)[2] if value.startswith("arn:") else value.rpartition("-")[0] + "-"


def _misses(family: str, tally: Tally, kind: object = None) -> str:
    ordered = sorted(tally.misses.items(), key=lambda item: (-item[1], item[0]))
    note = ""
    if callable(kind):
        kinds: dict[str, list[str]] = {}
        for miss, _ in ordered:
            kinds.setdefault(kind(miss), []).append(miss)
        note = f" in {len(kinds)} kinds, an example of each"
        ordered = [(found[0], len(found)) for _, found in sorted(kinds.items(), key=lambda item: -len(item[1]))]
    rest = len(ordered) - _SHOWN
    more = f"- and {rest} more\n" if rest > 0 else ""
    shown = "".join(f"- {times} x {code(miss)}\n" for miss, times in ordered[:_SHOWN])
    return f"\n{family}: {tally.missed:,} of {tally.present:,}{note}\n\n{shown}{more}"


def precision(found: Mapping[str, Found], session: Session | str) -> str:
    """Return findings where there should be none, each of them, and whether files still parse."""
    rows = [
        [
            *(name, f"{one.files:,}", f"{one.size / 1e6:.1f}", f"{one.findings.total():,}", f"{one.plain:,}"),
            *(f"{one.per_mb:.2f}", "yes" if one.per_mb <= 1 else "**no**"),
        ]
        for name, one in found.items()
    ]
    parsed = sum(sum(one.parsed.values()) for one in found.values())
    broken = [f"{name}: {one}" for name, corpus in found.items() for one in corpus.broken]
    columns = ("corpus", "files", "MB", "findings", "private addresses and keys", "others a MB", "at most 1")
    parts = [
        "\n## Precision\n\nTexts that have nothing to do with AWS. A finding is a value masked in a file, once "
        "per file; of each package or repository at most 3 MB. Private addresses and keys are what they look like "
        "(`10.0.0.1` in an example is one); the others should not be.\n\n",
        table(columns, rows),
        "\nFiles of Terraform variables name resources of other clouds behind the very keys that AWS's have "
        '(`secret_name = "vmadmin-password"`) and nothing beside them tells whose they are: a name that goes out '
        "unmasked would be worse than one that comes back unmasked.\n",
        f"\nOf the files that changed, {parsed:,} compiled or parsed before; all but {len(broken)} do after, and come "
        "back byte for byte, whole and in random pieces.\n\n",
        *(f"- {code(one)}\n" for one in broken),
        _prompt(session),
        "\n### Every finding that is no private address or key\n",
        *(_findings(name, one) for name, one in found.items()),
    ]
    return "".join(parts)


def _prompt(session: Session | str) -> str:
    if isinstance(session, str):
        return f"\nClaude Code's own prompt: not measured, {session}.\n"
    return (
        f"\nClaude Code's own system prompt and tools ({session.version}; {session.prompt:,} bytes, as it sent them): "
        f"{sum(session.prompt_findings.values())} changes"
        + (
            f" ({', '.join(f'{n} x {family}' for family, n in session.prompt_findings.items())})"
            if session.prompt_findings
            else ""
        )
        + ".\n"
    )


def _findings(name: str, found: Found) -> str:
    others = sorted(
        (one for one in found.findings.items() if not is_plain(*one[0])), key=lambda item: (-item[1], item[0])
    )
    if not others:
        return ""
    shown = [
        f"- {family} {code(value)}: {code(found.places[family, value])}"
        + (f" and {times - 1} more files" if times > 1 else "")
        for (family, value), times in others[:_SHOWN]
    ]
    more = [f"- and {len(others) - _SHOWN} more"] if len(others) > _SHOWN else []
    return f"\n{name}\n\n" + "\n".join((*shown, *more)) + "\n"


def fidelity(results: Mapping[str, Fidelity], session: Session | str, survived: Sequence[Survival]) -> str:
    """Return what comes back as it was, by corpus and way."""
    ways = list(dict.fromkeys(way for one in results.values() for way in one.texts))
    rows = [
        [name, f"{one.size / 1e6:.1f}", f"{one.values:,}", *(_came_back(one, way) for way in ways)]
        for name, one in results.items()
    ]
    broken = [
        f"{way}: {text}" for one in results.values() for way, texts in one.broken.items() for text in texts[:_SHOWN]
    ]
    kept = [[one.way, f"{one.kept} of {one.total}", ", ".join(one.lost)] for one in survived]
    return "".join(
        (
            "\n## Fidelity\n\nTexts that come back byte for byte, of those that went. Pieces and streams: only texts "
            "in which something was masked; a stream says the masked text, or its first 6,000 bytes, and calls a tool "
            "with it.\n\n",
            table(("corpus", "MB", "values", *ways), rows),
            *(f"- {code(one)}\n" for one in broken),
            _history(session),
            "\n### What models do to placeholders\n\nA placeholder of every kind, changed in each way, and the value "
            "looked for in what the client gets.\n\n",
            table(("way", "kept", "lost"), kept),
            _SURVIVAL,
        )
    )


_SURVIVAL = (
    "\nA line breaks at a blank or behind a hyphen where models and tools wrap text; a placeholder that is broken "
    "elsewhere comes back as long as it proves itself. Account ids and addresses, of which every digit counts, are "
    "not put together from two lines, as two numbers in a column would be. Blanks around hyphens are left: nothing "
    "wraps or escapes text so, and they are how a subtraction or a dash is written. Of what is shortened, nobody can "
    "tell whose it was.\n"
)


def _came_back(result: Fidelity, way: str) -> str:
    whole = result.texts[way]
    return f"{whole - len(result.broken.get(way, ())):,} of {whole:,}"


def _history(session: Session | str) -> str:
    if isinstance(session, str):
        return f"\nFifty turns of Claude Code: not measured, {session}.\n"
    leaked = ", ".join(session.leaked) or "none"
    return (
        f"\n{session.turns} requests of one Claude Code session with tools through the proxy, the last of "
        f"{session.size:,} bytes: of {session.entries:,} entries of the history that came again, {session.changed} "
        f"differ though the client repeated them byte for byte. Planted values that reached the API: {leaked}. "
        "The question names a bucket with nothing beside it that says so; from the request on in which something does, "
        "it is masked wherever it stands, also in the question, which is then one entry that differs.\n"
    )


def fuzzing(results: Mapping[str, Fuzzed] | str, seconds: int) -> str:
    """Return what each fuzzer tried, and what failed."""
    if isinstance(results, str):
        return f"\n## Fuzzing\n\nNot measured, {results}.\n"
    rows = [
        [name, one.claim.replace("|", "\\|"), f"{one.inputs:,}", f"{one.failures:,}", f"{one.kept:,}"]
        for name, one in results.items()
    ]
    return (
        "\n## Fuzzing\n\nWhatever can be reached from the network, under Atheris (libFuzzer, guided by the lines that "
        f"inputs reach), {seconds} seconds each on one core, one after the other (`python -m tests.fuzz`). An input "
        "fails if what stands beside it does not hold, or if it takes 20 seconds or 2 GB. Inputs that failed once, and "
        "others that reached lines of their own, are kept, and run with the tests.\n\n"
        + table(("harness", "what holds for any input", "inputs", "failed", "kept"), rows)
    )


_SPEED = f"""
## Speed beside the others

MB/s, the least time of several runs where a run is short; the same texts in the same run, one after the other. Clean:
program text without a value. CloudTrail: records of one account, one a line, whose values come again as they do in a
real trail. All new: the same records, but each of another account, so that nearly no value comes twice: the worst case.
"{OURS}" sees the text for the first time: it finds and replaces, where `re`, {RE2} and Presidio only find. "{AGAIN}"
has seen it, as the earlier turns of a conversation. {RE2}: one search for the same patterns with the same engine, which
finds candidates. detect-secrets has its default plugins; LLM Guard needs torch, so its scanner is run as what it is,
detect-secrets with LLM Guard's own plugins. The original's algorithm, in Python with the same patterns: pattern by
pattern, and for each value found a pass over the whole text. One core: seconds of a core, which the machine's other
work does not lengthen much. Two cores: seconds on the clock, which it does. A dash: more than 12 seconds for the text,
or 5 for two cores.

What stands between {OURS} and the goal for CloudTrail: google-re2's binding takes one to three microseconds for each
match, and dense records have a candidate in every 50 bytes, so that RE2 alone does not reach it either, as the table
shows. Looking at what stands around each candidate, and replacing, is Python on top of that.

"""


def speed(measured: Speed) -> tuple[str, str]:
    """Return the tables, and the plot of one core."""
    rows = {cores: [_speeds(name, measured, cores) for name in measured.times] for cores in (0, 1)}
    labels = list(measured.sizes)
    dense = [label for label in labels if label.startswith("CloudTrail")]
    drawn = {
        name: [
            (size, size / one[0] / 1e6)
            for label in dense
            if (one := times.get(label)) and (size := measured.sizes[label])
        ]
        for name, times in measured.times.items()
    }
    drawn = {name: line for name, line in drawn.items() if line}
    plot = lines("CloudTrail records, one core", "bytes", "MB/s", drawn, frozenset((*LIMITS, RE2)))
    text = (
        _SPEED + f"One core:\n\n{table(('', *labels), rows[0])}\nTwo cores, a process on each, the sum of both:\n\n"
        f"{table(('', *labels), rows[1])}\n![Speed on one core](evidence-speed.svg)\n\n" + _speed_goals(measured)
    )
    return text, plot


def _speeds(name: str, measured: Speed, cores: int) -> list[str]:
    cells = []
    for label, size in measured.sizes.items():
        times = measured.times[name].get(label)
        seconds = times[cores] if times else 0.0
        cells.append(_digits((cores + 1) * size / seconds / 1e6) if seconds else "-")
    return [name, *cells]


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _speed_goals(measured: Speed) -> str:
    ours, alone = measured.times[OURS], measured.times[RE2]
    rows = []
    for kind, goal in (("clean", 100), ("CloudTrail", 30)):
        label = f"{kind}, 1 MB"
        mine, theirs = ours.get(label), alone.get(label)
        if not mine or not theirs:
            continue
        speed_of = measured.sizes[label] / mine[0] / 1e6
        rows.append([f"{label}: at least {goal} MB/s", _digits(speed_of), "yes" if speed_of >= goal else "**no**"])
        ratio = mine[0] / theirs[0]
        rows.append([f"{label}: within 3 times of RE2 alone", f"{ratio:.1f} times", "yes" if ratio <= 3 else "**no**"])
        rivals = {name: times.get(label) for name, times in measured.times.items() if name not in _OURS}
        best = min((times[0], name) for name, times in rivals.items() if times)
        ahead = best[0] / mine[0]
        said = f"{ahead:.1f} times ahead of {best[1]}"
        rows.append([f"{label}: 10 times ahead of every other", said, "yes" if ahead >= 10 else "**no**"])
    return table(("goal", "measured", "reached"), rows)


_OURS = frozenset((OURS, AGAIN, RE2, *LIMITS))
