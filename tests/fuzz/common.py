"""What several harnesses need: a masker, planted values, and placeholders with what they stand for."""

from __future__ import annotations

from kong_plugins.aws_masker.masking import Masker, StreamRestorer, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.wire.jsontext import escaped as json_escaped
from tests.planted.model import Planted
from tests.properties.texts import SHAPED, lookup_in

KEY = bytes(range(32))
SETTINGS = Settings(max_body_size=1 << 20, max_decompressed_size=1 << 20)
MASKER = Masker(SETTINGS, KEY)
PLANTED: tuple[Planted, ...] = SHAPED

_session = MASKER.session()
_session.mask([Text(planted.text.encode()) for planted in PLANTED])
MAPPING = _session.mapping
"""Placeholders of all planted values."""
PLACEHOLDERS = sorted(MAPPING)
LOOKUP = lookup_in(MAPPING)


class Restoring:
    """Turns the placeholders of `MAPPING` back; implements `wire.restoring.Restoring`."""

    def whole(self, text: bytes, *, escaped: bool = False) -> bytes:
        """Restore a whole text."""
        return restore(text, LOOKUP, json_escaped if escaped else None)

    def pieces(self, *, escaped: bool = False) -> StreamRestorer:
        """Begin a text in pieces."""
        return StreamRestorer(LOOKUP, json_escaped if escaped else None)
