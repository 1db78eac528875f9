"""Kong's PDK as far as an external plugin reaches it: what each function takes, returns and changes, and when."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.kong.exchange import Call, Exchange, Exited, Headers, LuaError, pairs

_MIN_HEADERS, _MAX_HEADERS, _DEFAULT_HEADERS = 1, 1000, 100

_REQUEST = frozenset({"rewrite", "access", "response"})
"""In `log`, a timer, whatever needs the request itself throws."""
_LATE = _REQUEST | {"log"}
_ACCESS = frozenset({"rewrite", "access"})
_ANSWER = frozenset({"response"})

Function = Callable[..., Any]


class Method(NamedTuple):
    """One function of the PDK."""

    function: Function
    phases: frozenset[str]
    argument: str
    """Its message's type in ProtoBuf."""
    result: str


METHODS: dict[str, Method] = {}


def _method(name: str, phases: frozenset[str], argument: str, result: str) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        METHODS[name] = Method(function, phases, argument, result)
        return function

    return register


def call(exchange: Exchange, name: str, arguments: list[Any]) -> Any:
    """Call a function of the PDK.

    Raises:
        LuaError: it threw; KeyError if there is no such function.
        Exited: it ended the request.
    """
    method = METHODS[name]
    exchange.calls.append(Call(exchange.phase, name, len(exchange.calls_in(exchange.phase))))
    if exchange.phase not in method.phases:
        raise LuaError(f"function cannot be called in {exchange.phase} phase: {name}")
    return method.function(exchange, *arguments)


def _validated(headers: Any) -> dict[bytes, list[bytes]]:
    """Return headers as Kong sets them: an empty value becomes a space, an empty list removes."""
    if not isinstance(headers, dict):
        raise LuaError("headers must be a table")
    out = {}
    for name, given in headers.items():
        values = given if isinstance(given, list) else [given]
        for value in values:
            if not isinstance(value, bytes) and not (isinstance(value, (bool, int, float)) and value is given):
                raise LuaError(f"invalid header value for {name!r}")
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
        out[name.lower()] = [text or b" " for text in texts]
    return out


def merge(into: Headers, headers: Any) -> None:
    """Set `headers` on top of those that are there."""
    for name, values in _validated(headers or {}).items():
        if values:
            into[name] = values
        else:
            into.pop(name, None)


def _limited(headers: Headers, limit: int | None) -> dict[bytes, Any]:
    limit = _DEFAULT_HEADERS if limit is None else limit
    if not _MIN_HEADERS <= limit <= _MAX_HEADERS:
        raise LuaError(f"max_headers must be >= {_MIN_HEADERS} and <= {_MAX_HEADERS}")
    out: dict[bytes, Any] = {}
    for name, value in pairs(headers)[:limit]:
        before = out.get(name)
        out[name] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return out


def _first(headers: Headers, name: bytes) -> bytes | None:
    values = headers.get(name.lower().replace(b"_", b"-"))
    return values[0] if values else None


@_method("kong.request.get_method", _REQUEST, "Empty", "String")
def _get_method(exchange: Exchange) -> bytes:
    return exchange.method.encode()


@_method("kong.request.get_path", _REQUEST, "Empty", "String")
def _get_path(exchange: Exchange) -> bytes:
    return urllib.parse.unquote_to_bytes(exchange.raw_path.partition(b"?")[0])


@_method("kong.request.get_path_with_query", _REQUEST, "Empty", "String")
def _get_path_with_query(exchange: Exchange) -> bytes:
    return exchange.raw_path


@_method("kong.request.get_raw_query", _REQUEST, "Empty", "String")
def _get_raw_query(exchange: Exchange) -> bytes:
    return exchange.raw_path.partition(b"?")[2]


@_method("kong.request.get_header", _LATE, "String", "String")
def _get_header(exchange: Exchange, name: bytes) -> bytes | None:
    return _first(exchange.headers, name)


@_method("kong.request.get_headers", _LATE, "Int", "Struct")
def _get_headers(exchange: Exchange, limit: int | None = None) -> dict[bytes, Any]:
    return _limited(exchange.headers, limit)


@_method("kong.request.get_raw_body", _REQUEST, "Empty", "RawBodyResult")
def _get_raw_body(exchange: Exchange, max_file_size: int | None = None) -> tuple[str, bytes]:
    """Only MsgPack can give `max_file_size`; only ProtoBuf gets the path."""
    if exchange.body_file is None:
        return "content", exchange.body
    if max_file_size is None:
        return "body_filepath", str(exchange.body_file).encode()
    try:
        return "content", exchange.body_file.read_bytes()
    except OSError:
        return "error", b"failed to open cached request body"


@_method("kong.service.request.set_raw_body", _ACCESS, "ByteString", "Empty")
def _set_raw_body(exchange: Exchange, body: Any) -> None:
    if not isinstance(body, bytes):
        raise LuaError("body must be a string")
    exchange.replace_body(body)


@_method("kong.service.request.set_headers", _ACCESS, "Struct", "Empty")
def _set_headers(exchange: Exchange, headers: Any) -> None:
    merge(exchange.headers, headers)


