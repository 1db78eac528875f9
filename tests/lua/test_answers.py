"""Whole answers through the handler: each chunk gives the bytes that Python's `ResponseRestorer` gives for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.demo import anthropic_api, openai_chat, openai_responses
from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.wire.jsontext import to_bytes, to_str
from kong_plugins.aws_masker.wire.providers import BEDROCK, Api
from kong_plugins.aws_masker.wire.streams import MAX_BLOCKS, MAX_PIECES
from tests.lua.runtime import REQUEST, Headers, Lua
from tests.lua.texts import ACCOUNTS, MAPPING, PLACEHOLDERS, answers, cut, places
from tests.wire.test_streams import JUNK, anthropic, block, call, choice, chunk, interleaved, stream

_LIMIT = 1 << 20
_TEXTS = answers.map(lambda answer: answer.decode("utf-8", "replace")) | answers.map(to_str)
Json = dict[str, Any]


def mark_of(api: Api, limit: int = _LIMIT) -> str:
    """Return the mark of a request that asked for a stream."""
    return Mark(REQUEST.decode(), api, "", stream=True, limit=limit, mapping=MAPPING).dump()


def headers_of(content_type: str) -> Headers:
    return [(b"Content-Type", content_type.encode()), (b"Content-Length", b"7"), (b"X-Other", b"1")]


def through_lua(lua: Lua, api: Api, chunks: list[bytes], headers: Headers, limit: int = _LIMIT) -> list[bytes]:
    exchange = lua.exchange(mark_of(api, limit).encode(), headers=headers)
    assert exchange.access() is None
    exchange.header_filter()
    out = exchange.body(chunks)
    assert exchange.logged == []
    return out


def through_python(api: Api, chunks: list[bytes], headers: Headers, limit: int = _LIMIT) -> list[bytes]:
    restorer = ResponseRestorer(api, 200, headers, MAPPING.get, Settings(max_decompressed_size=limit))
    return [*map(restorer.feed, chunks), restorer.close()]


def same(lua: Lua, api: Api, chunks: list[bytes], content_type: str, limit: int = _LIMIT) -> bytes:
    """Send `chunks` both ways; return what the client gets."""
    headers = headers_of(content_type)
    mine = through_lua(lua, api, chunks, headers, limit)
    assert mine == through_python(api, chunks, headers, limit)
    return b"".join(mine)


SSE = "text/event-stream; charset=utf-8"
_apis = st.sampled_from([api for api in Api if api not in BEDROCK])  # whose answers Kong collects, streams too
_types = st.sampled_from(
    (SSE, "application/json", "application/x-ndjson", "text/plain", "application/vnd.x+json; charset=utf-16",
    "image/png")
)  # fmt: skip
_pieces = st.lists(_TEXTS, max_size=5)


def _deltas(texts: list[str], at: list[int]) -> list[str]:
    whole = "".join(texts)
    ends = sorted({place % (len(whole) + 1) for place in at} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@st.composite
def _messages(draw: st.DrawFn) -> list[Json | str]:
    """Events of a stream of Anthropic's, with blocks side by side."""
    kinds = (("text_delta", "text"), ("input_json_delta", "partial_json"), ("thinking_delta", "thinking"), ("x", "y"))
    blocks = [block(at, *draw(st.sampled_from(kinds)), _deltas(draw(_pieces), draw(places))) for at in (0, 1)]
    return anthropic(interleaved(*blocks))


@st.composite
def _chunks(draw: st.DrawFn) -> list[Json | str]:
    """Chunks of OpenAI's Chat Completions, with choices and calls side by side."""
    texts, arguments = _deltas(draw(_pieces), draw(places)), _deltas(draw(_pieces), draw(places))
    return [
        *(chunk(choice(1, content=piece), choice(0, reasoning_content=piece)) for piece in texts),
        *(
            chunk(choice(0, tool_calls=[call(1, piece), call(0, piece, id="i")]), usage={"a": 1.5})
            for piece in arguments
        ),
        chunk(choice(1, "stop", content=draw(_TEXTS))),
        "[DONE]",
    ]


