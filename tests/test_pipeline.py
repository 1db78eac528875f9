from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.errors import (
    BodyTooLarge,
    MalformedBody,
    MaskingFailed,
    RequestRefused,
    RestoreFailed,
    SignedBody,
    UnreadableCoding,
    UnsupportedContent,
)
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry, MaskSession, Text
from kong_plugins.aws_masker.vault.memory import MemoryVault
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire.providers import Api

SETTINGS = Settings()
MASKER = Masker(SETTINGS, b"k" * 32)
INSTANCE = "i-0fedcba9876543210"
ACCOUNT = "481516234299"
KEY = "AK" + "IA" + "Y34FZKBOKMUTVV7A"
VALUES = (INSTANCE, ACCOUNT, KEY)
JSON = (b"Content-Type", b"application/json")
Headers = Sequence[tuple[bytes, bytes]]


def send(body: bytes, *headers: tuple[bytes, bytes], path: str = "/v1/messages", **limits: int) -> MaskedRequest:
    settings = SETTINGS.model_copy(update=limits)
    return mask_request(Head(path, headers or (JSON,)), body, MASKER.session("t"), settings)


def conversation(text: str) -> dict[str, Any]:
    return {
        "model": "claude-x",
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.879;"}],
        "messages": [
            {"role": "user", "content": text},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": INSTANCE, "signature": "c2lnbmVk"},
                    {"type": "tool_use", "id": "toolu_01", "name": "bash", "input": {INSTANCE: [text], "n": 1.0}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": text}]},
        ],
        "temperature": 1.0,
    }


SAID = f"why does {INSTANCE} of arn:aws:iam::{ACCOUNT}:role/x use {KEY}?"


# --- requests


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", conversation(SAID)),
        ("/v1/messages/count_tokens", conversation(SAID)),
        ("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": conversation(SAID)}]}),
    ],
)
def test_what_the_upstream_receives(path: str, body: dict[str, Any]) -> None:
    """No value outside a signed block goes upstream, and all that is no value arrives as it was sent."""
    raw = json.dumps(body, indent=1).encode()
    request = send(raw, JSON, (b"content-length", b"%d" % len(raw)), path=path)
    received = json.loads(request.body)
    params = received["requests"][0]["params"] if "requests" in received else received
    assert params["messages"][1]["content"][0] == {"type": "thinking", "thinking": INSTANCE, "signature": "c2lnbmVk"}
    params["messages"][1]["content"][0]["thinking"] = ""
    assert not [value for value in VALUES if value in json.dumps(received)]
    restored = request.body
    for placeholder, entry in request.mapping.items():
        restored = restored.replace(placeholder, entry.value)
    assert restored == raw
    assert dict(request.headers)[b"content-length"] == b"%d" % len(request.body)
    assert request.changed and sum(request.signed.values()) == 1
    assert sum(request.counts.values()) >= len(VALUES)


@pytest.mark.parametrize("signature", [b"AWS4-HMAC-SHA256 Credential=x", b" aws4-ecdsa-p256-sha256 Credential=x"])
def test_a_body_under_a_signature_is_not_changed(signature: bytes) -> None:
    """AWS would refuse it with less to say; without values it goes on, and other credentials say nothing of bodies."""
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": SAID}]}]}).encode()
    for path in ("/model/m/converse", "/v1/messages"):
        with pytest.raises(SignedBody):
            send(body, JSON, (b"Authorization", signature), path=path)
    plain = body.replace(SAID.encode(), b"hello")
    assert send(plain, JSON, (b"Authorization", signature), path="/model/m/converse").body == plain
    digest = (b"X-Amz-Content-Sha256", b"0" * 64)
    request = send(body, JSON, digest, (b"Authorization", b"Bearer x"), path="/model/m/converse")
    assert request.changed
    assert digest not in request.headers


@pytest.mark.parametrize("name", ["X-Amz-Signature", "x-amz-signature", "X-Amz%2dSignature"])
def test_a_body_under_a_signature_in_the_address_is_not_changed(name: str) -> None:
    """A presigned request to any service but S3 has its body signed like one with a header (AWS's SigV4 reference)."""
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": SAID}]}]}).encode()
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&{name}=0123"
    with pytest.raises(SignedBody):
        mask_request(Head("/model/m/converse", [JSON], query), body, MASKER.session("t"), SETTINGS)
    plain = body.replace(SAID.encode(), b"hello")
    assert mask_request(Head("/model/m/converse", [JSON], query), plain, MASKER.session("t"), SETTINGS).body == plain
    other = "note=X-Amz-Signature&X-Amz-Date=1"
    assert mask_request(Head("/model/m/converse", [JSON], other), body, MASKER.session("t"), SETTINGS).changed


