"""Answers: whatever comes back, coded or not, whole or broken, the client gets what its headers say, or a clear end."""

from __future__ import annotations

from kong_plugins.aws_masker.errors import RestoreFailed, UnreadableCoding
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.text import Lookup
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire.headers import values
from kong_plugins.aws_masker.wire.providers import Api
from tests.fuzz import events
from tests.fuzz.bytestream import Input
from tests.fuzz.common import LOOKUP, PLACEHOLDERS, SETTINGS

_APIS = list(Api)
_STATUSES = (200, 201, 400, 529, 206, 204, 304)
_STREAMS = (b"text/event-stream; charset=utf-8", b"application/vnd.amazon.eventstream")
_TYPES = (
    b"application/json", b"application/x-ndjson", b"text/plain", *_STREAMS, b"image/png", b"text/html; charset=utf-16",
)  # fmt: skip
_STACKS = ((), ("gzip",), ("br",), ("zstd", "gzip"), ("deflate",), ("unheard-of",))
_FORESEEN = ("the answer decompresses beyond the bound", "the answer's content coding broke in the middle")


class _Answer:
    """An answer on its way to the client."""

    def __init__(self, api: Api, status: int, kind: bytes, applied: tuple[str, ...], coded: bytes) -> None:
        self._api = api
        self._status = status
        self._headers = [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(coded)), (b"X-Other", b"1")]
        if applied:
            self._headers.insert(1, (b"Content-Encoding", ", ".join(applied).encode()))

    def received(self, pieces: list[bytes], lookup: Lookup) -> bytes | None:
        """Return what the client has read in the end, decoded; None if the answer was broken off."""
        restorer = ResponseRestorer(self._api, self._status, self._headers, lookup, SETTINGS)
        try:
            out = b"".join([*map(restorer.feed, pieces), restorer.close()])
        except RestoreFailed as error:
            assert error.detail in _FORESEEN, f"an unforeseen error: {error.detail}"
            return None
        assert values(restorer.headers, b"x-other") == [b"1"]
        lengths = values(restorer.headers, b"content-length")
        assert not restorer.final or lengths in ([], [b"%d" % len(out)]), "another length"
        applied = codings.listed(values(restorer.headers, b"content-encoding"))
        try:
            return codings.decode(out, applied, SETTINGS.max_decompressed_size)
        except UnreadableCoding:
            return out


def check(data: bytes) -> None:
    """Restore an answer in one piece and in many; then with nothing to look up."""
    given = Input(data)
    api, status, kind, applied = given.pick(_APIS), given.pick(_STATUSES), given.pick(_TYPES), given.pick(_STACKS)
    cuts, damage = given.cuts(), given.byte()
    known = codings.KNOWN.issuperset(applied)
    coded = codings.encode(given.rest, applied) if known else given.rest
    is_damaged = bool(applied) and known and damage > 0
    if is_damaged:
        at = damage * len(coded) // 256
        coded = coded[:at] + (bytes([coded[at] ^ damage]) + coded[at + 1 :] if damage % 2 else b"")
    answer = _Answer(api, status, kind, applied, coded)
    for lookup in (LOOKUP, lambda _: None):
        whole = answer.received([coded], lookup)
        pieces = answer.received(list(cuts.of(coded)), lookup)
        if not is_damaged:
            assert whole is not None and whole == pieces, "cut differently, it is another answer"
    if not is_damaged and kind not in _STREAMS:
        assert whole == given.rest, "something changed without a placeholder"


def seeds() -> list[bytes]:
    """Return answers of each API and type, coded and not, some of them damaged."""
    said = b'{"content":[{"type":"text","text":"%s"}],"n":123456789012}' % PLACEHOLDERS[5]
    made = []
    for number, (body, kind) in enumerate(
        ((said, 0), (said + b"\n" + said, 1), (PLACEHOLDERS[9] + b" is up", 2), (b"\x89PNG" + PLACEHOLDERS[9], 5))
    ):
        made += [bytes([number, 0, kind, stack, 9, 1, 60, 0]) + body for stack in range(len(_STACKS))]
        made += [bytes([number, 0, kind, stack, 9, 1, 60, wrong]) + body for stack in (1, 2, 3) for wrong in (90, 201)]
    made += [bytes([seed[0], 0, 3, number % 6, 9, 1, 60, 0]) + seed[5:] for number, seed in enumerate(events.seeds())]
    return made
