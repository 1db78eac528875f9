"""Names in YAML whose key stands on another line: tags, lists of names, the parameters and secrets of a buildspec.

`aws ... --output yaml` and templates of CloudFormation write them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect.blocks import FAMILIES, family_of
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, run_end, starts_clean
from kong_plugins.aws_masker.detect.words import is_reference, is_word, literal

_LONGEST = 255
_MOST = 200
_ENDS = b"\n\r \x00\"':"


def _name(text: bytes, start: int) -> int:
    """Return where the name that begins at `start` ends, or `start` if none does."""
    name = literal(text, start, _ENDS)
    usable = len(name) >= 3 and not name.isdigit() and not is_word(name) and not is_reference(name)
    return start + len(name) if usable else start


def _find_tag(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = _name(text, end) if starts_clean(text, start) else end
    return (Span(end, stop, "resource", spread=True),) if stop > end else ()


TAGS = Detector(
    name="yaml_tags",
    families=("resource",),
    summary="names in the tag `Name`, in YAML",
    pattern=rb"[kK]ey: [\"']?Name[\"']?\r?\n[ \t]{1,40}[vV]alue: [\"']?",
    find=_find_tag,
    bare=False,
    positives=("Tags:\n- Key: Name\n  Value: «acme-web-1»\n", "  - Key: 'Name'\n    Value: \"«acme-vpc»\"\n"),
    negatives=("- Key: Name\n  Value: !Ref Env\n", "- Key: Names\n  Value: acme-1\n", "- Key: Name\n  Value: web\n"),
)

_ITEM = Pattern(rb"[\"']?\r?\n[ \t]{0,40}- [\"']?")
_PAIR = Pattern(rb"[\"']?(?::[A-Za-z0-9_:.-]{0,80})?\r?\n[ \t]{4,40}[A-Za-z_][A-Za-z0-9_]{0,60}: [\"']?")


def _run(text: bytes, position: int, between: Pattern, family: str) -> Iterator[Span]:
    """Yield the names that follow one another with `between` between."""
    for _ in range(_MOST):
        end = _name(text, position)
        if end > position:
            yield Span(position, end, family, spread=True)
        stop = run_end(text, position, NAME_CHARS, _LONGEST)
        width = between.match(text[stop : stop + 240])
        if width <= 0:
            return
        position = stop + width


def _find_list(text: bytes, start: int, end: int) -> Sequence[Span]:
    return list(_run(text, end, _ITEM, family_of(text[start:end]))) if starts_clean(text, start) else ()


LISTS = Detector(
    name="yaml_lists",
    families=FAMILIES,
    summary="names in lists of them, in YAML",
    pattern=(
        rb"(?:[tT]able|[sS]tream|[lL]ambda|[cC]luster|[rR]epository|[lL]oadBalancer|[tT]argetGroup|[lL]ogGroup|[sS]tack"
        rb"|[nN]odegroup|[rR]ole)Names?:\r?\n[ \t]{0,40}- [\"']?"
    ),
    find=_find_list,
    bare=False,
    positives=(
        "TableNames:\n- «acme-orders»\n- «acme-users»\nNext: x-1\n",
        "LogGroupNames:\n  - '«acme-1»'\n  - web\n",
    ),
    negatives=("TableNames:\n- orders\n", "names:\n- acme-1\n"),
)


def _find_section(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start):
        return ()
    return list(_run(text, end, _PAIR, "secret" if text[start : start + 1] == b"s" else "parameter"))


SECTIONS = Detector(
    name="buildspec",
    families=("parameter", "secret"),
    summary="parameters and secrets that a buildspec reads",
    pattern=rb"(?:parameter-store|secrets-manager):\r?\n[ \t]{2,40}[A-Za-z_][A-Za-z0-9_]{0,60}: [\"']?",
    find=_find_section,
    bare=False,
    positives=(
        'env:\n  parameter-store:\n    DB: «/acme/prod/db»\n    B_2: "«/acme/b»"\n',
        "  secrets-manager:\n    TOKEN: «acme/prod/token»:key\n    T2: «acme/t2»\nphases:\n  x: y-1\n",
    ),
    negatives=("parameter-store:\n  kind: none\n", "my-parameter-store: x\n"),
)