@st.composite
def _responses(draw: st.DrawFn) -> list[Json | str]:
    """Events of OpenAI's Responses."""
    where: Json = {"item_id": "msg_1", "output_index": 0, "content_index": draw(st.sampled_from((0, None, 1.0, "0")))}
    tool = {"item_id": "fc_1", "output_index": 1}
    texts, arguments = _deltas(draw(_pieces), draw(places)), _deltas(draw(_pieces), draw(places))
    item = {"type": "function_call", "name": PLACEHOLDERS[0].decode(), "arguments": json.dumps({"a": draw(_TEXTS)})}
    kind = draw(st.sampled_from(("response.output_text.done", "response.content_part.done", "response.completed")))
    return [
        *interleaved(
            [{"type": "response.output_text.delta", **where, "delta": piece} for piece in texts],
            [{"type": "response.function_call_arguments.delta", **tool, "delta": piece} for piece in arguments],
        ),
        {"type": kind, **where, "text": draw(_TEXTS)},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.failed", "response": {"output": [item]}},
    ]


_STREAMS: dict[Api, st.SearchStrategy[list[Any]]] = {
    Api.ANTHROPIC: _messages(),
    Api.OPENAI_CHAT: _chunks(),
    Api.OPENAI_RESPONSES: _responses(),
    Api.OTHER: st.lists(JUNK | _TEXTS.map(lambda text: {text: [text, 123456789012]}), max_size=5),
}


_NAMED = (Api.ANTHROPIC, Api.OPENAI_RESPONSES)
"""Their events have a name as well."""


def _raw(events: list[Json | str], end: bytes, *, is_ascii: bool, named: bool) -> bytes:
    if is_ascii:
        return stream(events, named=named, end=end)
    rows = [to_bytes(event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)) for event in events]
    return b"".join(b"data: " + row + end + end for row in rows)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), api=_apis, end=st.sampled_from((b"\n", b"\r\n", b"\r")), at=places, is_ascii=st.booleans(),
       bom=st.sampled_from((b"", b"\xef\xbb\xbf")))  # fmt: skip
def test_any_stream_in_any_chunks(
    *, lua: Lua, data: st.DataObject, api: Api, end: bytes, at: list[int], is_ascii: bool, bom: bytes
) -> None:
    """Streams of each API, cut into any deltas and any chunks."""
    raw = bom + _raw(data.draw(_STREAMS[api]), end, is_ascii=is_ascii, named=api in _NAMED)
    whole = same(lua, api, cut(raw, at), SSE)
    assert same(lua, api, [raw], SSE) == whole
    assert same(lua, api, [raw[n : n + 1] for n in range(len(raw))], SSE) == whole


_BREAKS = st.sampled_from(
    (b"", b"\n", b"\r", b"\n\n", b"data", b"data:", b":", b'"', b"{", b"}", b"\\", b"\xff", b"\xed\xa0\x80", b"\\ud800",
     b',"type":"a"', b'"index":0,', b"event: x\n", b"\ndata: ", b"\n: note\n", b"[DONE]", b"1e999", b"123456789012")
)  # fmt: skip


@settings(deadline=None, max_examples=120)
@given(data=st.data(), api=_apis, content_type=_types, at=places,
       breaks=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 4), _BREAKS), max_size=3))  # fmt: skip
def test_any_broken_answer(
    *, lua: Lua, data: st.DataObject, api: Api, content_type: str, at: list[int], breaks: list[tuple[int, int, bytes]]
) -> None:
    """Bytes put in, overwritten or missing anywhere, and an answer of another type than its bytes."""
    raw = _raw(data.draw(_STREAMS[data.draw(_apis)]), b"\n", is_ascii=False, named=False)
    for place, width, wrong in breaks:
        start = place % (len(raw) + 1)
        raw = raw[:start] + wrong + raw[start + width :]
    same(lua, api, cut(raw, at), content_type)


