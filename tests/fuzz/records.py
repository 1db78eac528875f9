"""Records of the vault: whatever lies in the store, it is read as it was written, or not at all."""

from __future__ import annotations

import contextlib

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.records import Keyring
from tests.fuzz.bytestream import Input
from tests.fuzz.common import KEY

_RING = Keyring(KEY)
_SEALER = _RING.sealer("0" * 32)
_FIELD = _SEALER.field(b"bucket-k7q2")
_RECORD = _SEALER.seal(b"bucket-k7q2", Entry(b"acme", "bucket"))


def check(data: bytes) -> None:
    """Open the bytes as they come, and a good record with some of its bytes replaced."""
    given = Input(data)
    _opens_to_nothing(given.rest)
    at = given.byte() % len(_RECORD)
    damaged = (_RECORD[:at] + given.rest + _RECORD[at + len(given.rest) :])[: len(_RECORD) + 8]
    _opens_to_nothing(damaged)
    with contextlib.suppress(ConfigError):
        assert not _RING.open_check(data)


def _opens_to_nothing(record: bytes) -> None:
    if record[:5] + record[21:] == _RECORD[:5] + _RECORD[21:]:  # what is between is for the store alone
        return
    try:
        assert _SEALER.open(_FIELD, record) is None, "a record that was never written"
    except ConfigError:
        return


def seeds() -> list[bytes]:
    """Return a record whole, cut and changed."""
    return [bytes([at]) + _RECORD[at + 1 :] for at in (0, 1, 5, 21, 33, 60)] + [b"\x00" + bytes(80), b"\x21\xff"]
