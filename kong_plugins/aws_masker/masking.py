"""Text in, masked text out, and its inverse."""

from __future__ import annotations

from collections.abc import Callable

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Lookup, MaskSession, Memory, NoMemory


class Masker:
    """Masks texts with one key and one set of settings; immutable, shared by all requests and threads."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        """`key`: at least 32 secret bytes."""
        raise NotImplementedError

    def session(self, tenant: str = "", memory: Memory = NoMemory()) -> MaskSession:
        """Begin the masking of one request of `tenant`."""
        raise NotImplementedError


def restore(text: bytes, lookup: Lookup, escape: Callable[[bytes], bytes] | None = None) -> bytes:
    """Return `text` with every placeholder that `lookup` knows turned back; `escape` is applied to each value."""
    raise NotImplementedError


class StreamRestorer:
    """Restores a text that arrives in pieces; any cut of the same text gives the same bytes in sum."""

    def __init__(self, lookup: Lookup, escape: Callable[[bytes], bytes] | None = None) -> None:
        raise NotImplementedError

    def feed(self, data: bytes) -> bytes:
        """Return what is settled; hold back only a tail that could still become a placeholder."""
        raise NotImplementedError

    def flush(self) -> bytes:
        """Return what is still held back, restored: the text has ended."""
        raise NotImplementedError
