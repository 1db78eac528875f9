"""Frames, written here by a few lines of their own, cut everywhere and broken everywhere."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.eventstream import Frame, Reader
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.restoring import Restoring
from kong_plugins.aws_masker.wire.streams import FrameRestorer

Cut = Callable[[bytes, list[int]], list[bytes]]
PLACES = st.lists(st.integers(min_value=0), max_size=12)
LIMIT = 1_000_000
Json = dict[str, Any]


def frame(payload: bytes, headers: bytes) -> bytes:
    head = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    head += struct.pack("!I", zlib.crc32(head))
    return head + headers + payload + struct.pack("!I", zlib.crc32(head + headers + payload))


def header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()


def event(kind: str, payload: bytes, message: str = "event") -> bytes:
    name = ":event-type" if message == "event" else ":exception-type"
    typed = header(":content-type", "application/json")
    return frame(payload, header(name, kind) + typed + header(":message-type", message))


def chunk(inner: Json) -> bytes:
    coded = base64.b64encode(json.dumps(inner).encode()).decode()
    return event("chunk", json.dumps({"p": "abcdef", "bytes": coded}).encode())


def converse(kind: str, **payload: Any) -> bytes:
    return event(kind, json.dumps({**payload, "p": "abc"}).encode())


def delta(index: int, **delta: Any) -> bytes:
    return converse("contentBlockDelta", contentBlockIndex=index, delta=delta)


def through(api: Api, restoring: Restoring, parts: list[bytes], limit: int = LIMIT) -> bytes:
    restorer = FrameRestorer(policy_of(api), restoring, limit)
    return b"".join([restorer.feed(part) for part in parts]) + restorer.close()


def read(raw: bytes) -> list[tuple[bytes, Json]]:
    """Return each frame's headers and payload, all checksums being right and no byte left over."""
    found = []
    while raw:
        size, headers, checksum = struct.unpack_from("!III", raw)
        assert zlib.crc32(raw[:8]) == checksum
        (last,) = struct.unpack_from("!I", raw, size - 4)
        assert zlib.crc32(raw[: size - 4]) == last
        found.append((raw[12 : 12 + headers], json.loads(raw[12 + headers : size - 4])))
        raw = raw[size:]
    return found


def inner(raw: bytes) -> list[Json]:
    return [json.loads(base64.b64decode(payload["bytes"])) for _, payload in read(raw)]


def split(text: str, places: list[int], cuts: Cut) -> list[str]:
    return [piece.decode() for piece in cuts(text.encode(), places)]


# --- Reading


@given(PLACES)
def test_any_cuts_give_the_same_frames(cuts: Cut, places: list[int]) -> None:
    """However the bytes arrive."""
    raw = event("a", b"{}") + frame(b"", b"") + event("b", b"x" * 300) + event("c", b"")
    reader = Reader(LIMIT)
    frames = [found for part in cuts(raw, places) for found in reader.feed(part)]
    assert b"".join(found.raw for found in frames) == raw
    assert [found.data for found in frames] == [b"{}", b"", b"x" * 300, b""]
    assert [found.kind for found in frames] == [b"event", b"", b"event", b"event"]
    assert not reader.is_lost


def test_headers_of_every_type_are_passed_over() -> None:
    """Numbers, bytes, times and ids may stand before the header that is looked for."""
    sizes = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    others = b"".join(b"\x01x" + bytes([kind]) + bytes(size) for kind, size in sizes.items())
    others += b"\x01y\x06" + struct.pack("!H", 3) + b"\0\1\2"
    (found,) = Reader(LIMIT).feed(frame(b"{}", others + header(":message-type", "event")))
    assert found.kind == b"event"


@pytest.mark.parametrize(
    "headers", [b"\x05ab", b"\x01a", b"\x01a\x07", b"\x01a\x07\0\x09bc", b"\x01a\x63bc", b"\x01a\x04\0"]
)
def test_headers_that_cannot_be_read_change_nothing(restoring: Restoring, placeholder: str, headers: bytes) -> None:
    """The frame passes with all its headers; what it says is restored."""
    raw = frame(json.dumps({"message": placeholder}).encode(), headers)
    ((kept, payload),) = read(through(Api.BEDROCK_CONVERSE, restoring, [raw]))
    assert kept == headers
    assert payload["message"] != placeholder


@settings(deadline=None)
@given(data=st.data(), places=PLACES)
def test_from_the_first_broken_frame_on_all_passes(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut, data: st.DataObject, places: list[int]
) -> None:
    """A byte that is wrong anywhere: what was whole before is restored, and no byte after it changes."""
    good = delta(0, text=f"{placeholder}.")
    bad = bytearray(delta(1, text=placeholder) + delta(2, text=placeholder))
    at = data.draw(st.integers(0, len(delta(1, text=placeholder)) - 1))
    bad[at] ^= data.draw(st.integers(1, 255))
    out = through(Api.BEDROCK_CONVERSE, restoring, cuts(good + bytes(bad), places))
    assert out.endswith(bytes(bad))
    ((_, payload),) = read(out[: -len(bad)])
    assert payload["delta"] == {"text": f"{value}."}