@pytest.mark.parametrize("operation", ["invoke", "invoke-with-response-stream", "converse", "converse-stream"])
def test_bedrock_never_answers_in_server_sent_events(operation: str) -> None:
    """So Kong must not restore its answers as such, whatever the body asks for."""
    body = json.dumps({"messages": [{"role": "user", "content": SAID}], "stream": True}).encode()
    assert not send(body, path=f"/model/m/{operation}").stream
    assert send(body, path="/model/m/chat/completions").stream


def test_a_stream_of_frames_keeps_its_type_and_loses_its_length() -> None:
    """Its length is known only at the end."""
    headers = [(b"content-type", b"application/vnd.amazon.eventstream"), (b"content-length", b"7")]
    restorer = ResponseRestorer(Api.BEDROCK_INVOKE, 200, headers, lambda _: None, SETTINGS)
    assert (restorer.final, restorer.headers) == (True, headers[:1])


def test_all_texts_are_masked_in_one_call() -> None:
    """A name that one text makes certain is masked in all the others, also within arguments."""
    arguments = '{"Bucket": "quarterly-figures-raw"}'
    body = {
        "messages": [
            {"role": "user", "content": "is quarterly-figures-raw public?"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]},
        ]
    }  # fmt: skip
    request = send(json.dumps(body).encode(), path="/v1/chat/completions")
    assert b"quarterly-figures-raw" not in request.body
    arguments = json.loads(request.body)["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert request.mapping[json.loads(arguments)["Bucket"].encode()].value == b"quarterly-figures-raw"


def test_an_escaped_value_in_arguments() -> None:
    """Escapes of the outer JSON, of the inner, or of both hide nothing."""
    hidden = INSTANCE.replace("-", "\\u002d")
    inner = json.dumps({"a": "X", "b": "Y"}).replace("X", hidden).replace("Y", INSTANCE)
    raw = json.dumps({"messages": [{"tool_calls": [{"function": {"arguments": inner}}]}]}).encode()
    raw = raw.replace(b"0fed", b"\\u0030fed")
    request = send(raw, path="/v1/chat/completions")
    arguments = json.loads(json.loads(request.body)["messages"][0]["tool_calls"][0]["function"]["arguments"])
    assert arguments["a"] == arguments["b"] != INSTANCE
    assert request.mapping[arguments["a"].encode()].value == INSTANCE.encode()


def test_an_account_written_as_a_number() -> None:
    """A model may make a number of an account id; it comes back in the history and must not leak then."""
    tool = {"type": "tool_use", "name": "f", "input": {"account_id": int(ACCOUNT), "port": 5432}}
    request = send(json.dumps({"messages": [{"content": f"account {ACCOUNT}"}, {"content": [tool]}]}).encode())
    received = json.loads(request.body)["messages"][1]["content"][0]["input"]
    assert ACCOUNT.encode() not in request.body
    assert request.mapping[str(received["account_id"]).encode()].value == ACCOUNT.encode()
    assert received["port"] == 5432


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([INSTANCE, f"arn:aws:iam::{ACCOUNT}:root", KEY, "text", "é", '"', "\\", "\n", "\ud83d", "\x00"])
    ),
    st.booleans(),
)
def test_values_survive_in_any_company(words: list[str], ascii_only: bool) -> None:
    """Whatever stands around a value, it does not go out, and the rest of the text does as it was."""
    text = " ".join(words)
    if not ascii_only and "\ud83d" in text:
        return
    request = send(json.dumps({"messages": [{"content": text}]}, ensure_ascii=ascii_only).encode())
    received = json.loads(request.body)["messages"][0]["content"]
    assert not [value for value in VALUES if value in received]
    for placeholder, entry in request.mapping.items():
        received = received.replace(placeholder.decode(), entry.value.decode())
    assert received == text


def test_nothing_to_mask_goes_on_byte_for_byte() -> None:
    """Coded bytes included; a gateway's or client's own spelling of the body is not ours to change."""
    body = gzip.compress(b'{ "messages" : [{"content":"caf\\u00e9 1.0"}] }', mtime=123)
    headers = (JSON, (b"Content-Encoding", b"gzip"), (b"Content-Length", b"%d" % len(body)), (b"X-Other", b"1"))
    request = send(body, *headers)
    assert (request.body, request.headers, request.changed) == (body, list(headers), False)


