"""What a vault's records look like in the store: encrypted, under names that tell nothing.

A record is `version (1 byte) | key id (4) | tag (16) | nonce (12) | AES-256-GCM(family, placeholder, value)`. Tenant
and field are its associated data, so a record that was moved elsewhere does not open. The tag is a keyed hash of
placeholder and value: with it the store can tell, without any key, whether two records mean the same.

Two keys. Names of tenants, fields and the tag are keyed hashes (BLAKE2b) with a key derived from the *masking key*,
which decides the placeholders too: so they stay the same when the vault key changes, and no record is lost sight of.
What is inside is encrypted with a key for each tenant derived (HKDF-SHA256, RFC 5869) from the *vault key*; the key id
says which. Records under an old vault key are read as long as that key is given. The masking key is the vault key where
none is set, and stays one of the old keys, so that one can be set later.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.text import Entry

VERSION = b"\x01"
_HEAD = struct.Struct("1s4s16s12s")
_NONCE = 12
_LENGTHS = struct.Struct(">BH")
_CHECK = "check"
_FINGERPRINT = 16


class Opened(NamedTuple):
    """The content of a record."""

    placeholder: bytes
    entry: Entry
    current: bool
    """It is encrypted with the present vault key."""


class Sealer:
    """Makes and opens the records of one tenant; immutable."""

    def __init__(self, tenant: str, names: bytes, ciphers: dict[bytes, AESGCM]) -> None:
        """`ciphers`: by key id, the present one first."""
        self._tenant = tenant.encode()
        self._names = names
        self._ciphers = ciphers
        self._present = next(iter(ciphers))

    def field(self, placeholder: bytes) -> bytes:
        """Return the name under which the record of `placeholder` is kept, 16 bytes."""
        return self._hash(b"awsmasker.field", placeholder)

    def seal(self, placeholder: bytes, entry: Entry) -> bytes:
        """Return a record, different each time."""
        field, family = self.field(placeholder), entry.family.encode()
        nonce = os.urandom(_NONCE)
        tag = self._hash(b"awsmasker.equal", field + entry.value)
        plain = b"".join((_LENGTHS.pack(len(family), len(placeholder)), family, placeholder, entry.value))
        sealed = self._ciphers[self._present].encrypt(nonce, plain, self._tenant + field)
        return _HEAD.pack(VERSION, self._present, tag, nonce) + sealed

    def open(self, field: bytes, record: bytes) -> Opened | None:
        """Return what a record holds, or None if it is damaged.

        Raises:
            ConfigError: it was written with a vault key that is not known.
        """
        if len(record) < _HEAD.size or record[:1] != VERSION:
            return None
        key = record[1:5]
        if key not in self._ciphers:
            if any(self._plain(cipher, field, record) is not None for cipher in self._ciphers.values()):
                return None  # it is ours: the key id is what is damaged
            raise ConfigError("the store has records of another vault key; name that in vault_keys_old")
        plain = self._plain(self._ciphers[key], field, record)
        if plain is None:
            return None
        family, placeholder = _LENGTHS.unpack_from(plain)
        start = _LENGTHS.size + family
        entry = Entry(plain[start + placeholder :], plain[_LENGTHS.size : start].decode())
        return Opened(plain[start : start + placeholder], entry, key == self._present)

    def reseal(self, field: bytes, record: bytes) -> bytes | None:
        """Return the record under the present key, or None if it is already, or is damaged. Raises as `open`."""
        opened = self.open(field, record)
        return None if opened is None or opened.current else self.seal(opened.placeholder, opened.entry)

    def _plain(self, cipher: AESGCM, field: bytes, record: bytes) -> bytes | None:
        """Return what is inside, or None if `cipher` does not open it."""
        nonce = record[_HEAD.size - _NONCE : _HEAD.size]
        try:
            return cipher.decrypt(nonce, record[_HEAD.size :], self._tenant + field)
        except InvalidTag:
            return None

    def _hash(self, person: bytes, text: bytes) -> bytes:
        return blake2b(self._tenant + text, key=self._names, digest_size=16, person=person).digest()


class Keyring:
    """All keys of a vault; immutable."""

    def __init__(self, masking_key: bytes, vault_key: bytes | None = None, old: Sequence[bytes] = ()) -> None:
        """`vault_key`: by default the masking key. `old`: vault keys of earlier times."""
        self._names = _derived(masking_key, b"names")
        secrets = dict.fromkeys((vault_key or masking_key, *old, masking_key))
        self._secrets = {_derived(secret, b"key id", 4): secret for secret in secrets}
        self.sealer = lru_cache(maxsize=1024)(self._sealer)

    def tenant_id(self, tenant: str) -> str:
        """Return what stands for a tenant in the store: 32 hex digits."""
        name = tenant.encode("utf-8", "surrogatepass")
        return blake2b(name, key=self._names, digest_size=16, person=b"awsmasker.tenant").hexdigest()

    def seal_check(self) -> bytes:
        """Return the record by which a vault is known to belong to these keys."""
        return self.sealer(_CHECK).seal(b"", Entry(self._fingerprint(), _CHECK))

    def open_check(self, record: bytes) -> bool:
        """Tell whether the check record is under the present vault key.

        Raises:
            ConfigError: the vault belongs to other keys.
        """
        if record[1:5] not in self._secrets:
            raise ConfigError("the store has another vault key (name it in vault_keys_old) or another masking key")
        sealer = self.sealer(_CHECK)
        opened = sealer.open(sealer.field(b""), record)
        if opened is None or opened.entry.value != self._fingerprint():
            raise ConfigError("the store has another masking key; use the same, or another redis_prefix")
        return opened.current

    def _fingerprint(self) -> bytes:
        return _derived(self._names, b"fingerprint", _FINGERPRINT)

    def _sealer(self, tenant_id: str) -> Sealer:
        info = b"records " + tenant_id.encode()
        ciphers = {key: AESGCM(_derived(secret, info)) for key, secret in self._secrets.items()}
        return Sealer(tenant_id, self._names, ciphers)


def _derived(secret: bytes, purpose: bytes, size: int = 32) -> bytes:
    return HKDF(SHA256(), size, salt=None, info=b"aws-masker vault " + purpose).derive(secret)
