"""The Lua plugin, which restores streams inside Kong: it gives, chunk for chunk, what the Python code gives."""

from __future__ import annotations

import gzip
from functools import cache

from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import values_of
from kong_plugins.aws_masker.wire.providers import BEDROCK, Api
from tests.fuzz import events
from tests.fuzz.bytestream import Input
from tests.fuzz.common import LOOKUP, MAPPING, PLACEHOLDERS
from tests.lua.runtime import REQUEST, Lua

_APIS = [api for api in Api if api not in BEDROCK]
_TYPES = (b"text/event-stream; charset=utf-8", b"application/json", b"application/x-ndjson", b"text/plain")
_LIMITS = (1 << 20, 1024)


@cache
def _lua() -> Lua:
    return Lua()


@cache
def _mark(api: Api, limit: int) -> bytes:
    return Mark(REQUEST.decode(), api, "", stream=True, limit=limit, mapping=values_of(MAPPING)).dump().encode()


def check(data: bytes) -> None:
    """Send an answer both ways, in the same chunks."""
    given = Input(data)
    api, kind, limit, zipped, cuts = (
        given.pick(_APIS), given.pick(_TYPES), given.pick(_LIMITS), given.byte() % 8 == 7, given.cuts(),
    )  # fmt: skip
    limit = _LIMITS[0] if zipped else limit  # what decompresses beyond it is refused, each side in its own words
    headers = [(b"content-type", kind), (b"x-other", b"1")] + [(b"content-encoding", b"gzip")] * zipped
    chunks = list(cuts.of(gzip.compress(given.rest, mtime=0) if zipped else given.rest))
    restorer = ResponseRestorer(api, 200, headers, LOOKUP, Settings(max_decompressed_size=limit))
    expected = [*map(restorer.feed, chunks), restorer.close()]
    if zipped and not given.rest:
        expected = []  # Python can still hand on the coded nothing as it came
    exchange = _lua().exchange(_mark(api, limit), headers=headers)
    exchange.access()
    exchange.header_filter()
    got = exchange.body(chunks)
    assert exchange.logged == [], "the Lua plugin raised an error"
    assert (b"".join(got) if zipped else got) == (b"".join(expected) if zipped else expected), "they differ"


def seeds() -> list[bytes]:
    """Return the streams of `events`, whole answers, and one that is coded."""
    said = b'{"content":[{"type":"text","text":"%s"}],"n":123456789012}' % PLACEHOLDERS[5]
    made = [bytes([seed[0] % 4, 0, 0, 0, 5, 1, 60]) + seed[5:] for seed in events.seeds()]
    made += [bytes([number % 4, 1 + number % 3, 0, number, 5, 1, 60]) + said + b"\n" + said for number in range(8)]
    return made
