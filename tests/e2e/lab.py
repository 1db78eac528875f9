"""The proxy and a stand-in for the LLM API, both real and connected over loopback."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import re2

from kong_plugins.aws_masker.demo.answers import Script
from kong_plugins.aws_masker.demo.received import Recorded
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings

_CACHE_CONTROL = re2.compile(rb',"cache_control":\{[^{}]*\}')


@dataclass(frozen=True)
class Lab:
    """The stand-in, and the address at which clients find the API."""

    standin: StandIn
    url: str

    @property
    def received(self) -> bytes:
        """Everything that reached the API: bodies, headers and paths."""
        assert self.standin.requests, "nothing reached the API, so nothing can be told about it"
        return b"\n".join(request.raw for request in self.standin.requests)

    def requests(self, path: str) -> list[Recorded]:
        """The requests to `path`, in order."""
        return [request for request in self.standin.requests if request.path == path]


@contextlib.contextmanager
def lab(script: Script, *, masked: bool = True, settings: Settings | None = None) -> Iterator[Lab]:
    """A stand-in that follows `script`, behind the proxy, or reached directly if not `masked`."""
    standin = StandIn(script)
    with serving(standin) as upstream, contextlib.ExitStack() as stack:
        url = upstream
        if masked:
            proxy = create_app(upstream, settings or Settings(), secrets.token_bytes(32))
            url = stack.enter_context(serving(proxy))
        yield Lab(standin, url)


@contextlib.contextmanager
def proxy_process(upstream: str, folder: Path) -> Iterator[str]:
    """`aws-masker proxy` in a process of its own; its key and its log are files in `folder`. Yields its address."""
    command = [sys.executable, "-m", "kong_plugins.aws_masker.cli", "proxy", "--listen", "127.0.0.1:0"]
    command += ["--upstream", upstream, "--key-file", str(folder / "key")]
    with (folder / "proxy.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
    with process:
        assert process.stdout is not None
        try:
            address = re2.search(rb"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert address, "the proxy did not start"
            yield address.group().decode()
        finally:
            process.terminate()


def split(body: bytes, key: str) -> tuple[list[bytes], bytes]:
    """Return the raw bytes of each entry of the array under `key`, and of everything else.

    The marks that say where the provider's cache ends are left out: clients move them from turn to turn.
    """
    body = _CACHE_CONTROL.sub(b"", body)
    text = body.decode("latin-1")  # a character a byte
    begin = at = text.index(f'"{key}":[') + len(key) + 4
    decoder, entries = json.JSONDecoder(), []
    while text[at - 1] != "]":
        _, end = decoder.raw_decode(text, at)
        entries.append(body[at:end])
        at = end + 1
    return entries, body[:begin] + body[at:]


def stability(bodies: list[bytes], key: str = "messages") -> list[tuple[list[bool], bool]]:
    """For each request but the first: which entries of the history before, and is the rest, the same byte for byte?"""
    changes = []
    for (before, rest), (after, rest_after) in itertools.pairwise(split(body, key) for body in bodies):
        same = [old == new for old, new in zip(before, after[: len(before)], strict=True)]
        changes.append((same, rest == rest_after))
    return changes


def assert_stable(bodies: list[bytes], key: str = "messages") -> None:
    """Each request repeats all of the one before byte for byte, and adds to its history."""
    assert len(bodies) > 1, "one request has no history"
    assert all(all(same) and rest for same, rest in stability(bodies, key)), "the history changed"
