"""Streams of all three APIs, cut everywhere; what the client's own SDK makes of them is in test_sdk_streams.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.restoring import Restoring
from kong_plugins.aws_masker.wire.sse import Reader
from kong_plugins.aws_masker.wire.streams import MAX_BLOCKS, MAX_PIECES, EventRestorer

Cut = Callable[[bytes, list[int]], list[bytes]]
PLACES = st.lists(st.integers(min_value=0), max_size=12)
LIMIT = 1_000_000
Json = dict[str, Any]


def stream(events: Sequence[Json | str], *, named: bool = True, end: bytes = b"\n") -> bytes:
    out = b""
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"))
        name = f"event: {event['type']}".encode() + end if named and not isinstance(event, str) else b""
        out += name + b"data: " + data.encode() + end + end
    return out


def through(api: Api, restoring: Restoring, parts: list[bytes], limit: int = LIMIT) -> bytes:
    restorer = EventRestorer(policy_of(api), restoring, limit)
    return b"".join([restorer.feed(part) for part in parts]) + restorer.close()


def events_of(raw: bytes) -> list[Any]:
    reader = Reader()
    data = [event.data for event in reader.feed(raw) if event.data is not None]
    assert reader.rest() == b""
    return [text.decode() if text == b"[DONE]" else json.loads(text) for text in data]


def pieces(text: str, places: list[int], cuts: Cut) -> list[str]:
    return [piece.decode() for piece in cuts(text.encode(), places)]


# --- Anthropic


def block(index: int, kind: str, field: str, texts: list[str]) -> list[Json]:
    content = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}} if field == "partial_json" else {
        "type": "text", "text": "",
    }  # fmt: skip
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *(
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: text}}
            for text in texts
        ),
        {"type": "content_block_stop", "index": index},
    ]  # fmt: skip


def interleaved(one: list[Json], other: list[Json]) -> list[Json]:
    longer = max(len(one), len(other))
    return [event for place in range(longer) for event in (*one[place : place + 1], *other[place : place + 1])]


def anthropic(blocks: list[Json]) -> list[Json | str]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {}}
    return [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        *blocks,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {}},
        {"type": "message_stop"},
    ]


def joined(events: list[Any], field: str) -> dict[int, str]:
    texts: dict[int, str] = {}
    for event in events:
        if field in event.get("delta", {}) and "index" in event:
            texts[event["index"]] = texts.get(event["index"], "") + event["delta"][field]
    return texts


@settings(deadline=None)
@given(in_text=PLACES, in_json=PLACES, in_bytes=PLACES, end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_anthropic_any_deltas_any_chunks(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut,
    in_text: list[int], in_json: list[int], in_bytes: list[int], end: bytes,
) -> None:  # fmt: skip
    """However text is cut into deltas and bytes into chunks, blocks in flight side by side come back whole."""
    text = f"see {placeholder}, {placeholder}{placeholder} and i-0a1b"
    tool = json.dumps({"id": placeholder, placeholder: f"\n{placeholder}\\"})
    raw = stream(
        anthropic(
            interleaved(
                block(0, "text_delta", "text", pieces(text, in_text, cuts)),
                block(1, "input_json_delta", "partial_json", pieces(tool, in_json, cuts)),
            )
        ),
        end=end,
    )
    whole = through(Api.ANTHROPIC, restoring, [raw])
    assert through(Api.ANTHROPIC, restoring, cuts(raw, in_bytes)) == whole
    events = events_of(whole)
    assert joined(events, "text") == {0: text.replace(placeholder, value)}
    restored = json.loads(joined(events, "partial_json")[1])
    assert restored == {"id": value, value: f"\n{value}\\"}


@settings(deadline=None)
@given(PLACES)
def test_what_is_held_back_comes_before_the_block_ends(restoring: Restoring, cuts: Cut, places: list[int]) -> None:
    """No delta of an index comes after its stop, and none before its start."""
    blocks = interleaved(
        block(0, "text_delta", "text", pieces("ends in i-0a1b", places, cuts)),
        block(1, "text_delta", "text", pieces("ends in i-", places, cuts)),
    )
    events = events_of(through(Api.ANTHROPIC, restoring, [stream(anthropic(blocks))]))
    for index in (0, 1):
        own = [event["type"] for event in events if event.get("index") == index]
        assert own[0] == "content_block_start" and own[-1] == "content_block_stop"
        assert set(own[1:-1]) == {"content_block_delta"}
    assert joined(events, "text") == {0: "ends in i-0a1b", 1: "ends in i-"}


def test_events_without_placeholders_go_out_as_they_came(restoring: Restoring) -> None:
    """Spacing, number formats, comments and unknown fields of an event are its own."""
    raw = (
        b': hello\n\nevent: content_block_delta\ndata: {"type":"content_block_delta", "index":0,"x":1.0,\n'
        b'data:"delta":{"type":"text_delta","text":"caf\\u00e9"}}\nid: 7\n\nevent: ping\ndata: {"type": "ping"}\n\n'
    )
    assert through(Api.ANTHROPIC, restoring, [raw]) == raw


def test_only_the_text_of_an_event_changes(restoring: Restoring, placeholder: str, value: str) -> None:
    """Beside a restored text, numbers and escapes keep their bytes."""
    raw = b'data: {"type":"content_block_delta","n":1.0, "index":0,'
    raw += b'"delta":{"type":"text_delta","text":"%s."},"e":"\\u00e9"}'
    raw += b"\n\n"
    new = json.dumps(value + ".").encode()[1:-1]
    assert through(Api.ANTHROPIC, restoring, [raw % placeholder.encode()]) == raw.replace(b"%s.", new)


def test_thinking_and_signatures_are_bit_exact(restoring: Restoring, placeholder: str) -> None:
    """Signed text reaches the client as it was signed, whatever it contains."""
    blocks: list[Json] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": placeholder}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": placeholder}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": placeholder}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": placeholder}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "redacted_thinking", "data": placeholder},
        },
    ]
    raw = stream(anthropic(blocks))
    assert through(Api.ANTHROPIC, restoring, [raw]) == raw


def test_citations_and_unknown_events_are_restored(restoring: Restoring, placeholder: str, value: str) -> None:
    """A citation arrives whole; so do the strings of events that are not known yet."""
    citation = {"type": "char_location", "cited_text": placeholder, "encrypted_index": placeholder}
    blocks: list[Json] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}},
        {"type": "brand_new", "note": {"deep": [placeholder]}},
        {"type": "error", "error": {"type": "overloaded_error", "message": placeholder}},
    ]
    events = events_of(through(Api.ANTHROPIC, restoring, [stream(anthropic(blocks))]))
    assert events[2]["delta"]["citation"] == {**citation, "cited_text": value}
    assert events[3]["note"] == {"deep": [value]}
    assert events[4]["error"]["message"] == value


def test_an_unknown_delta_is_restored_in_pieces(restoring: Restoring, placeholder: str, value: str) -> None:
    """A kind of delta that is not known yet is a text in pieces, with its type left alone."""
    blocks = block(0, "verse_delta", "verse", [placeholder[:4], placeholder[4:] + " i"])
    events = events_of(through(Api.ANTHROPIC, restoring, [stream(anthropic(blocks))]))
    assert joined(events, "verse") == {0: value + " i"}
    assert {event["delta"]["type"] for event in events if "verse" in event.get("delta", {})} == {"verse_delta"}


@pytest.mark.parametrize("last", [[], [{"type": "error", "error": {"type": "api_error", "message": "x"}}]])
def test_a_stream_that_breaks_off_loses_nothing(restoring: Restoring, placeholder: str, last: list[Json]) -> None:
    """What is held back comes out at an error, or at the end; an unfinished event comes out as it came."""
    cut = placeholder[:9]
    events: list[Json | str] = [
        {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": f"a {cut}"}},
        *last,
    ]
    out = through(Api.ANTHROPIC, restoring, [stream(events), b'data: {"type":"content_blo'])
    assert out.endswith(b'data: {"type":"content_blo')
    told = events_of(out[: out.rindex(b"data: ")])
    assert [event["delta"]["text"] for event in told if "delta" in event] == ["a ", cut]
    assert [event.get("type") for event in told][-1:] == ([last[0]["type"]] if last else ["content_block_delta"])


def test_halves_of_a_surrogate_pair(restoring: Restoring, placeholder: str, value: str) -> None:
    """A client's or server's JavaScript may cut an emoji in two; both halves arrive, in their own block."""
    texts = ["\ud83d", "\ude00" + placeholder, "\ud83d"]
    raw = b"".join(stream([event]) for event in block(1, "text_delta", "text", texts))
    events = events_of(through(Api.ANTHROPIC, restoring, [raw]))
    assert joined(events, "text") == {1: "\ud83d\ude00" + value + "\ud83d"}


# --- OpenAI, chat


def chunk(*choices: Json, **more: Any) -> Json:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": list(choices), **more}


def choice(index: int, finish: str | None = None, **delta: Any) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def call(index: int, arguments: str, **more: Any) -> Json:
    return {"index": index, **more, "function": {"arguments": arguments}}


@settings(deadline=None)
@given(in_text=PLACES, in_json=PLACES, in_bytes=PLACES)
def test_chat_any_deltas_any_chunks(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut,
    in_text: list[int], in_json: list[int], in_bytes: list[int],
) -> None:  # fmt: skip
    """Choices, calls and kinds of text in flight side by side come back whole, each in its own place."""
    text, arguments = f"{placeholder} then i-0", json.dumps({"a": placeholder})
    texts, calls = pieces(text, in_text, cuts), pieces(arguments, in_json, cuts)
    events: list[Json | str] = [
        chunk(choice(0, role="assistant", content="", tool_calls=[call(0, "", id="call_1", type="function")])),
        *(chunk(choice(1, content=piece), choice(0, content=piece, reasoning_content=piece)) for piece in texts),
        *(chunk(choice(0, tool_calls=[call(1, piece), call(0, piece)])) for piece in calls),
        chunk(choice(1, "stop")),
        chunk(choice(0, "tool_calls")),
        chunk(usage={"total_tokens": 1}),
        "[DONE]",
    ]
    raw = stream(events, named=False)
    whole = through(Api.OPENAI_CHAT, restoring, [raw])
    assert through(Api.OPENAI_CHAT, restoring, cuts(raw, in_bytes)) == whole
    *chunks, done = events_of(whole)
    assert done == "[DONE]"
    told: dict[Any, str] = {}
    finished: set[int] = set()
    for one in (one for event in chunks for one in event["choices"]):
        assert one["index"] not in finished
        if one["finish_reason"]:
            finished.add(one["index"])
        for field in ("content", "reasoning_content"):
            name = (one["index"], field)
            told[name] = told.get(name, "") + one["delta"].get(field, "")
        for part in one["delta"].get("tool_calls", ()):
            told[part["index"]] = told.get(part["index"], "") + part["function"]["arguments"]
    restored = text.replace(placeholder, value)
    assert told[0, "content"] == told[0, "reasoning_content"] == told[1, "content"] == restored
    assert json.loads(told[0]) == json.loads(told[1]) == {"a": value}


def test_a_finish_with_the_last_text(restoring: Restoring) -> None:
    """Some servers finish in the chunk of the last text; then what is held back is in that very chunk."""
    raw = stream([chunk(choice(0, "stop", content="ends in i-0"))], named=False)
    assert through(Api.OPENAI_CHAT, restoring, [raw]) == raw


def test_an_extra_chunk_repeats_nothing(restoring: Restoring) -> None:
    """SDKs add up the strings of all deltas, so the extra one holds the held-back text and no other."""
    first = chunk(
        choice(0, role="assistant", tool_calls=[call(0, '{"a": "i-', id="call_1", type="function")]),
        choice(1, content="i"),
        usage={"total_tokens": 1},
    )
    events = events_of(through(Api.OPENAI_CHAT, restoring, [stream([first, "[DONE]"], named=False)]))
    common = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    rest = {"logprobs": None, "finish_reason": None}
    assert events[1:] == [
        {**common, "choices": [{"index": 0, "delta": {"tool_calls": [call(0, "i-")]}, **rest}]},
        {**common, "choices": [{"index": 1, "delta": {"content": "i"}, **rest}]},
        "[DONE]",
    ]


def test_older_completions_and_signed_reasoning(restoring: Restoring, placeholder: str, value: str) -> None:
    """`choices[].text` comes in pieces too; `reasoning_details` may be signed and stays."""
    completion = [
        {"choices": [{"index": 0, "text": piece, "finish_reason": None}]}
        for piece in (placeholder[:3], placeholder[3:])
    ]
    events = events_of(through(Api.OPENAI_CHAT, restoring, [stream([*completion], named=False)]))
    assert "".join(event["choices"][0]["text"] for event in events) == value
    raw = stream([chunk(choice(0, reasoning_details=[{"text": placeholder, "signature": "s"}]))], named=False)
    assert through(Api.OPENAI_CHAT, restoring, [raw]) == raw


# --- OpenAI, Responses


@settings(deadline=None)
@given(in_text=PLACES, in_bytes=PLACES)
def test_responses_any_deltas_any_chunks(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut, in_text: list[int], in_bytes: list[int]
) -> None:
    """Text and arguments come back whole, before their own end, and every event that repeats them agrees."""
    text, arguments = f"{placeholder} i-", json.dumps({"a": f'"{placeholder}"'})
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    tool = {"item_id": "fc_1", "output_index": 1}
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments}
    parts = [
        {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
        for piece in pieces(text, in_text, cuts)
    ]
    calls = [
        {"type": "response.function_call_arguments.delta", **tool, "delta": piece}
        for piece in pieces(arguments, in_text, cuts)
    ]
    message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    raw = stream(
        [
            *interleaved(parts, calls),
            {"type": "response.output_text.done", **where, "text": text},
            {"type": "response.function_call_arguments.done", **tool, "arguments": arguments},
            {"type": "response.output_item.done", "output_index": 1, "item": item},
            {"type": "response.completed", "response": {"output": [message, item]}},
        ]
    )
    whole = through(Api.OPENAI_RESPONSES, restoring, [raw])
    assert through(Api.OPENAI_RESPONSES, restoring, cuts(raw, in_bytes)) == whole
    events = events_of(whole)
    kinds = [event["type"] for event in events]
    told = {kind: "".join(e["delta"] for e in events if e["type"] == kind) for kind in kinds if kind.endswith(".delta")}
    restored = text.replace(placeholder, value)
    assert told["response.output_text.delta"] == restored
    assert json.loads(told["response.function_call_arguments.delta"]) == {"a": f'"{value}"'}
    for kind in told:
        last = max(place for place, each in enumerate(kinds) if each == kind)
        assert last < kinds.index(kind.replace(".delta", ".done"))
    done = {event["type"]: event for event in events if not event["type"].endswith(".delta")}
    assert done["response.output_text.done"]["text"] == restored
    full = done["response.completed"]["response"]["output"]
    assert full[0]["content"][0]["text"] == restored
    for each in (done["response.function_call_arguments.done"], done["response.output_item.done"]["item"], full[1]):
        assert json.loads(each["arguments"]) == {"a": f'"{value}"'}


@pytest.mark.parametrize(
    "end",
    [
        {"type": "response.content_part.done", "item_id": "m", "output_index": 0, "content_index": 0, "part": {}},
        {"type": "response.output_item.done", "output_index": 0, "item": {}},
        {"type": "response.failed", "response": {}},
        {"type": "error", "message": "x"},
    ],
)
def test_responses_release_at_the_latest_at_the_end(restoring: Restoring, end: Json) -> None:
    """Without its own `.done`, a text is complete before the event that ends what it is part of."""
    where = {"item_id": "m", "output_index": 0, "content_index": 0}
    other = {"item_id": "n", "output_index": 1, "content_index": 0}
    delta = "response.output_text.delta"
    events = events_of(
        through(
            Api.OPENAI_RESPONSES,
            restoring,
            [stream([{"type": delta, **where, "delta": "i-0a"}, {"type": delta, **other, "delta": "i-1"}, end])],
        )
    )
    before = events[: [event["type"] for event in events].index(end["type"])]
    assert "".join(event["delta"] for event in before if event["item_id"] == "m") == "i-0a"
    assert "".join(event["delta"] for event in events if event.get("item_id") == "n") == "i-1"


def test_audio_and_encrypted_reasoning_stay(restoring: Restoring, placeholder: str) -> None:
    """Base64 sound and encrypted contents are bit-exact."""
    sound = placeholder.replace("-", "") * 4
    raw = stream(
        [
            {"type": "response.output_audio.delta", "delta": sound, "item_id": "m"},
            {"type": "response.output_item.done", "item": {"type": "reasoning", "encrypted_content": placeholder}},
        ]
    )
    assert through(Api.OPENAI_RESPONSES, restoring, [raw]) == raw


# --- any API


def test_an_unknown_api(restoring: Restoring, placeholder: str, value: str) -> None:
    """Of an unknown API, each event's strings and keys are restored whole."""
    raw = stream([{"id": placeholder, placeholder: [placeholder]}], named=False)
    assert events_of(through(Api.OTHER, restoring, [raw])) == [{"id": value, value: [value]}]