@given(st.binary(max_size=200), PLACES)
def test_garbage_passes(restoring: Restoring, cuts: Cut, raw: bytes, places: list[int]) -> None:
    """Whatever it is."""
    assert through(Api.BEDROCK_INVOKE, restoring, cuts(raw, places)) == raw


def test_a_cut_end_passes(restoring: Restoring, placeholder: str, value: str) -> None:
    """What is held back comes out before it, as a whole frame."""
    start = delta(0, text=f"see {placeholder[:9]}")
    last = delta(0, text=placeholder)
    for cut in range(len(last)):
        out = through(Api.BEDROCK_CONVERSE, restoring, [start + last[:cut]])
        assert out.endswith(last[:cut])
        payloads = [payload for _, payload in read(out[: len(out) - cut])]
        assert "".join(payload["delta"]["text"] for payload in payloads) == f"see {placeholder[:9]}"


def test_the_limit_bounds_what_is_held(restoring: Restoring, placeholder: str) -> None:
    """A frame that says it is larger is none; its bytes go on as they come."""
    raw = event("chunk", b"x" * 500)
    restorer = FrameRestorer(policy_of(Api.BEDROCK_INVOKE), restoring, len(raw) - 1)
    assert restorer.feed(raw[:12]) == raw[:12]
    assert restorer.feed(raw[12:]) + restorer.close() == raw[12:]
    assert list(Reader(len(raw)).feed(raw)) == [Frame(raw, None, *_of(raw))]


def _of(raw: bytes) -> tuple[bytes, bytes, bytes]:
    (size,) = struct.unpack_from("!I", raw, 4)
    return raw[12 : 12 + size], b"event", raw[12 + size : -4]


# --- Restoring


@settings(deadline=None)
@given(in_text=PLACES, in_json=PLACES, in_bytes=PLACES)
def test_converse_any_deltas_any_chunks(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut,
    in_text: list[int], in_json: list[int], in_bytes: list[int],
) -> None:  # fmt: skip
    """However text is cut into deltas and bytes into chunks, blocks in flight side by side come back whole."""
    text = f"see {placeholder}, {placeholder}{placeholder} and i-0a1b"
    tool = json.dumps({"id": placeholder, placeholder: f"\n{placeholder}\\"})
    texts = [delta(0, text=piece) for piece in split(text, in_text, cuts)]
    tools = [delta(1, toolUse={"input": piece}) for piece in split(tool, in_json, cuts)]
    mixed = [one for pair in itertools.zip_longest(texts, tools, fillvalue=b"") for one in pair]
    raw = b"".join(
        [
            converse("messageStart", role="assistant"),
            converse("contentBlockStart", contentBlockIndex=1, start={"toolUse": {"toolUseId": "t", "name": "f"}}),
            *mixed,
            converse("contentBlockStop", contentBlockIndex=0),
            converse("contentBlockStop", contentBlockIndex=1),
            converse("messageStop", stopReason="end_turn"),
            converse("metadata", usage={"inputTokens": 1}),
        ]
    )
    whole = through(Api.BEDROCK_CONVERSE, restoring, [raw])
    assert through(Api.BEDROCK_CONVERSE, restoring, cuts(raw, in_bytes)) == whole
    payloads = [payload for _, payload in read(whole)]
    deltas = [payload for payload in payloads if "delta" in payload]
    assert "".join(one["delta"]["text"] for one in deltas if one["contentBlockIndex"] == 0) == text.replace(
        placeholder, value
    )
    joined = "".join(one["delta"]["toolUse"]["input"] for one in deltas if one["contentBlockIndex"] == 1)
    assert json.loads(joined) == {"id": value, value: f"\n{value}\\"}
    for index in (0, 1):
        own = [payload for payload in payloads if payload.get("contentBlockIndex") == index]
        assert "delta" not in own[-1], "text after the block's end"


@settings(deadline=None)
@given(in_text=PLACES, in_bytes=PLACES)
def test_anthropic_in_chunks(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut, in_text: list[int], in_bytes: list[int]
) -> None:
    """The Messages events inside of the frames are treated as those of the API itself; headers and padding stay."""
    text = f"{placeholder} and {placeholder[:7]}"
    pieces = [{"type": "text_delta", "text": piece} for piece in split(text, in_text, cuts)]
    raw = b"".join(
        [
            chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            *(chunk({"type": "content_block_delta", "index": 0, "delta": piece}) for piece in pieces),
            chunk({"type": "content_block_stop", "index": 0}),
        ]
    )
    out = through(Api.BEDROCK_INVOKE, restoring, cuts(raw, in_bytes))
    events = inner(out)
    assert "".join(one["delta"]["text"] for one in events[1:-1]) == text.replace(placeholder, value)
    assert events[-1] == {"type": "content_block_stop", "index": 0}
    assert {(headers, payload["p"]) for headers, payload in read(out)} == {(read(raw)[0][0], "abcdef")}


