"""Requests masked and answers restored, bytes to bytes: the only place where wire formats and masking meet.

Pure: no input or output, no clock, no shared state. An edge (the proxy, the Kong plugin) hands in what it received and
sends on what it gets. Whatever goes wrong in a request is an error; the body as it came is never the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from kong_plugins.aws_masker.errors import (
    BodyTooLarge,
    MalformedBody,
    MaskerError,
    MaskingFailed,
    RestoreFailed,
    SignedBody,
    UnreadableCoding,
    UnsupportedContent,
)
from kong_plugins.aws_masker.masking import StreamRestorer, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry, Lookup, MaskSession, Text
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire import headers as wire_headers
from kong_plugins.aws_masker.wire.bodies import Body, body_of
from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.headers import ContentType, Shape
from kong_plugins.aws_masker.wire.jsontext import NotJsonError
from kong_plugins.aws_masker.wire.jsontext import escaped as json_escaped
from kong_plugins.aws_masker.wire.providers import BEDROCK, Api, api_of, policy_of, refers_to_state


class Head(NamedTuple):
    """The head of a request."""

    path: str
    """Without the query."""
    headers: Sequence[tuple[bytes, bytes]]
    """Names in any case."""
    query: str = ""
    """As sent, without the question mark."""


@dataclass(frozen=True)
class MaskedRequest:
    """A request that may go upstream."""

    api: Api
    headers: list[tuple[bytes, bytes]]
    body: bytes
    changed: bool
    """Whether `body` differs from the one that came."""
    mapping: dict[bytes, Entry]
    """Placeholder to value, for every value masked in this request."""
    known: dict[bytes, Entry]
    """The same of placeholders that came in the request itself, as far as the tenant's memory knows them."""
    counts: dict[str, int]
    """Masked values by family."""
    signed: Mapping[str, int]
    """Values by family that were seen in signed blocks, which must go on as they are."""
    stream: bool = False
    """Whether the client asks for a stream of server-sent events."""
    stateful: bool = False
    """Whether the request refers to what the provider keeps: the answer may repeat placeholders not seen in it."""