@pytest.mark.parametrize("api", list(Api))
def test_data_that_is_no_json(api: Api, restoring: Restoring, placeholder: str, value: str) -> None:
    """It is restored as the text that it is."""
    raw = f'data: {{"a": {placeholder}\n\ndata: [1\n\ndata: [DONE]\n\n'.encode()
    assert through(api, restoring, [raw]) == raw.replace(placeholder.encode(), value.encode())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["i-0a", "text_delta", "content_block_delta", ""]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "index", "delta", "text", "choices", "finish_reason", "tool_calls", "function", "signature"]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.sampled_from(list(Api)), st.lists(JUNK | st.text(max_size=20), max_size=6), PLACES)
def test_no_event_breaks_it(restoring: Restoring, cuts: Cut, api: Api, junk: list[Any], places: list[int]) -> None:
    """Events of any form, with any values in the fields that are looked at, pass without an error."""
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in junk)
    whole = through(api, restoring, [raw])
    assert through(api, restoring, cuts(raw, places)) == whole
    assert len(whole) >= len(raw)


@settings(deadline=None)
@given(PLACES)
def test_an_endless_event_is_restored_as_text(
    restoring: Restoring, cuts: Cut, placeholder: str, value: str, places: list[int]
) -> None:
    """Beyond the limit nothing is collected: what follows is one text, with values escaped for JSON."""
    first = stream(block(0, "text_delta", "text", ["held i-0a"])[1:2])
    raw = first + b'data: {"a": "' + b"x" * 500 + placeholder.encode() + b'"}\n\ndata: ' + placeholder.encode()
    out = through(Api.ANTHROPIC, restoring, cuts(raw, places), limit=200)
    escaped_value = json.dumps(value)[1:-1].encode()
    assert out.endswith(raw[len(first) :].replace(placeholder.encode(), escaped_value))
    assert joined(events_of(out[: out.index(b'data: {"a"')]), "text") == {0: "held i-0a"}