@pytest.mark.parametrize("stack", [["gzip"], ["x-gzip"], ["deflate"], ["br"], ["zstd"], ["gzip", "zstd"]])
def test_coded_requests_stay_coded(stack: list[str]) -> None:
    """A masked body goes on in the codings it came in, with the right length."""
    body = codings.encode(json.dumps(conversation(SAID)).encode(), stack)
    request = send(body, JSON, (b"Content-Encoding", ", ".join(stack).encode()))
    plain = codings.decode(request.body, stack, 1_000_000)
    assert KEY.encode() not in plain and json.loads(plain)["temperature"] == 1.0
    assert dict(request.headers)[b"content-length"] == b"%d" % len(request.body)


def test_the_same_history_masks_to_the_same_bytes() -> None:
    """Later turns repeat earlier ones; were their bytes to change, the provider's prompt cache would not work."""
    first = conversation(SAID)
    longer = {**first, "messages": [*first["messages"], {"role": "user", "content": f"and vpc-0a1b2c3d? {ACCOUNT}"}]}
    one, two = send(json.dumps(first).encode()).body, send(json.dumps(longer).encode()).body
    assert two.startswith(one[: one.rindex(b"]")])


@pytest.mark.parametrize("content_type", [b"application/x-ndjson", b"application/jsonl"])
def test_lines_of_json(content_type: bytes) -> None:
    """Each line is masked by itself, in one call, and keeps its end."""
    raw = b'{"prompt":"%s"}\r\n\n{ "prompt":"x"}\n' % INSTANCE.encode()
    request = send(raw, (b"content-type", content_type))
    assert INSTANCE.encode() not in request.body
    assert request.body.split(b"\n")[1:] == raw.split(b"\n")[1:] and request.body.split(b"\n")[0].endswith(b"}\r")


def test_plain_text() -> None:
    """It is one text; what is not UTF-8 is refused."""
    request = send(f"see {INSTANCE}\n".encode(), (b"content-type", b"text/markdown; charset=utf-8"), path="/x")
    assert INSTANCE.encode() not in request.body and request.body.startswith(b"see i-")
    with pytest.raises(MalformedBody):
        send(b"caf\xe9 " + INSTANCE.encode(), (b"content-type", b"text/plain"))


def test_a_body_without_a_content_type() -> None:
    """It is JSON, or it is refused."""
    assert INSTANCE.encode() not in send(json.dumps(SAID).encode(), (b"X-Other", b"1")).body
    with pytest.raises(UnsupportedContent):
        send(SAID.encode(), (b"X-Other", b"1"))


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ([(b"content-type", b"multipart/form-data; boundary=x")], b"--x--", UnsupportedContent),
        ([(b"content-type", b"application/x-www-form-urlencoded")], b"a=b", UnsupportedContent),
        ([(b"content-type", b"application/octet-stream")], b"{}", UnsupportedContent),
        ([(b"content-type", b"application/json; charset=latin-1")], b"{}", UnsupportedContent),
        ([JSON, (b"content-type", b"text/plain")], b"{}", UnsupportedContent),
        ([JSON], '{"a":1}'.encode("utf-16"), UnsupportedContent),
        ([JSON], '{"a":1}'.encode("utf-32-be"), UnsupportedContent),
        ([JSON], b"\xef\xbb\xbf{}", MalformedBody),
        ([JSON], b"{", MalformedBody),
        ([JSON], b'{"a":"x","a":"y"}', MalformedBody),
        ([JSON], b"[" * 5000 + b"]" * 5000, MalformedBody),
        ([JSON], b"[" * 500 + b"]" * 500, MalformedBody),
        ([JSON], b"[" * 5000 + b'"\\ud83d"' + b"]" * 5000, MalformedBody),
        ([JSON, (b"content-encoding", b"gzip")], b"{}", UnreadableCoding),
        ([JSON, (b"content-encoding", b"snappy")], b"{}", UnreadableCoding),
        (
            [JSON, (b"content-encoding", b"gzip"), (b"Content-Encoding", b"br")],
            gzip.compress(b"{}", mtime=0),
            UnreadableCoding,
        ),
        ([(b"content-type", b"application/jsonl")], b"{}\n{", MalformedBody),
    ],
)
def test_refused(headers: Headers, body: bytes, error: type[RequestRefused]) -> None:
    """What cannot be read, or may be read in two ways, is refused with the error that says so."""
    with pytest.raises(error) as refusal:
        send(body, *headers)
    assert type(refusal.value) is error