def mask_request(head: Head, body: bytes, session: MaskSession, settings: Settings) -> MaskedRequest:
    """Mask all texts of a request.

    Raises:
        RequestRefused: it cannot be read, or may carry text in a form that is not known.
        MaskingFailed: anything else went wrong; the cause is not chained, as it could hold a value.
    """
    try:
        return _mask_request(head, body, session, settings)
    except MaskerError:
        raise
    except RecursionError:
        raise MalformedBody("nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - fails closed, whatever it is
        raise MaskingFailed(type(error).__name__) from None


def _mask_request(head: Head, body: bytes, session: MaskSession, settings: Settings) -> MaskedRequest:
    if len(body) > settings.max_body_size:
        raise BodyTooLarge
    api = api_of(head.path)
    sent = wire_headers.with_readable_codings(head.headers)
    masked = _Masked(None)
    stateful = not body  # it fetches what is there already
    if body:
        applied = codings.listed(wire_headers.values(head.headers, b"content-encoding"))
        plain = codings.decode(body, applied, settings.max_decompressed_size)
        if plain:
            masked = _mask_body(api, _content_type(head), plain, session)
            stateful = refers_to_state(plain)
        if masked.body is not None:
            if wire_headers.is_signed(head.headers, head.query):
                raise SignedBody
            body = codings.encode(masked.body, applied)
            sent = wire_headers.of_changed_body(sent, len(body), coded=True)
    stream = api not in BEDROCK and (masked.stream or "stream=true" in head.query.split("&"))
    changed = masked.body is not None
    return MaskedRequest(
        api, sent, body, changed, session.mapping, session.known, session.counts, masked.signed, stream, stateful
    )


def _content_type(head: Head) -> ContentType | None:
    """Return the body's content type, or None where the request names none.

    Raises:
        UnsupportedContent: two of them, or a charset other than UTF-8.
    """
    given = wire_headers.values(head.headers, b"content-type")
    if len(given) > 1:
        raise UnsupportedContent("several content types")
    if not given or not given[0].strip():
        return None
    content_type = wire_headers.content_type(given[0])
    if content_type.charset not in ("", "utf-8", "utf8", "us-ascii", "ascii"):
        raise UnsupportedContent("charset")
    return content_type


class _Masked(NamedTuple):
    """A body with its texts masked."""

    body: bytes | None
    """None if nothing changes."""
    signed: Mapping[str, int] = MappingProxyType({})
    stream: bool = False


def _mask_body(api: Api, content_type: ContentType | None, body: bytes, session: MaskSession) -> _Masked:
    shape = Shape.JSON if content_type is None else content_type.shape
    mask = _MASKS.get(shape)
    if mask is None or body.startswith(_FOREIGN_BYTES):
        raise UnsupportedContent
    try:
        return mask(api, body, session)
    except NotJsonError as error:
        if content_type is None:
            raise UnsupportedContent("no content type, and not JSON") from None
        raise MalformedBody(str(error)) from None
    except UnicodeDecodeError:
        raise MalformedBody("not UTF-8") from None


_FOREIGN_BYTES = (b"\xff\xfe", b"\xfe\xff", b"\x00")
"""How UTF-16 and UTF-32 begin, with a byte order mark or with an ASCII character in big-endian form."""


def _mask_json(api: Api, body: bytes, session: MaskSession) -> _Masked:
    documents = Documents()
    tree = documents.add(body, policy_of(api).request)
    stream = isinstance(tree, dict) and tree.get("stream") is True
    del tree
    masked = _masked(documents, session)
    return _Masked(masked[0] if masked else None, session.inspect(documents.signed), stream)


def _mask_ndjson(api: Api, body: bytes, session: MaskSession) -> _Masked:
    documents = Documents()
    lines = body.split(b"\n")
    full = [number for number, line in enumerate(lines) if line.strip()]
    for number in full:
        documents.add(lines[number], policy_of(api).request)
    masked = _masked(documents, session)
    if masked is None:
        return _Masked(None, session.inspect(documents.signed))
    for number, line in zip(full, masked, strict=True):
        lines[number] = line
    return _Masked(b"\n".join(lines), session.inspect(documents.signed))


def _mask_text(_api: Api, body: bytes, session: MaskSession) -> _Masked:
    body.decode()
    (masked,) = session.mask([Text(body)])
    return _Masked(masked)


def _masked(documents: Documents, session: MaskSession) -> list[bytes] | None:
    return documents.put_back(session.mask(documents.texts))


_MASKS: dict[Shape, Callable[[Api, bytes, MaskSession], _Masked]] = {
    Shape.JSON: _mask_json,
    Shape.NDJSON: _mask_ndjson,
    Shape.TEXT: _mask_text,
    Shape.SSE: _mask_text,
}


class _Placeholders:
    """Placeholders to values by one lookup; implements `wire.restoring.Restoring`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def whole(self, text: bytes, *, escaped: bool = False) -> bytes:
        return restore(text, self._lookup, json_escaped if escaped else None)

    def pieces(self, *, escaped: bool = False) -> StreamRestorer:
        return StreamRestorer(self._lookup, json_escaped if escaped else None)


class ResponseRestorer:
    """Restores one answer: feed the upstream's body as it arrives, send on what comes out.

    Streams (SSE, eventstream, NDJSON, text) come out as they go in. JSON is collected and comes out when it is closed.
    Anything else, and what cannot be read, passes as the provider's own bytes.

    `headers` may be sent at once. An edge that waits for `final` sends better ones: the right Content-Length for JSON,
    the provider's own headers for an answer that did not change or whose coding turned out to be broken.
    """

    def __init__(
        self, api: Api, status: int, headers: Sequence[tuple[bytes, bytes]], lookup: Lookup, settings: Settings
    ) -> None:
        """`status` and `headers` as the upstream sent them; `lookup` turns placeholders into values."""
        self.headers: list[tuple[bytes, bytes]] = list(headers)
        """What the client must get."""
        self.final = False
        """Whether `headers` will not change any more; at the latest with the first byte that comes out."""
        self._original = list(headers)
        self._limit = settings.max_decompressed_size
        self._received: list[bytes] = []  # as long as the provider's own bytes may still be wanted
        self._decoder: codings.Decoder | None = None
        self._decoded = False
        self._body: Body | None = None
        shape = _shape_of_answer(status, self._original)
        applied = codings.listed(wire_headers.values(headers, b"content-encoding"))
        if shape is Shape.UNKNOWN or not codings.KNOWN.issuperset(applied) or len(applied) > codings.MAX_CODINGS:
            self.final = True
            return
        self._body = body_of(shape, policy_of(api), _Placeholders(lookup), self._limit)
        self._decoder = codings.Decoder(applied) if applied else None
        self.headers = wire_headers.of_changed_body(headers, None, coded=False)
        self.final = shape is not Shape.JSON and self._decoder is None

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for these bytes.

        Raises:
            RestoreFailed: restoring broke, or the coding did after part of the answer had gone out.
        """
        if self._body is None:
            return data
        try:
            if not self.final:
                self._received.append(data)
            restored = self._body.feed(data) if self._decoder is None else self._decode(self._decoder, self._body, data)
        except UnreadableCoding:
            return self._provider_bytes()
        except MaskerError:
            raise
        except Exception as error:  # noqa: BLE001 - the message of an unforeseen error could hold a value
            raise RestoreFailed(type(error).__name__) from None
        if restored:
            self._settle()
        return restored

    def close(self) -> bytes:
        """Return the rest: the upstream's body ended, whole or not.

        Raises:
            RestoreFailed: restoring broke.
        """
        if self._body is None:
            return b""
        if self._decoder is not None and not self._decoded and not self.final:
            return self._provider_bytes()
        try:
            rest = self._body.close()
        except Exception as error:  # noqa: BLE001 - the message of an unforeseen error could hold a value
            raise RestoreFailed(type(error).__name__) from None
        if not self.final:
            unchanged = self._decoder is None and rest == b"".join(self._received)
            self.headers = (
                self._original if unchanged else wire_headers.of_changed_body(self._original, len(rest), coded=False)
            )
            self._settle()
        return rest

    def _settle(self) -> None:
        self.final = True
        self._received.clear()

    def _decode(self, decoder: codings.Decoder, body: Body, data: bytes) -> bytes:
        out: list[bytes] = []
        size = 0
        for piece in decoder.feed(data):
            self._decoded = True
            size += len(piece)
            if size > self._limit:
                raise RestoreFailed("the answer decompresses beyond the bound")
            out.append(body.feed(piece))
        return b"".join(out)

    def _provider_bytes(self) -> bytes:
        """Give up on the coding: hand on all that came, as it came, if nothing has gone out yet."""
        if self.final:
            raise RestoreFailed("the answer's content coding broke in the middle")
        received = b"".join(self._received)
        self.headers = self._original
        self._body = None
        self._settle()
        return received


def _shape_of_answer(status: int, headers: Sequence[tuple[bytes, bytes]]) -> Shape:
    """Return how an answer's body is read; UNKNOWN where it passes as it is.

    A partial answer (206) does: its length is fixed by its range.
    """
    given = wire_headers.values(headers, b"content-type")
    if status in (204, 206, 304) or status < 200 or len(given) != 1:
        return Shape.UNKNOWN
    content_type = wire_headers.content_type(given[0])
    return Shape.UNKNOWN if content_type.charset.startswith(("utf-16", "utf-32")) else content_type.shape
