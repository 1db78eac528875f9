"""What placeholders look like: a head that says what it is, an identity, and a tag that proves who made it.

    bucket-k7q2m9x4wetag5t1          i-0c4e19ba7d83f2a51            AKIAQX4YZ7B2C3D5E6FA
    `head` `identity``tag `

The identity is a keyed function of the value, the tag a keyed function of head and identity. So anyone with the key can
tell a placeholder from a value that only looks like one, without any store; nobody can make one without the key.
"""

from __future__ import annotations

from collections.abc import Callable

from kong_plugins.aws_masker.pseudonym.prf import Prf

Encode = Callable[[bytes, int], bytes]
"""From pseudo-random bytes, and a number of characters (at most as many as bytes), to that many characters."""


def _alphabet(letters: bytes) -> bytes:
    """Return a table for `bytes.translate`; 256 being a multiple of its length, no letter is likelier."""
    return letters * (256 // len(letters))


_HEX_LOWER = _alphabet(b"0123456789abcdef")
_HEX_UPPER = _HEX_LOWER.upper()
_BASE32_UPPER = _alphabet(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_BASE32_LOWER = _BASE32_UPPER.lower()


def hex_lower(data: bytes, length: int) -> bytes:
    """Encode with 4 bits a character, 0-9a-f."""
    return data[:length].translate(_HEX_LOWER)


def hex_upper(data: bytes, length: int) -> bytes:
    """Encode with 4 bits a character, 0-9A-F."""
    return data[:length].translate(_HEX_UPPER)


def base32_upper(data: bytes, length: int) -> bytes:
    """Encode with 5 bits a character, A-Z2-7."""
    return data[:length].translate(_BASE32_UPPER)


def base32_lower(data: bytes, length: int) -> bytes:
    """Encode with 5 bits a character, a-z2-7."""
    return data[:length].translate(_BASE32_LOWER)


class Shape:
    """Placeholders of a head and `identity + tag` characters, cut into groups by hyphens; immutable."""

    __slots__ = ("_encode", "_groups", "_identity", "_tag", "is_base32", "length", "size")

    def __init__(self, encode: Encode, identity: int, tag: int, groups: tuple[int, ...] = ()) -> None:
        """Take the lengths of identity, tag and, where there is more than one, of groups, in characters.

        An identity has 40 bits or more, so that 10,000 values collide with a probability of 5e-5 at most; a tag has 28
        or more, so that a foreign value passes for a placeholder with 2**-28 at most.
        """
        self._encode = encode
        self._identity = identity
        self._tag = tag
        self._groups = groups
        self.is_base32 = encode in (base32_lower, base32_upper)
        self.length = identity + tag
        self.size = self.length + max(0, len(groups) - 1)

    def spell(self, head: bytes, candidate: bytes) -> bytes:
        """Return the canonical spelling of what stands at the beginning of `candidate`, which may be in any case."""
        payload = candidate[len(head) : len(head) + self.size]
        return head + (payload.upper() if self._encode in (base32_upper, hex_upper) else payload.lower())

    def make(self, prf: Prf, head: bytes, family: str, value: bytes) -> bytes:
        """Return the placeholder for `value`."""
        return self._proved(prf, head, self._encode(prf.value(family, value), self._identity))

    def owns(self, prf: Prf, head: bytes, candidate: bytes) -> bool:
        """Tell whether `candidate` (in canonical spelling, beginning with `head`) was made by `make` with this key."""
        if len(candidate) != len(head) + self.size:
            return False
        payload = candidate[len(head) :]
        if self._groups:
            payload = payload.replace(b"-", b"")
        return self._proved(prf, head, payload[: self._identity]) == candidate

    def _proved(self, prf: Prf, head: bytes, identity: bytes) -> bytes:
        """Return the placeholder of an identity."""
        payload = identity + self._encode(prf.tag(head + identity), self._tag)
        if not self._groups:
            return head + payload
        parts, position = [], 0
        for length in self._groups:
            parts.append(payload[position : position + length])
            position += length
        return head + b"-".join(parts)


HEX17 = Shape(hex_lower, identity=10, tag=7)
NAME = Shape(base32_lower, identity=10, tag=6)
KEY16 = Shape(base32_upper, identity=10, tag=6)
KEY17 = Shape(base32_upper, identity=10, tag=7)
SECRET = Shape(base32_upper, identity=24, tag=7)
TOKEN = Shape(base32_upper, identity=25, tag=7)
DB_RESOURCE = Shape(base32_upper, identity=19, tag=7)
UUID = Shape(hex_lower, identity=20, tag=8, groups=(4, 4, 4, 4, 12))
HEX28 = Shape(hex_upper, identity=20, tag=8)
MULTI_REGION = Shape(hex_lower, identity=22, tag=10)
UNIT = Shape(base32_lower, identity=10, tag=6, groups=(4, 12))
OPAQUE = Shape(base32_upper, identity=13, tag=7)