def test_bounds() -> None:
    """Both the body as sent and what it decompresses to are bounded."""
    with pytest.raises(BodyTooLarge):
        send(b'"' + b"x" * 2000 + b'"', max_body_size=2000)
    bomb = gzip.compress(b'"' + bytes(10_000_000) + b'"')
    with pytest.raises(BodyTooLarge):
        send(bomb, JSON, (b"content-encoding", b"gzip"), max_decompressed_size=100_000)


@settings(deadline=None)
@given(st.binary(), st.sampled_from([b"application/json", b"text/plain", b"application/jsonl", b"x/y", b""]))
def test_garbage_is_refused_or_masked(body: bytes, content_type: bytes) -> None:
    """Any bytes under any content type give a masked request or an error of ours."""
    try:
        request = send(body, (b"content-type", content_type))
    except RequestRefused:
        return
    assert request.body == body or request.changed


FIELDS = ["type", "signature", "content", "source", "data", "media_type", "messages", "input", "role", "arguments"]
KINDS = ["text", "thinking", "base64", "image/png", "function_call", "image_generation_call", f"see {INSTANCE}"]
TREES = st.recursive(
    st.none() | st.integers() | st.sampled_from(KINDS),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), below, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(TREES, st.sampled_from(["/v1/messages", "/v1/chat/completions", "/v1/responses", "/"]))
def test_any_tree_is_masked(tree: Any, path: str) -> None:
    """Whatever stands in the fields that the rules look at, the request is masked."""
    request = send(json.dumps(tree).encode(), path=path)
    kept = sum(request.signed.values())
    assert request.body.count(INSTANCE.encode()) <= kept + _kept_by_name(tree)


def _kept_by_name(tree: Any) -> int:
    """Count the strings of a tree that stand, maybe in arrays, under keys of the protocol."""
    if isinstance(tree, dict):
        return sum(
            json.dumps(child).count(INSTANCE) if key in ("type", "role", "signature") else _kept_by_name(child)
            for key, child in tree.items()
        )
    return sum(_kept_by_name(child) for child in tree) if isinstance(tree, list) else 0


@pytest.mark.parametrize("error", [ValueError(KEY), RuntimeError(KEY), MemoryError(), KeyError(KEY)])
def test_a_failure_inside_is_an_error(error: Exception) -> None:
    """Were masking to break, nothing goes on and no value is in the error or in what it was raised from."""

    class Broken:
        def __init__(self) -> None:
            self.mapping: dict[bytes, Entry] = {}
            self.known: dict[bytes, Entry] = {}
            self.counts: dict[str, int] = {}

        def mask(self, texts: Sequence[Text]) -> list[bytes | None]:
            raise error

        def inspect(self, texts: Sequence[Text]) -> dict[str, int]:
            return {}

    session: MaskSession = Broken()
    with pytest.raises(MaskingFailed) as failure:
        mask_request(Head("/v1/messages", [JSON]), json.dumps(SAID).encode(), session, SETTINGS)
    assert KEY not in str(failure.value)
    assert failure.value.__suppress_context__ and failure.value.__cause__ is None


@pytest.mark.parametrize(
    ("body", "query", "stream"),
    [
        (b'{"messages": [], "stream": true}', "", True),
        (b'{"stream" :\ttrue, "messages": []}', "", True),
        (b'{"messages": [], "stream": false}', "", False),
        (b'{"messages": [{"role": "user", "content": "say {\\"stream\\": true}"}]}', "", False),
        (b'{"messages": [{"role": "user", "stream": true}]}', "", False),
        (b"[]", "", False),
        (b"", "starting_after=1&stream=true", True),
        (b"", "stream=truely", False),
        (b"", "", False),
    ],
)
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_who_asks_for_a_stream(body: bytes, query: str, stream: bool, coding: str) -> None:
    """By the body's own member, coded or not, or by the query where an answer is fetched once more."""
    headers = [JSON, (b"content-encoding", coding.encode())] if coding and body else [JSON]
    sent = gzip.compress(body) if len(headers) > 1 else body
    assert mask_request(Head("/v1/messages", headers, query), sent, MASKER.session("t"), SETTINGS).stream is stream