_FORMS: dict[str, tuple[Callable[[str], Json], Json]] = {
    "Llama": (lambda text: {"generation": text, "stop_reason": None}, {"generation": "", "stop_reason": "stop"}),
    "Titan": (lambda text: {"outputText": text, "completionReason": None}, {"completionReason": "FINISH"}),
    "Mistral": (lambda text: {"outputs": [{"text": text}]}, {}),
    "Nova": (
        lambda text: {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": text}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
    ),
    "chat": (
        lambda text: {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ),
}


@pytest.mark.parametrize("name", _FORMS)
@given(places=PLACES)
def test_streams_of_other_models(
    *, restoring: Restoring, placeholder: str, value: str, cuts: Cut, name: str, places: list[int]
) -> None:
    """Each in its maker's form; a placeholder cut between two events is restored."""
    form, last = _FORMS[name]
    text = f"it is {placeholder}, not {placeholder[:9]}"
    pieces = split(text, places, cuts)
    raw = b"".join([*(chunk(form(piece)) for piece in pieces), chunk(last)])
    events = inner(through(Api.BEDROCK_INVOKE, restoring, [raw]))
    assert "".join(_texts(events)) == text.replace(placeholder, value)
    if name in ("Nova", "chat"):
        assert events[-1] == last


def _texts(node: Any) -> list[str]:
    """Return all texts in document order but for the words of the protocol."""
    if isinstance(node, (dict, list)):
        return [text for child in (node.values() if isinstance(node, dict) else node) for text in _texts(child)]
    return [node] if isinstance(node, str) and node not in ("stop", "FINISH") else []


def test_frames_without_placeholders_go_out_as_they_came(restoring: Restoring) -> None:
    """Spacing, escapes, the way base64 is written, empty and foreign payloads are the API's own."""
    raw = b"".join(
        [
            event("contentBlockDelta", b'{ "contentBlockIndex":0, "delta":{"text":"caf\\u00e9."},"x":1.0}'),
            event("chunk", b'{"bytes" : "eyJ0eXBlIjoicGluZyJ9"}'),
            event("chunk", b'{"bytes":"no base64!"}'),
            event("chunk", b'{"bytes":1}'),
            event("chunk", b"[]"),
            event("chunk", b'{"bytes":"e30=","bytes":"e30="}'),
            event("chunk", b'{"bytes":"e31="}'),  # other bits in the last character than a writer would set
            event("contentBlockDelta", b""),
            event("contentBlockDelta", b"\xff\xfe"),
            event("initial-response", b"{}"),
            frame(b"", b""),
        ]
    )
    for api in (Api.BEDROCK_INVOKE, Api.BEDROCK_CONVERSE):
        assert through(api, restoring, [raw]) == raw


@pytest.mark.parametrize("message", ["exception", "error"])
def test_exceptions(restoring: Restoring, placeholder: str, value: str, message: str) -> None:
    """They are restored as they stand, after what was held back; one that is no JSON too."""
    held = delta(0, text="i-0a")
    told = event(
        "modelStreamErrorException", json.dumps({"message": f"about {placeholder}", "text": "i-"}).encode(), message
    )
    out = read(through(Api.BEDROCK_CONVERSE, restoring, [held + told]))
    texts = [payload["delta"]["text"] for _, payload in out[:-1]]
    assert "".join(texts) == "i-0a"
    assert out[-1][1] == {"message": f"about {value}", "text": "i-"}
    odd = event("e", f"about {placeholder}".encode(), message)
    assert f"about {value}".encode() in through(Api.BEDROCK_CONVERSE, restoring, [odd])


def test_reasoning_and_its_signature_are_bit_exact(restoring: Restoring, placeholder: str) -> None:
    """It comes back with the next request, and its signature has to fit."""
    raw = delta(0, reasoningContent={"text": placeholder}) + delta(0, reasoningContent={"signature": placeholder})
    assert through(Api.BEDROCK_CONVERSE, restoring, [raw]) == raw
    thinking = {"type": "thinking_delta", "thinking": placeholder}
    raw = chunk({"type": "content_block_delta", "index": 0, "delta": thinking})
    assert through(Api.BEDROCK_INVOKE, restoring, [raw]) == raw


def test_a_chunk_of_text_that_is_no_json(restoring: Restoring, placeholder: str, value: str) -> None:
    """A model of one's own may stream what it likes."""
    payload = json.dumps({"bytes": base64.b64encode(f"plain {placeholder}".encode()).decode()})
    ((_, restored),) = read(through(Api.BEDROCK_INVOKE, restoring, [event("chunk", payload.encode())]))
    assert base64.b64decode(restored["bytes"]).decode() == f"plain {value}"