def test_open_blocks_are_bounded(restoring: Restoring) -> None:
    """A stream that opens blocks without end gets the oldest ended; nothing is lost."""
    count = MAX_BLOCKS + 50
    raw = b"".join(stream(block(index, "text_delta", "text", ["i-0"])[1:2]) for index in range(count))
    restorer = EventRestorer(policy_of(Api.ANTHROPIC), restoring, LIMIT)
    out = restorer.feed(raw)
    assert len(restorer._blocks._blocks) == MAX_BLOCKS
    assert joined(events_of(out + restorer.close()), "text") == dict.fromkeys(range(count), "i-0")


def test_an_event_that_is_not_understood_changes_no_block(restoring: Restoring, placeholder: str, value: str) -> None:
    """A repeated key, or nesting without reason: it is restored as text, and what a block held comes out once."""
    start, end = placeholder[:8], placeholder[8:]
    delta = '{"type":"content_block_delta","index":0,%s"delta":{"type":"text_delta","text":"%s"}}'
    stop = '{"type":"content_block_stop","index":0,%s"note":"' + placeholder + '"}'
    deep = '"z":' + "[" * 1000 + "]" * 1000 + ","
    for odd in ('"index":0,', deep):
        parts = [delta % ("", start), delta % (odd, start), delta % ("", end), stop % odd, stop % ""]
        restored = through(Api.ANTHROPIC, restoring, [stream(parts, named=False)]).decode()
        assert restored.count(start) == 1  # that of the odd event, which goes out as it came
        assert restored.count(value.rsplit(maxsplit=1)[-1]) == 3  # the block's, and those of both notes


def test_an_event_of_very_many_pieces(restoring: Restoring, placeholder: str, value: str) -> None:
    """More than any provider sends: the work stays linear, and each text comes back once."""
    choices = [{"index": number, "delta": {"content": f"{number}: {placeholder} i-0"}} for number in range(3000)]
    raw = stream([{"id": "c", "choices": choices}, "[DONE]"], named=False)
    texts: dict[int, str] = {}
    restored = through(Api.OPENAI_CHAT, restoring, [raw])
    for event in events_of(restored)[:-1]:
        for choice in event["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"]["content"]
    assert texts == {number: f"{number}: {value} i-0" for number in range(3000)}
    assert len(restored) < 2 * len(raw)
    assert len(events_of(restored)) <= MAX_PIECES + 2