@pytest.mark.parametrize(
    ("body", "stateful"),
    [
        (b'{"previous_response_id": "resp_1", "input": "go on"}', True),
        (b'{"prompt": {"id": "pmpt_1"}}', True),
        (b'{"messages": [{"role": "user", "content": [{"type": "document", "source": {"file_id": "f"}}]}]}', True),
        (b'{"container": null, "messages": []}', False),
        (b'{"messages": [{"role": "user", "content": "what is \\"file_id\\": \\"x\\"?"}]}', False),
        (b"", True),
    ],
)
def test_who_refers_to_what_the_provider_keeps(body: bytes, stateful: bool) -> None:
    """An answer may then repeat placeholders of requests long gone."""
    assert mask_request(Head("/v1/responses", [JSON]), body, MASKER.session("t"), SETTINGS).stateful is stateful


def test_placeholders_that_come_in_a_request() -> None:
    """Known from earlier requests of the tenant, they are named with what they stand for; masked they are not."""
    vault = MemoryVault(60, 100)
    first = send(json.dumps(conversation(INSTANCE)).encode())
    vault.remember("t", first.mapping)
    (placeholder,) = first.mapping
    again = {"messages": [{"role": "user", "content": f"and {placeholder.decode()}?"}]}
    for memory, known in ((vault.memory("t"), first.mapping), (vault.memory("other"), {})):
        second = mask_request(
            Head("/v1/messages", [JSON]), json.dumps(again).encode(), MASKER.session("t", memory), SETTINGS
        )
        assert (second.changed, second.mapping, second.known) == (False, {}, known)


def test_requests_without_a_body() -> None:
    """They go on, asking only for codings that can be read here."""
    request = mask_request(Head("/v1/models", [(b"Accept-Encoding", b"gzip, dcz")]), b"", MASKER.session("t"), SETTINGS)
    assert (request.api, request.body, request.headers) == (Api.OTHER, b"", [(b"Accept-Encoding", b"gzip")])


# --- answers


@pytest.fixture
def masked() -> MaskedRequest:
    return send(json.dumps(conversation(SAID)).encode())


@pytest.fixture
def answer(masked: MaskedRequest) -> Callable[..., tuple[ResponseRestorer, bytes]]:
    """Restore an answer that comes in parts, with the placeholders of the request."""

    def restore(
        parts: list[bytes], *headers: tuple[bytes, bytes], status: int = 200, api: Api = Api.ANTHROPIC, **limits: int
    ) -> tuple[ResponseRestorer, bytes]:
        restorer = ResponseRestorer(
            api,
            status,
            headers,
            lambda placeholder: entry.value if (entry := masked.mapping.get(placeholder)) else None,
            SETTINGS.model_copy(update=limits),
        )
        return restorer, b"".join([restorer.feed(part) for part in parts]) + restorer.close()

    return restore


Answer = Callable[..., tuple[ResponseRestorer, bytes]]


def masked_text(masked: MaskedRequest) -> str:
    return str(json.loads(masked.body)["messages"][0]["content"])


@pytest.mark.parametrize("stack", [[], ["gzip"], ["deflate"], ["br"], ["zstd"], ["br", "gzip"]])
@pytest.mark.parametrize("status", [200, 400, 529])
def test_json_answers(masked: MaskedRequest, answer: Answer, stack: list[str], status: int) -> None:
    """Any status in any coding comes back restored, plain and with the right length."""
    text = json.dumps({"n": 1.0, "content": [{"type": "text", "text": masked_text(masked)}]})
    body = codings.encode(text.encode(), stack)
    headers = [JSON, (b"Content-Length", b"%d" % len(body))]
    headers += [(b"Content-Encoding", ", ".join(stack).encode())] if stack else []
    for parts in ([body], [body[place : place + 1] for place in range(len(body))]):
        restorer, out = answer(parts, *headers, status=status)
        assert out == json.dumps({"n": 1.0, "content": [{"type": "text", "text": SAID}]}).encode()
        assert restorer.headers == [JSON, (b"Content-Length", b"%d" % len(out))]
        assert restorer.final