@settings(deadline=None, max_examples=100)
@given(api=_apis, events=st.lists(JUNK, max_size=6), at=places)
def test_events_of_any_form(lua: Lua, api: Api, events: list[Any], at: list[int]) -> None:
    """Any values in the fields that rules look at."""
    same(lua, api, cut(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), at), SSE)


_FIELDS = (
    "type", "role", "name", "input", "source", "data", "media_type", "signature", "arguments", "function",
    "url", "file_data",
    "image_url", "text", "metadata", "result", "env", "parameters", "thinking_blocks", "item", "response", "x",
)  # fmt: skip
_KINDS = (
    "text", "tool_use", "server_tool_use", "thinking", "redacted_thinking", "compaction", "image", "base64",
    "image/png",
    "function_call", "mcp_call", "image_generation_call", "tool", "function", "response.image.done", "data:text/plain,",
)  # fmt: skip
_documents = st.recursive(
    st.sampled_from(_KINDS) | st.sampled_from(PLACEHOLDERS).map(bytes.decode)
    | st.sampled_from((123456789012, *map(int, ACCOUNTS))) | st.none()
    | st.sampled_from(PLACEHOLDERS).map(lambda placeholder: json.dumps({"a": placeholder.decode()})),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(_FIELDS), below, max_size=5)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(_KINDS), "role": st.sampled_from(("function", "tool", "user"))},
            optional=dict.fromkeys(_FIELDS[2:], st.just(PLACEHOLDERS[0].decode())),
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=120)
@given(api=_apis, tree=_documents, at=places, spaces=st.sampled_from((None, 1)))
def test_any_whole_answer(lua: Lua, api: Api, tree: Any, at: list[int], spaces: int | None) -> None:
    """JSON although a stream was asked for: the API's rules choose the same strings and numbers."""
    raw = json.dumps(tree, indent=spaces).encode()
    same(lua, api, cut(raw, at), "application/json")
    same(lua, api, cut(b"data: " + json.dumps(tree).encode() + b"\n\n", at), SSE)


_BLOCKS = (
    Thinking(f"think {PLACEHOLDERS[0].decode()}"),
    Say("".join(f"see {placeholder.decode()}, " for placeholder in PLACEHOLDERS[::3])),
    Call("Bash", {"command": "".join(f'echo "{placeholder.decode()}"\n' for placeholder in PLACEHOLDERS[::3])}),
)


def _anthropic(answer: Answer) -> bytes:
    return b"".join(anthropic_api.events(answer, Received({"model": "m"})))


def _chat(answer: Answer) -> bytes:
    return b"".join(openai_chat.chunks(answer, Received({"model": "m"})))


def _whole_response(answer: Answer) -> bytes:
    return b"".join(openai_responses.events(openai_responses.response(answer, Received({"model": "m"}))))


@pytest.mark.parametrize(
    ("api", "write"),
    [(Api.ANTHROPIC, _anthropic), (Api.OPENAI_CHAT, _chat), (Api.OPENAI_RESPONSES, _whole_response)],
)
@pytest.mark.parametrize("interleave", [False, True])
def test_the_stand_ins_streams(lua: Lua, api: Api, write: Callable[[Answer], bytes], interleave: bool) -> None:
    """A stream as the APIs write them, with every family's placeholders: all values are there, whatever the chunks."""
    raw = write(Answer(_BLOCKS, interleaved=interleave))
    whole = same(lua, api, [raw], SSE)
    for size in (7, 1460):
        assert same(lua, api, [raw[at : at + size] for at in range(0, len(raw), size)], SSE) == whole
    assert whole != raw
    assert PLACEHOLDERS[3] not in whole.replace(b'"', b"")


