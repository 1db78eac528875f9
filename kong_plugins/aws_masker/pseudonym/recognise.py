"""Where in a text a placeholder may stand, and where its beginning may stand at the text's end.

Models change what they repeat: `I-0C4E...`, `bucket\\-k7q2...`, `bucket&#45;k7q2...`, a dash, a line
broken inside or behind a hyphen. Such spellings are brought to the canonical one before it is looked up; as a lookup
needs every character of identity and proof, nothing is restored wrongly by that. Account ids and addresses, which have
little or no proof, are taken in one line only: two numbers, one below the other, are not to become one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, DIGITS, escape_ends_at, run_end
from kong_plugins.aws_masker.pseudonym.heads import HEADS, OPAQUE_HEAD, forms_at, opaque_lengths

_HYPHEN = rb"(?:\\{0,3}-|&#45;|&#x2[dD];|&hyphen;|\xe2\x80[\x90-\x93]|\xe2\x88\x92)"
_HYPHEN_BEGUN = rb"(?:\\{1,3}|&(?:#(?:45?|x(?:2[dD]?)?)?|h(?:y(?:p(?:h(?:en?)?)?)?)?)?|\xe2[\x80\x88]?)"
_BREAK = rb"(?:\r?\n[ \t>|]{0,16})"
_BREAK_BEGUN = rb"(?:\r|" + _BREAK + rb")"
_LONGEST = 52
"""Characters of the longest payload or opaque type and payload."""

_SHORTEST = 16
_WORD = rb"[0-9A-Za-z]{%d,%d}" % (_SHORTEST, _LONGEST)
_BROKEN = rb"[0-9A-Za-z]{1,%d}" % (_LONGEST - 1) + _BREAK + rb"[0-9A-Za-z]{1,%d}" % (_LONGEST - 1)
_PAYLOAD = rb"(?:" + _WORD + rb"|" + _BROKEN + rb")"
_FIRST = rb"(?:10|172|192|100|24[0-7])"
"""First octets of IPv4 placeholders: private ranges, and 240.0.0.0/5 for public addresses."""


def _hyphened(pattern: bytes) -> bytes:
    """Return `pattern` with any spelling of a hyphen for `~`, and any beginning of one for `~~`."""
    return pattern.replace(b"~~", _HYPHEN_BEGUN).replace(b"~", _HYPHEN)


_NUMBER = _hyphened(
    rb"[0-9]{12}|[0-9]{4}~[0-9]{4}~[0-9]{4}"
    rb"|" + _FIRST + rb"(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?|" + _FIRST + rb"(?:~[0-9]{1,3}){3}"
    rb"|(?i:fc[0-9a-f]{2}:[0-9a-f:]{2,36}(?:/[0-9]{1,3})?|2001:db8:[0-9a-f:]{2,36}(?:/[0-9]{1,3})?)"
)


def _spelled(head: bytes) -> bytes:
    return head.replace(b"-", _HYPHEN)


def _last(letters: bytes) -> bytes:
    """Return a pattern for a last group of 12 letters, a line perhaps broken inside."""
    return letters + rb"{12}|" + letters + rb"{1,11}" + _BREAK + letters + rb"{1,11}"


_JOINT = _HYPHEN + _BREAK + rb"?"
_UUID = (
    rb"(?i:aced)[0-9A-Fa-f]{4}(?:" + _JOINT + rb"[0-9A-Fa-f]{4}){3}" + _JOINT + rb"(?:" + _last(rb"[0-9A-Fa-f]") + rb")"
)
_UNIT = rb"(?i:ou)" + _JOINT + rb"[0-9A-Za-z]{4}" + _JOINT + rb"(?:" + _last(rb"[0-9A-Za-z]") + rb")"
_ANY_HEAD = rb"(?i:" + b"|".join(map(_spelled, [*sorted(HEADS), OPAQUE_HEAD])) + rb")"
_HEADED = _ANY_HEAD + _BREAK + rb"?" + _PAYLOAD

_CANDIDATE = Pattern(b"|".join((_HEADED, _UUID, _UNIT, _NUMBER)))


def _begun(head: bytes) -> Iterator[bytes]:
    """Yield patterns for every proper beginning of `head`."""
    for end in range(1, len(head)):
        yield _spelled(head[:end])
    for at, byte in enumerate(head):
        if byte == ord("-"):
            yield _spelled(head[:at]) + _HYPHEN_BEGUN


_NUMBER_BEGUN = _hyphened(
    rb"[0-9]{1,12}|(?:[0-9]{4}~){1,2}[0-9]{0,4}|(?:[0-9]{4}~)?[0-9]{4}~~"
    rb"|" + _FIRST + rb"(?:\.[0-9]{1,3}){0,3}\.?|" + _FIRST + rb"(?:\.[0-9]{1,3}){3}/[0-9]{0,2}"
    rb"|" + _FIRST + rb"(?:~[0-9]{1,3}){0,3}(?:~|~~)?"
    rb"|(?i:fc?|fc[0-9a-f]{1,2}|fc[0-9a-f]{2}:[0-9a-f:]{0,36}(?:/[0-9]{0,3})?"
    rb"|2001:?|2001:d(?:b(?:8(?::[0-9a-f:]{0,36}(?:/[0-9]{0,3})?)?)?)?)"
)


def _last_begun(letters: bytes) -> bytes:
    return letters + rb"{0,11}(?:" + _BREAK_BEGUN + letters + rb"{0,11})?"


_UUID_BEGUN = (
    rb"(?i:aced)(?:[0-9A-Fa-f]{4}" + _JOINT + rb"){0,4}"
    rb"(?:" + _last_begun(rb"[0-9A-Fa-f]") + rb"|[0-9A-Fa-f]{4}" + _HYPHEN_BEGUN + rb")"
)
_UNIT_BEGUN = (
    rb"(?i:ou)" + _HYPHEN + rb"(?:" + _BREAK_BEGUN + rb"|" + _BREAK + rb"?[0-9A-Za-z]{4}"
    rb"(?:" + _HYPHEN_BEGUN + rb"|" + _JOINT + _last_begun(rb"[0-9A-Za-z]") + rb"))"
)
_HEADED_BEGUN = (
    _ANY_HEAD + _BREAK_BEGUN + rb"?[0-9A-Za-z]{0,%d}(?:" % _LONGEST + _BREAK_BEGUN + rb"[0-9A-Za-z]{0,%d})?" % _LONGEST
)
_BEGUN = Pattern(
    rb"(?:"
    + b"|".join(
        (
            _HEADED_BEGUN,
            rb"(?i:" + b"|".join(sorted({one for head in (*HEADS, OPAQUE_HEAD) for one in _begun(head)})) + rb")",
            _UUID_BEGUN,
            _UNIT_BEGUN,
            _NUMBER_BEGUN,
        )
    )
    + rb")\z"
)
LOOK_BACK = 12
"""Bytes before a number that tell whether it begins there: the longest escape sequence."""
LONGEST = 160
"""Bytes; no spelling of a placeholder is longer, so nothing further back need be held."""


def next_position(text: bytes, start: int, before: bytes) -> int:
    """Return from where to search on behind a refused candidate at `start`: no number begins inside a longer one.

    One begins behind an escape, though, whose own digits may stand before it: `%22110441248989%22`.
    """
    end = run_end(text, start, b"0123456789")
    left = (before + text[max(0, start - LOOK_BACK) : start])[-LOOK_BACK:]
    if left and left[-1] in _IN_ESCAPES:
        for position in range(start + 1, min(end, start + DIGITS_OF_ESCAPE + 1)):
            if escape_ends_at(left + text[start:position], len(left) + position - start):
                return position
    return max(start + 1, end)


_IN_ESCAPES = frozenset(b"%\\xuU0123456789ABCDEFabcdef")
"""What may stand right before the last digits of an escape."""
DIGITS_OF_ESCAPE = 4


class Reading(NamedTuple):
    """One way to read a candidate."""

    spelling: bytes
    """The canonical spelling to look up."""
    end: int
    """Byte offset in the text behind what was read."""
    settled: bool
    """True if nothing that could follow changes this reading: its length is fixed, and it proves itself."""


def candidate(text: bytes, position: int) -> tuple[int, int] | None:
    """Return the first place from `position` on where a placeholder may stand, or None."""
    return _CANDIDATE.search(text, position)


def begun_at(text: bytes, position: int) -> int:
    """Return from where on the end of `text` may be the beginning of a placeholder; its length if nowhere.

    Looks no further back than `position`, and than the longest spelling.
    """
    position = max(position, len(text) - LONGEST)
    found = _BEGUN.search(text, position)
    return len(text) if found is None else found[0]


def _plain(text: bytes) -> tuple[bytes, list[int] | None]:
    """Return `text` without escapes, entities and line breaks, and for each byte where it ended in `text`."""
    if not text.strip(_UNESCAPED):
        return text, None
    plain, ends = bytearray(), []
    position = 0
    while position < len(text):
        byte = text[position]
        if byte in b"\r\n\t >|\\":
            position += 1
            continue
        if byte in _UNESCAPED:
            position += 1
        else:  # an entity, or one of Unicode's hyphens and dashes
            position = text.index(b";", position) + 1 if byte == ord("&") else position + 3
            byte = ord("-")
        plain.append(byte)
        ends.append(position)
    return bytes(plain), ends


_UNESCAPED = bytes(sorted(ALNUM)) + b"-.:/"


def readings(text: bytes, start: int, end: int, before: bytes) -> Iterator[Reading]:
    """Yield how the candidate from `start` to `end` may be read, in the order in which to look them up.

    `before`: the last bytes before `text`; numbers must not be a part of longer ones.
    """
    plain, ends = _plain(text[start:end])

    def reading(spelling: bytes, settled: bool) -> Reading:
        return Reading(spelling, start + (len(spelling) if ends is None else ends[len(spelling) - 1]), settled)

    if plain[0] in DIGITS or (plain[:2].lower() == b"fc" and b":" in plain):
        left = (before + text[max(0, start - LOOK_BACK) : start])[-LOOK_BACK:]
        if not left or left[-1] not in DIGITS or escape_ends_at(left, len(left)):
            for number in _numbers(plain.lower(), whole=text[end : end + 1] not in _DIGIT):
                yield reading(number, False)
        return

    for head, shape in forms_at(plain):
        if len(head) + shape.size <= len(plain):
            yield reading(shape.spell(head, plain), True)
    if plain[:3].upper() == OPAQUE_HEAD and plain.isalnum():
        word = plain.upper()  # another word may stand right behind it
        for length in opaque_lengths(word):
            yield reading(word[:length], False)


def _numbers(number: bytes, *, whole: bool) -> Iterator[bytes]:
    """Yield what of a number to look up; `whole`: no digit follows."""
    if whole:
        yield number
    bare = number.partition(b"/")[0].rstrip(b":")
    if bare != number:
        yield bare


_DIGIT = frozenset(bytes([digit]) for digit in DIGITS)
