"""What placeholders look like: a head that says what it is, an identity, and a tag that proves who made it.

    bucket-k7q2m9x4wetag5t1          i-0c4e19ba7d83f2a51            AKIAQX4YZ7B2C3D5E6FA
    `head` `identity``tag `

The identity is a keyed function of the value, the tag a keyed function of head and identity. So anyone with the key can
tell a placeholder from a value that only looks like one, without any store; nobody can make one without the key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Shape:
    """Placeholders of a head and `identity + tag` characters, cut into groups by hyphens where `groups` says so."""

    encode: Encode
    identity: int
    """Characters of identity: 40 bits or more, so that 10,000 values collide with probability 5e-5 at most."""
    tag: int
    """Characters of tag: 28 bits or more, so that a foreign value passes for a placeholder with 2**-28 at most."""
    groups: tuple[int, ...] = field(default=())
    """Lengths of the payload's groups, or () for one."""

    @property
    def length(self) -> int:
        """Characters of the payload, without hyphens."""
        return self.identity + self.tag

    def spell(self, head: bytes, candidate: bytes) -> bytes:
        """Return the canonical spelling of what stands at the beginning of `candidate`, which may be in any case."""
        end = len(head) + self.length + max(0, len(self.groups) - 1)
        payload = candidate[len(head) : end]
        return head + (payload.upper() if self.encode in (base32_upper, hex_upper) else payload.lower())

    def make(self, prf: Prf, head: bytes, family: str, value: bytes) -> bytes:
        """Return the placeholder for `value`."""
        identity = self.encode(prf.value(family, value), self.identity)
        return self._lay_out(head, identity + self._proof(prf, head, identity))

    def owns(self, prf: Prf, head: bytes, candidate: bytes) -> bool:
        """Tell whether `candidate` (in canonical spelling, beginning with `head`) was made by `make` with this key."""
        if len(candidate) != len(head) + self.length + max(0, len(self.groups) - 1):
            return False
        payload = candidate[len(head) :].replace(b"-", b"")
        identity = payload[: self.identity]
        return self._lay_out(head, identity + self._proof(prf, head, identity)) == candidate

    def _proof(self, prf: Prf, head: bytes, identity: bytes) -> bytes:
        return self.encode(prf.tag(head + identity), self.tag)

    def _lay_out(self, head: bytes, payload: bytes) -> bytes:
        if not self.groups:
            return head + payload
        parts, position = [], 0
        for length in self.groups:
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