def test_an_unchanged_answer_is_the_providers(answer: Answer) -> None:
    """Its headers, digests and bytes are what the provider sent."""
    headers = [JSON, (b"Content-Length", b"9"), (b"Content-MD5", b"x"), (b"ETag", b"y")]
    restorer, out = answer([b'{"a"', b":1.0}"], *headers)
    assert (restorer.headers, out) == (headers, b'{"a":1.0}')


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (204, [JSON]),
        (304, [JSON, (b"Content-Length", b"100")]),
        (206, [JSON, (b"Content-Range", b"bytes 0-9/20")]),
        (200, [(b"Content-Type", b"image/png"), (b"Content-Length", b"30")]),
        (200, [(b"Content-Length", b"30")]),
        (200, [JSON, (b"Content-Encoding", b"dcb")]),
        (200, [JSON, (b"content-type", b"text/plain")]),
        (200, [(b"content-type", b"text/plain; charset=utf-16")]),
    ],
)
def test_what_passes_as_it_is(masked: MaskedRequest, answer: Answer, status: int, headers: Headers) -> None:
    """What has no text, or none that can be read, is handed on at once with its own headers."""
    part = masked_text(masked).encode()
    restorer, out = answer([part, part], *headers, status=status)
    assert (restorer.headers, out, restorer.final) == (list(headers), part * 2, True)


def test_an_answer_to_head(answer: Answer) -> None:
    """Without a body its headers, which tell of the body, stay."""
    headers = [JSON, (b"Content-Length", b"100"), (b"Content-Encoding", b"gzip")]
    restorer, out = answer([], *headers)
    assert (restorer.headers, out) == (headers, b"")


def test_a_broken_coding_passes_as_it_came(answer: Answer) -> None:
    """A client that was to be sent garbage gets that garbage, and not a crash."""
    headers = [(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")]
    for parts in ([b"no gzip at all"], [b"\x1f", b"\x8b", b"\x08broken"], [b"\x1f\x8b"]):
        restorer, out = answer(parts, *headers)
        assert (restorer.headers, out) == (headers, b"".join(parts))


def test_a_coding_that_breaks_in_the_middle(answer: Answer) -> None:
    """When part of the answer has gone out already, the answer fails; one cut short ends where it was cut."""
    coded = gzip.compress(b"data: {}\n\n" * 10)
    headers = [(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")]
    with pytest.raises(RestoreFailed):
        answer([coded, b"garbage"], *headers)
    assert answer([coded[:-4]], *headers)[1] == b"data: {}\n\n" * 10


def test_a_bomb_of_an_answer(answer: Answer) -> None:
    """An answer that explodes is an error and not all memory."""
    bomb = codings.encode(bytes(50_000_000), ["gzip"])
    with pytest.raises(RestoreFailed):
        answer([bomb], JSON, (b"content-encoding", b"gzip"), max_decompressed_size=100_000)


def test_streams_flow(masked: MaskedRequest, answer: Answer) -> None:
    """An event stream has its final headers at once: no length, no coding."""
    event = b'data: {"type":"ping"}\n\n'
    headers = [(b"content-type", b"text/event-stream"), (b"content-length", b"23")]
    restorer = ResponseRestorer(Api.ANTHROPIC, 200, headers, lambda _: None, SETTINGS)
    assert (restorer.final, restorer.headers) == (True, headers[:1])
    assert restorer.feed(event) == event
    coded = ResponseRestorer(Api.ANTHROPIC, 200, [*headers, (b"content-encoding", b"br")], lambda _: None, SETTINGS)
    assert (coded.final, coded.headers) == (False, headers[:1])
    assert coded.feed(codings.encode(event, ["br"])) == event
    assert coded.final


def test_a_failure_while_restoring_shows_no_value(answer: Answer) -> None:
    """The error names the kind of failure and nothing of the text."""

    def broken(_placeholder: bytes) -> bytes | None:
        raise ValueError(KEY)

    restorer = ResponseRestorer(Api.OTHER, 200, [(b"content-type", b"text/plain")], broken, SETTINGS)
    with pytest.raises(RestoreFailed) as failure:
        restorer.feed(MASKER.session("t").mask([Text(INSTANCE.encode())])[0] or b"")
        restorer.close()
    assert KEY not in str(failure.value) and failure.value.__suppress_context__


# --- what the clients' own SDKs make of it


def anthropic_events(text: str, tool: str, step: int) -> Iterator[dict[str, Any]]:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    yield {"type": "message_start", "message": {**message, "usage": {"input_tokens": 1, "output_tokens": 1}}}
    for index, (block, delta, field, whole) in enumerate(
        [
            ({"type": "text", "text": ""}, "text_delta", "text", text),
            ({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, "input_json_delta", "partial_json", tool),
        ]
    ):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for place in range(0, len(whole), step):
            piece = {"type": delta, field: whole[place : place + step]}
            yield {"type": "content_block_delta", "index": index, "delta": piece}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}
    yield {"type": "message_stop"}


def chat_events(text: str, tool: str, step: int) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for place in range(0, len(text), step):
        yield chunk({"content": text[place : place + step]})
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    yield chunk({"tool_calls": [first]})
    for place in range(0, len(tool), step):
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": tool[place : place + step]}}]})
    yield chunk({}, "tool_calls")


def responses_events(text: str, tool: str, step: int) -> Iterator[dict[str, Any]]:
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [], "status": "in_progress"}
    part = {"type": "output_text", "text": "", "annotations": []}
    message: dict[str, Any] = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": tool, "status": "completed"}
    where = {"item_id": "m", "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": response}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}}
    yield {"type": "response.content_part.added", **where, "part": part}
    for place in range(0, len(text), step):
        piece = text[place : place + step]
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": {**part, "text": text}}
    done = {**message, "content": [{**part, "text": text}]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": done}
    yield {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}}
    for place in range(0, len(tool), step):
        piece = tool[place : place + step]
        yield {"type": "response.function_call_arguments.delta", "item_id": "f", "output_index": 1, "delta": piece}
    yield {"type": "response.function_call_arguments.done", "item_id": "f", "output_index": 1, "arguments": tool}
    yield {"type": "response.output_item.done", "output_index": 1, "item": call}
    yield {"type": "response.completed", "response": {**response, "status": "completed", "output": [done, call]}}


def raw_stream(events: Iterator[dict[str, Any]], *, done: bool = False) -> bytes:
    rows = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    named = "".join(f"event: {row.get('type', 'x')}\ndata: {json.dumps(row)}\n\n" for row in rows)
    plain = "".join(f"data: {json.dumps(row)}\n\n" for row in rows)
    return (plain + "data: [DONE]\n\n" if done else named).encode()


def client(body: bytes) -> httpx2.Client:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body)))


