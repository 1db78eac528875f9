"""Which of the ways in which models change what they repeat leave a placeholder recognisable."""

from __future__ import annotations

import html
import json
import urllib.parse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS
from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.text import Lookup, Text, values_of


class Survival(NamedTuple):
    """One way, and what of it came back."""

    way: str
    kept: int
    total: int
    lost: tuple[str, ...]
    """Families with a placeholder that did not come back."""


def _middle(placeholder: str) -> int:
    """Return where a line would be broken: in the middle of the last part."""
    return len(placeholder) - max(2, len(placeholder.rsplit("-", maxsplit=1)[-1]) // 2)


_WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda p: f"see {p} here",
    "at the end of a sentence": lambda p: f"That is {p}.",
    "with 's behind it": lambda p: f"{p}'s state",
    "in the plural": lambda p: f"two {p}s",
    "in quotes": lambda p: f"\"{p}\" and '{p}'",
    "in backticks, bold": lambda p: f"`{p}` **{p}** _{p}_",
    "in a table": lambda p: f"| name | {p} |",
    "in code": lambda p: f'run(id="{p}", retries=3)\n',
    "in upper case": lambda p: f"see {p.upper()} here",
    "in lower case": lambda p: f"see {p.lower()} here",
    "with a capital": lambda p: f"{p[:1].upper()}{p[1:]} is up",
    "hyphens escaped as in Markdown": lambda p: f"see {p.replace('-', chr(92) + '-')} here",
    "HTML-escaped": lambda p: f"<b>{html.escape(p)}</b> {p.replace('-', '&#45;')}",
    "with a non-breaking hyphen": lambda p: f"see {p.replace('-', chr(0x2011))} here",
    "with a Unicode hyphen": lambda p: f"see {p.replace('-', chr(0x2010))} here",
    "with an en dash": lambda p: f"see {p.replace('-', chr(0x2013))} here",
    "JSON-escaped": lambda p: json.dumps({"a": f"see {p}\n"}),
    "JSON in JSON": lambda p: json.dumps(json.dumps({"a": f"see {p}\n"})),
    "URL-encoded": lambda p: f"https://x.example/?q={urllib.parse.quote(p, safe='')}&z=1",
    "as part of a path": lambda p: f"/var/log/{p}/today.log",
    "as part of a longer name": lambda p: f"backup_{p}_v2",
    "over two lines, behind a hyphen": lambda p: (
        f"see {p.rpartition('-')[0]}-\n{p.rpartition('-')[2]} here" if "-" in p else f"see {p} here"
    ),
    "over two lines": lambda p: f"see {p[: _middle(p)]}\n{p[_middle(p) :]} here",
    "over two lines, indented": lambda p: f"see {p[: _middle(p)]}\n    {p[_middle(p) :]} here",
    "with spaces around the hyphens": lambda p: f"see {p.replace('-', ' - ')} here",
    "shortened": lambda p: f"see {p[:-4]}... here",
}
_MAY_BE_LOST = frozenset({"shortened"})
"""A part of a placeholder is none; nothing could tell whose it is."""


def placeholders(masker: Masker) -> tuple[list[tuple[str, str, str]], Lookup]:
    """Return family, value and placeholder of every value in the detectors' samples, and what turns them back."""
    session = masker.session()
    samples = [sample for one in (*DETECTORS, *RUN_DETECTORS) for sample in one.positives]
    session.mask([Text(sample.replace("«", "").replace("»", "").encode()) for sample in samples])
    made = [(entry.family, entry.value.decode(), key.decode()) for key, entry in session.mapping.items()]
    return made, masker.lookup(values_of(session.mapping))


def measure(masker: Masker) -> Sequence[Survival]:
    """Change each placeholder in each way; it is kept if its value, and nothing of itself, comes back."""
    made, lookup = placeholders(masker)
    results = []
    for way, change in _WAYS.items():
        lost = [family for family, value, key in made if not _kept(change(key), key, value, change(value), lookup)]
        results.append(Survival(way, len(made) - len(lost), len(made), tuple(sorted(set(lost)))))
    return results


def _kept(changed: str, placeholder: str, value: str, wanted: str, lookup: Lookup) -> bool:
    restored = restore(changed.encode(), lookup).decode()
    return value in restored and (restored == wanted or placeholder.lower() not in restored.lower())