@_method("kong.service.request.set_header", _ACCESS, "KV", "Empty")
def _set_header(exchange: Exchange, name: bytes, value: Any) -> None:
    merge(exchange.headers, {name: value})


@_method("kong.service.request.clear_header", _ACCESS, "String", "Empty")
def _clear_header(exchange: Exchange, name: bytes) -> None:
    exchange.headers.pop(name.lower(), None)


@_method("kong.service.response.get_status", _ANSWER, "Empty", "Int")
def _service_status(exchange: Exchange) -> int:
    assert exchange.upstream is not None
    return exchange.upstream.status


@_method("kong.service.response.get_headers", _ANSWER, "Int", "Struct")
def _service_headers(exchange: Exchange, limit: int | None = None) -> dict[bytes, Any]:
    """For an answer that Kong collected it returns a table that finds each name and lists none: nothing to send."""
    _limited({}, limit)
    return {}


@_method("kong.service.response.get_header", _ANSWER, "String", "String")
def _service_header(exchange: Exchange, name: bytes) -> bytes | None:
    assert exchange.upstream is not None
    return _first(exchange.upstream.headers, name)


@_method("kong.service.response.get_raw_body", _ANSWER, "Empty", "ByteString")
def _service_body(exchange: Exchange) -> bytes:
    assert exchange.upstream is not None
    return exchange.upstream.body


@_method("kong.response.get_status", _ANSWER | {"log"}, "Empty", "Int")
def _get_status(exchange: Exchange) -> int:
    return exchange.answer_status


@_method("kong.response.get_headers", _ANSWER | {"log"}, "Int", "Struct")
def _answer_headers(exchange: Exchange, limit: int | None = None) -> dict[bytes, Any]:
    return _limited(exchange.answer_headers | {b"connection": [b"keep-alive"]}, limit)


@_method("kong.response.get_header", _ANSWER | {"log"}, "String", "String")
def _answer_header(exchange: Exchange, name: bytes) -> bytes | None:
    return _first(exchange.answer_headers, name)


@_method("kong.response.set_header", _REQUEST, "KV", "Empty")
def _answer_set_header(exchange: Exchange, name: bytes, value: Any) -> None:
    merge(exchange.answer_headers, {name: value})


@_method("kong.response.clear_header", _REQUEST, "String", "Empty")
def _answer_clear_header(exchange: Exchange, name: bytes) -> None:
    exchange.answer_headers.pop(name.lower(), None)


@_method("kong.response.set_status", _REQUEST, "Int", "Empty")
def _set_status(exchange: Exchange, status: int) -> None:
    exchange.answer_status = status


@_method("kong.response.exit", _REQUEST, "ExitArgs", "Empty")
def _exit(exchange: Exchange, status: Any, body: Any = b"", headers: Any = None) -> None:
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise LuaError("code must be a number between 100 and 599")
    if not isinstance(body, bytes):
        raise LuaError("body must be a nil, string or table")
    _validated(headers or {})
    raise Exited(status, body, headers or {})


@_method("kong.ctx.shared.set", _LATE, "KV", "Empty")
def _shared_set(exchange: Exchange, key: bytes, value: Any) -> None:
    exchange.shared[key] = value


@_method("kong.ctx.shared.get", _LATE, "String", "Value")
def _shared_get(exchange: Exchange, key: bytes) -> Any:
    return exchange.shared.get(key)


@_method("kong.nginx.set_ctx", _LATE, "KV", "String")
def _ctx_set(exchange: Exchange, key: bytes, value: Any) -> None:
    exchange.ctx[key] = value


@_method("kong.nginx.get_ctx", _LATE, "String", "Value")
def _ctx_get(exchange: Exchange, key: bytes) -> Any:
    return exchange.ctx.get(key)


@_method("kong.nginx.get_var", _REQUEST, "String", "String")
def _get_var(exchange: Exchange, name: bytes) -> bytes | None:
    request_id = exchange.id.encode()
    variables = {
        b"kong_request_id": request_id,
        b"request_id": request_id,
        b"http_host": _first(exchange.headers, b"host"),
        b"scheme": b"http",
    }
    return variables.get(name)


@_method("kong.nginx.req_start_time", _LATE, "Empty", "Number")
def _start_time(exchange: Exchange) -> float:
    return time.time()


@_method("kong.client.get_consumer", _LATE, "Empty", "Consumer")
def _get_consumer(exchange: Exchange) -> dict[bytes, Any] | None:
    return exchange.consumer


@_method("kong.log.serialize", _LATE, "Empty", "String")
def _serialize(exchange: Exchange) -> bytes:
    return b"{}"


def _logging(level: str) -> Function:
    def log(exchange: Exchange, *parts: Any) -> None:
        texts = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        exchange.logged.append((level, b"".join(texts)))

    return log


for _level in ("alert", "crit", "err", "warn", "notice", "info", "debug"):
    METHODS[f"kong.log.{_level}"] = Method(_logging(_level), _LATE, "ListValue", "Empty")
