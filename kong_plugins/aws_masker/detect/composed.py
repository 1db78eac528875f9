"""Names that a template or a program puts together, behind a key that asks for a name: the parts that are written out.

`bucket = "acme-${var.env}-logs"`, `Bucket=f"acme-{env}"`, `"BucketName": {"Fn::Join": ["-", ["acme-logs", ...` and the
default of a parameter of CloudFormation's that is called like a name. No part is known to be a name anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kong_plugins.aws_masker.detect.open_arn import OPEN_PART
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, run_end
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word

_LONGEST = 255
_MOST_PARTS = 16
_LOOK_AHEAD = 400
_BLANK = rb"(?:[ \t\r\n]|\\n){0,40}"
_QUOTE = rb"\\{0,3}[\"']"
_JOIN = Pattern(
    rb"(?:!Join|\{" + _BLANK + _QUOTE + rb"Fn::Join" + _QUOTE + _BLANK + rb":)" + _BLANK + rb"\[" + _BLANK + _QUOTE
    + rb"[^\"'\\]{0,3}" + _QUOTE + rb"," + _BLANK + rb"\[" + _BLANK + _QUOTE
)  # fmt: skip
_NEXT = Pattern(_QUOTE + rb"," + _BLANK + _QUOTE)
_SUB = Pattern(
    rb"(?:!Sub[ \t]{1,4}|[fF][rR]?|\{"
    + _BLANK
    + _QUOTE
    + rb"Fn::Sub"
    + _QUOTE
    + _BLANK
    + rb":"
    + _BLANK
    + rb")"
    + _QUOTE
)
_TYPE = rb"\\{0,3}[\"']?Type\\{0,3}[\"']?:" + _BLANK + rb"\\{0,3}[\"']?String"
_DEFAULT = Pattern(
    _BLANK + rb"\{?" + _BLANK + _TYPE + rb"[^{}\x00]{0,240}\bDefault\\{0,3}[\"']?:" + _BLANK + rb"\\{0,3}[\"']?"
)
_COMMON = frozenset(
    b"prod production dev development test tests testing stage staging qa uat sandbox demo example my your the a "
    b"app api web log logs data db backup backups bucket table queue topic function lambda role user stack cluster "
    b"terraform state tf tfstate service project name env default main new old tmp temp id key aws s3 eu us".split()
)
"""Words that say nothing of whose name it is, however many of them are joined."""


_WRAPPERS = (b"!", b"{", b"f", b"F", b"\n", b"\r", b"\\n", b" ")
"""What functions, f-strings and the next line of YAML begin with."""


class Part(NamedTuple):
    """A part of a name that is written out."""

    start: int
    end: int
    wrapped: bool
    """True if it does not stand right behind the key, but in a function's argument, or as a default."""


def parts(text: bytes, start: int, is_text: bool) -> Iterator[Part]:
    """Yield the parts that are written out of the value that begins at `start`, if it has any others.

    `is_text`: true in quotes or in a shell, where `$NAME` is filled in; in a program it is a part of a name.
    """
    ahead = text[start : start + _LOOK_AHEAD] if text.startswith(_WRAPPERS, start) else b""
    if not ahead:
        yield from _filled_in(text, start, wrapped=False, is_text=is_text)
    elif (width := _SUB.match(ahead)) > 0:
        yield from _filled_in(text, start + width, wrapped=True, is_text=True)
    elif (width := _JOIN.match(ahead)) > 0:
        yield from _joined(text, start + width)
    elif (width := _DEFAULT.match(ahead)) > 0:
        end = run_end(text, start + width, NAME_CHARS, _LONGEST)
        if end - start - width >= _SHORTEST and not is_word(text[start + width : end]):
            yield Part(start + width, end, wrapped=True)
    else:
        yield from _filled_in(text, start, wrapped=False, is_text=is_text)


def _filled_in(text: bytes, start: int, wrapped: bool, is_text: bool) -> Iterator[Part]:
    """Yield the parts between what is filled in: `acme` and `logs-eu` of `acme-${var.env}-logs-eu`."""
    found: list[tuple[int, int]] = []
    position, filled = start, False
    for _ in range(_MOST_PARTS):
        end = run_end(text, position, NAME_CHARS, _LONGEST)
        found.append((position, end))
        width = OPEN_PART.match(text[end : end + _LOOK_AHEAD].partition(b"\n")[0])
        if width <= 0 or not (is_text or text.startswith(_BRACED, end)):
            break
        position, filled = end + width, True
    if not filled or _OF_GOOGLE.search(text[start:end]) is not None:
        return
    for first, last in found:
        own = _own(text, first, last)
        if own is not None and (first == start or not text[slice(*own)].isalpha()):
            yield Part(*own, wrapped)


_BRACED = (b"${", b"#{", b"{{", b"$(")
_OF_GOOGLE = Pattern(rb"projects/|locations/|project_?[iI]d|google")
"""In what names Google's resources."""


def _joined(text: bytes, start: int) -> Iterator[Part]:
    """Yield the parts of a list that is joined, up to the first that is no literal."""
    for _ in range(_MOST_PARTS):
        end = run_end(text, start, NAME_CHARS, _LONGEST)
        if (own := _own(text, start, end)) is not None:
            yield Part(*own, wrapped=True)
        width = _NEXT.match(text[end : end + _LOOK_AHEAD])
        if width <= 0:
            return
        start = end + width


_SHORTEST = 4
_JOINTS = b"-_./:+@"


def _own(text: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Return where a part lies without its joints, if it is somebody's own."""
    part = text[start:end]
    start += len(part) - len(part.lstrip(_JOINTS))
    part = part.strip(_JOINTS)
    words = part.lower().replace(b"_", b"-").replace(b".", b"-").replace(b"/", b"-").split(b"-")
    if len(part) < _SHORTEST or is_literal_word(part) or is_reference(part):
        return None
    if all(word in _COMMON or word.isdigit() for word in words):
        return None
    return start, start + len(part)
