"""Whole requests and answers through the pipeline, beside the standard library's `re` with the same patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import orjson

from bench.bodies import events
from bench.timing import RUNS, least
from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Lookup

HEAD = Head("/v1/messages", ((b"content-type", b"application/json"),))
SETTINGS = Settings()
_KEY = bytes(range(32))
MASKER = Masker(SETTINGS, _KEY)
_PATTERNS = tuple(detector.pattern for detector in (*DETECTORS, *RUN_DETECTORS))


class Measured(NamedTuple):
    """Seconds for one body, each the least of several runs."""

    size: int
    values: int
    mask: float
    """The first time."""
    again: float
    """By a masker that has masked the same lately, as the earlier turns of a conversation."""
    restore: float
    re_alternation: float
    parse: float


def masked(body: bytes, masker: Masker = MASKER) -> MaskedRequest:
    """Mask one request as the proxy does."""
    return mask_request(HEAD, body, masker.session(), SETTINGS)


def lookup(request: MaskedRequest) -> Lookup:
    """Return the lookup of what the request masked."""
    mapping = request.mapping

    def found(placeholder: bytes) -> bytes | None:
        entry = mapping.get(placeholder)
        return None if entry is None else entry.value

    return found


def _re_alternation() -> Callable[[bytes], int]:
    pattern = re.compile(b"|".join(b"(?:" + one + b")" for one in _PATTERNS))
    return lambda body: sum(1 for _ in pattern.finditer(body))


def _restored(request: MaskedRequest, answer: bytes) -> bytes:
    headers = ((b"content-type", b"application/json"),)
    restorer = ResponseRestorer(request.api, 200, headers, lookup(request), SETTINGS)
    return restorer.feed(answer) + restorer.close()


def measure(body: bytes) -> Measured:
    """Mask `body`; restore an answer that repeats all of it; search it with `re`, as often as the time allows."""
    request = masked(body)
    text = request.body.decode()
    content = [{"type": "text", "text": text}]
    answer = orjson.dumps({"id": "msg_01", "type": "message", "role": "assistant", "content": content, "usage": {}})
    assert orjson.loads(_restored(request, answer))["content"][0]["text"] != text
    search = _re_alternation()
    fresh = iter([Masker(SETTINGS, _KEY) for _ in range(RUNS)])
    return Measured(
        size=len(body),
        values=sum(request.counts.values()),
        mask=least(lambda: masked(body, next(fresh))),
        again=least(lambda: masked(body)),
        restore=least(lambda: _restored(request, answer)),
        re_alternation=least(lambda: search(body), runs=3),
        parse=least(lambda: orjson.loads(body)),
    )


class Stream(NamedTuple):
    """Seconds for one event of a stream."""

    events: int
    restore: float
    """Restoring an event of the stream, in the middle of it."""
    parse: float
    """Reading its JSON with orjson and writing it again."""


def stream(body: bytes) -> Stream:
    """Restore a stream of 12-character deltas that repeats the first 60 KB of the masked request."""
    request = masked(body)
    chunks = events(request.body.decode()[:60_000])
    headers = ((b"content-type", b"text/event-stream"),)

    def run() -> None:
        restorer = ResponseRestorer(request.api, 200, headers, lookup(request), SETTINGS)
        for chunk in chunks:
            restorer.feed(chunk)
        restorer.close()

    def parse() -> None:
        for chunk in chunks:
            orjson.dumps(orjson.loads(chunk.split(b"data: ", 1)[1]))

    return Stream(len(chunks), least(run) / len(chunks), least(parse) / len(chunks))
