"""The keyed functions that placeholders are made with.

BLAKE2b in its keyed mode is a pseudo-random function (RFC 7693; Aumasson et al. 2013): without the key its output tells
nothing about its input. The key of a tenant is derived from the project's key, so that tenants share no placeholders.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

from kong_plugins.aws_masker.errors import ConfigError

SHORTEST_KEY = 32
"""Bytes."""


class Prf:
    """The keyed functions of one tenant; immutable."""

    def __init__(self, key: bytes, tenant: str) -> None:
        """`key`: the project's key, at least `SHORTEST_KEY` bytes.

        Raises:
            ConfigError: if the key is too short.
        """
        if len(key) < SHORTEST_KEY:
            raise ConfigError(f"the key has fewer than {SHORTEST_KEY} bytes")
        root = blake2b(key, digest_size=64, person=b"awsmasker.root").digest()
        self._key = blake2b(tenant.encode("utf-8", "surrogatepass"), key=root, person=b"awsmasker.tenant").digest()
        self._value = blake2b(key=self._key, person=b"awsmasker.value")  # to be copied: half of the work is done
        self._tag = blake2b(key=self._key, digest_size=32, person=b"awsmasker.tag")
        self._known = blake2b(key=self._key, digest_size=32, person=b"awsmasker.text").digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prf) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def value(self, family: str, value: bytes) -> bytes:
        """Return 64 bytes that stand for `value` of `family`."""
        keyed = self._value.copy()
        keyed.update(family.encode() + b"\x00" + value)
        return keyed.digest()

    def tag(self, text: bytes) -> bytes:
        """Return 32 bytes that prove that the placeholder beginning with `text` was made with this key."""
        keyed = self._tag.copy()
        keyed.update(text)
        return keyed.digest()

    def name(self, text: bytes) -> bytes:
        """Return 32 bytes by which a whole text is known again; SHA-256 has instructions of the processor's own."""
        return hmac.digest(self._known, text, "sha256")