@pytest.fixture(params=[1, 3, 7, 1000])
def told(request: pytest.FixtureRequest, masked: MaskedRequest) -> tuple[str, str, int]:
    """What a model says to the masked conversation, and the size of its deltas."""
    text = masked_text(masked)
    return text, json.dumps({"command": f"echo '{text}'\n{text}"}), request.param


SSE = (b"content-type", b"text/event-stream")
INPUT = {"command": f"echo '{SAID}'\n{SAID}"}


def test_the_anthropic_sdk(told: tuple[str, str, int], answer: Answer) -> None:
    """Its accumulated message holds the text and the tool's input that the engineer's values belong in."""
    _, out = answer([raw_stream(anthropic_events(*told))], SSE)
    sdk = anthropic.Anthropic(api_key="x", http_client=client(out))
    with sdk.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]) as stream:
        message: Any = stream.get_final_message()
    assert (message.content[0].text, message.content[1].input) == (SAID, INPUT)
    assert (message.content[1].id, message.content[1].name) == ("toolu_1", "f")


def test_the_openai_sdk_chat(told: tuple[str, str, int], answer: Answer) -> None:
    """The same through chat completions, where the SDK adds up every string of every delta."""
    _, out = answer([raw_stream(chat_events(*told), done=True)], SSE, api=Api.OPENAI_CHAT)
    sdk = openai.OpenAI(api_key="x", http_client=client(out))
    with sdk.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as stream:
        message: Any = stream.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    assert (message.content, json.loads(call.function.arguments)) == (SAID, INPUT)
    assert (call.id, call.function.name, message.role) == ("call_1", "f", "assistant")


def test_the_openai_sdk_responses(told: tuple[str, str, int], answer: Answer) -> None:
    """The same through responses, where deltas and the final text must agree."""
    _, out = answer([raw_stream(responses_events(*told))], SSE, api=Api.OPENAI_RESPONSES)
    sdk = openai.OpenAI(api_key="x", http_client=client(out))
    with sdk.responses.stream(model="m", input="x") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        response: Any = stream.get_final_response()
    assert deltas == response.output[0].content[0].text == SAID
    assert json.loads(response.output[1].arguments) == INPUT
