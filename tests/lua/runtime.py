"""LuaJIT inside Python, with the plugin's own modules, and a request on its way through the handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "kong.plugins.aws-masker-stream."
REQUEST = b"0b5c3f2e41d24b5d9f6f0a6a7a1f3b77"

Headers = Sequence[tuple[bytes, bytes]]


class Lua:
    """One LuaJIT."""

    def __init__(self) -> None:
        """Raises ImportError where lupa has no LuaJIT."""
        from lupa import luajit21  # noqa: PLC0415 - not everywhere to be had

        self.runtime: Any = luajit21.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self.run(f"package.path = '{ROOT}/?.lua;{Path(__file__).parent}/?.lua'")

    def run(self, code: str, *arguments: Any) -> Any:
        """Run a chunk of Lua; its arguments are `...`."""
        return self.runtime.execute(code.encode(), *arguments)

    def module(self, name: str) -> Any:
        """Return one of the plugin's modules."""
        return self.run(f"return (require '{NAMESPACE}{name}')")

    def table(self, entries: Mapping[Any, Any]) -> Any:
        """Return a Lua table."""
        table = self.runtime.table()
        for key, value in entries.items():
            table[key] = self.table(dict(enumerate(value, 1))) if isinstance(value, list) else value
        return table

    def lookup(self, mapping: Mapping[bytes, bytes]) -> Any:
        """Return a lookup in Lua: from a placeholder to its value, or nil."""
        return self.run("local values = ...; return function(placeholder) return values[placeholder] end",
                        self.table(mapping))  # fmt: skip

    def restorer(self, lookup: Any, *, escaped: bool) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        """Return `feed` and `flush` of a restorer."""
        made = self.run(
            """local lookup, escaped = ...
            local restorer = require("kong.plugins.aws-masker-stream.changes").Restoring.new(lookup):pieces(escaped)
            return {
              feed = function(data) return restorer:feed(data) end,
              flush = function() return restorer:flush() end,
            }
            """,
            lookup,
            escaped,
        )
        return made[b"feed"], made[b"flush"]

    def exchange(
        self, mark: Any, *, headers: Headers | None = (), status: int = 200, path: bytes = b"/v1/messages",
        request: bytes | None = REQUEST, source: bytes = b"service",
    ) -> Exchange:  # fmt: skip
        """Begin a request. Without `headers`, asking for the answer's is an error."""
        begin = self.run("return (require 'fake_kong')")
        given: dict[bytes, list[bytes]] = {}
        for name, value in headers or ():
            given.setdefault(name.lower(), []).append(value)
        table = self.table({name: values if len(values) > 1 else values[0] for name, values in given.items()})
        upstream = None if headers is None else table
        return Exchange(begin(mark, request, path, source, status, upstream))


class Exchange:
    """One request on its way through the handler."""

    def __init__(self, seen: Any) -> None:
        self._seen = seen

    def access(self) -> tuple[int, bytes, bytes] | None:
        """Run `access`; return the answer (status, body, content type) if the request ends there."""
        self._seen[b"access"]()
        return self.ended

    def header_filter(self) -> set[bytes]:
        """Run `header_filter`; return the headers that were removed."""
        self._seen[b"header_filter"]()
        return set(self._seen[b"cleared"].values())

    def body_filter(self, chunk: bytes | None, is_last: bool) -> tuple[bytes, bool]:
        """Run `body_filter`; return the bytes for the client, and whether the answer ends with them."""
        out, ended = self._seen[b"body_filter"](chunk, is_last)
        return out or b"", bool(ended)

    def body(self, chunks: Iterable[bytes]) -> list[bytes]:
        """Run `body_filter` on `chunks` and the end; return what each gives."""
        return [*(self.body_filter(chunk, False)[0] for chunk in chunks), self.body_filter(None, True)[0]]

    @property
    def ended(self) -> tuple[int, bytes, bytes] | None:
        """The answer (status, body, content type) if one was given here."""
        ended = self._seen[b"ended"]
        return None if ended is None else (ended[1], ended[2], ended[3])

    @property
    def is_buffered(self) -> bool:
        """Whether Kong would still hold the answer back."""
        return bool(self._seen[b"is_buffered"]())

    @property
    def logged(self) -> list[bytes]:
        """What was logged."""
        return list(self._seen[b"logged"].values())