@settings(deadline=None, max_examples=100)
@given(
    at=places,
    size=st.integers(900, 1100),
    content_type=st.sampled_from((SSE, "application/x-ndjson", "application/json")),
)
def test_beyond_the_limit(lua: Lua, at: list[int], size: int, content_type: str) -> None:
    """What outgrows the limit is text from there on, and nothing of what was held is lost."""
    first = stream(block(0, "text_delta", "text", ["held i-0a1b"])[1:2]) if content_type == SSE else b""
    placeholder = PLACEHOLDERS[0]
    raw = (
        first
        + b'data: {"a": "'
        + placeholder
        + b"x" * size
        + placeholder
        + b'"}\n\ndata: {"b": "'
        + placeholder
        + b'"}\n'
    )
    same(lua, Api.ANTHROPIC, cut(raw, at), content_type, limit=1024)


def test_open_blocks_are_bounded(lua: Lua) -> None:
    """A stream that opens blocks without end gets the oldest ended."""
    raw = b"".join(stream(block(at, "text_delta", "text", ["i-0"])[1:2]) for at in range(MAX_BLOCKS + 50))
    same(lua, Api.ANTHROPIC, cut(raw, list(range(0, len(raw), 1000))), SSE)


@pytest.mark.parametrize("odd", ['"index":0,', '"z":' + "[" * 1000 + "]" * 1000 + ","], ids=["twice", "deep"])
def test_an_event_that_is_not_understood_changes_no_block(lua: Lua, odd: str) -> None:
    """A repeated key, or nesting without reason: what a block held comes out once."""
    start, end = PLACEHOLDERS[0][:8].decode(), PLACEHOLDERS[0][8:].decode()
    delta = '{"type":"content_block_delta","index":0,%s"delta":{"type":"text_delta","text":"%s"}}'
    stop = '{"type":"content_block_stop","index":0,%s"note":"' + PLACEHOLDERS[0].decode() + '"}'
    parts = [delta % ("", start), delta % (odd, start), delta % ("", end), stop % odd, stop % ""]
    same(lua, Api.ANTHROPIC, [f"data: {part}\n\n".encode() for part in parts], SSE)


def test_an_event_of_very_many_pieces(lua: Lua) -> None:
    """More than any provider sends."""
    choices = [{"index": at, "delta": {"content": f"{PLACEHOLDERS[0].decode()} i-0"}} for at in range(3 * MAX_PIECES)]
    same(lua, Api.OPENAI_CHAT, [stream([{"id": "c", "choices": choices}, "[DONE]"], named=False)], SSE)


@pytest.mark.parametrize("depth", [255, 256, 257, 1000])
def test_deep_answers(lua: Lua, depth: int) -> None:
    """Deeper than rules are walked is text."""
    nested = b"[" * depth + b'"' + PLACEHOLDERS[0] + b'"' + b"]" * depth
    same(lua, Api.OTHER, [nested], "application/json")
    same(lua, Api.ANTHROPIC, [b'data: {"delta":{"type":"x","y":"i-0"},"z":' + nested + b"}\n\n"], SSE)


_INDEXES = (
    "0", "-0", "1", "1.0", "10e-1", "true", "false", '"1"', "null", "[]", "18446744073709551615", "1e400",
    "1.8446744073709552e19",
)  # fmt: skip


@pytest.mark.parametrize("begun", _INDEXES)
@pytest.mark.parametrize("ended", _INDEXES)
def test_indexes_are_equal_where_python_finds_them_so(lua: Lua, begun: str, ended: str) -> None:
    """1, 1.0 and true are, though no block has the index 1.0; a surrogate makes readers of numbers lenient."""
    for more in ("", ',"x":"\\ud800"'):
        for api, delta, end in (
            (
                Api.ANTHROPIC,
                '{"type":"content_block_delta","index":%s,"delta":{"type":"text_delta","text":"i-0"}%s}',
                '{"type":"content_block_stop","index":%s%s}',
            ),
            (
                Api.OPENAI_CHAT,
                '{"choices":[{"index":%s,"delta":{"content":"i-0"}}]%s}',
                '{"choices":[{"index":%s,"delta":{},"finish_reason":"stop"}]%s}',
            ),
            (
                Api.OPENAI_RESPONSES,
                '{"type":"response.output_text.delta","output_index":%s,"delta":"i-0"%s}',
                '{"type":"response.output_text.done","output_index":%s%s}',
            ),
        ):
            events = (delta % (begun, more), end % (ended, more), '{"type":"ping"}')
            same(lua, api, [f"data: {event}\n\n".encode() for event in events], SSE)


_PLACEHOLDER = PLACEHOLDERS[0].decode()
_ACCOUNT, _ODD_ACCOUNT = (account.decode() for account in ACCOUNTS)
_CHAT_DELTA = '{"choices":[{"index":0,"delta":{"content":"held i-0"}}]}'
_EXAMPLES = (
    (Api.OPENAI_RESPONSES, [f'{{"type":"response.audio.delta","delta":"{_PLACEHOLDER}"}}']),
    (Api.OPENAI_CHAT, [_CHAT_DELTA, f'{{"error":{{"message":"{_PLACEHOLDER}"}}}}']),
    (Api.OPENAI_CHAT, [_CHAT_DELTA, '{"a":1,"choices":[],"choices":[{"index":0,"finish_reason":"stop"}]}', "[DONE]"]),
    (Api.OPENAI_CHAT, [_CHAT_DELTA.replace("{", '{"a":[1,"b"],"c":{"d":1},"e":null,"f":"g",', 1), " [DONE]\t"]),
    (Api.ANTHROPIC, [f'{{"a":1,"a":"{_PLACEHOLDER}"}}']),
    (Api.ANTHROPIC, [f'{{"content_block":{{"type":"compaction","content":"{_PLACEHOLDER}"}}}}']),
    (Api.ANTHROPIC, [f'{{"x":{{"input":[{_ACCOUNT},{_ACCOUNT}, {_ACCOUNT},"{_ACCOUNT}"],"x":{_ODD_ACCOUNT}}}}}']),
    (Api.OTHER, [f"[{_ACCOUNT},[{_ODD_ACCOUNT}],{_ACCOUNT}]", f"[{_ACCOUNT}.0]", _ODD_ACCOUNT]),
    (Api.OTHER, [f"[-{_ACCOUNT},{_ACCOUNT}0]", f'{{"{_ACCOUNT}":{_ODD_ACCOUNT}}}']),
)


@pytest.mark.parametrize(("api", "events"), _EXAMPLES)
def test_single_cases(lua: Lua, api: Api, events: list[str]) -> None:
    """What random answers seldom hit: sound, errors, repeated keys, account ids as numbers."""
    same(lua, api, [f"data: {event}\n\n".encode() for event in events], SSE)
    same(lua, api, [f"data: {event}\r".encode() for event in events] + [b"\n"], SSE)
    for event in events:
        same(lua, api, [event.encode()], "application/json")
    same(lua, api, ["\n".join(events).encode()], "application/jsonl")


@pytest.mark.parametrize("charset", ["utf-16", "UTF-16LE", '"utf-32"', "utf-8", "latin-1", ""])
@pytest.mark.parametrize("status", [100, 200, 204, 206, 304, 400, 500])
def test_what_is_restored(lua: Lua, charset: str, status: int) -> None:
    """By status, charset and the number of content types, as in Python."""
    for headers in (
        [(b"Content-Type", f"text/plain; x=y ;charset = {charset}".encode())],
        [(b"content-type", b"text/plain"), (b"content-type", b"text/plain")],
        [],
    ):
        exchange = lua.exchange(mark_of(Api.OTHER).encode(), headers=headers, status=status)
        exchange.access()
        cleared = exchange.header_filter()
        restorer = ResponseRestorer(Api.OTHER, status, headers, MAPPING.get, Settings())
        restored = restorer.feed(PLACEHOLDERS[0]) + restorer.close()
        assert b"".join(exchange.body([PLACEHOLDERS[0]])) == restored
        assert bool(cleared) is (restored != PLACEHOLDERS[0])
