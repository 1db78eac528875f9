"""The plugin server's own pages, served by a process of its own: metrics, and whether it can serve requests.

It has what the workers count in memory that all share, and asks none of them: it answers when they are busy, and the
workers stay as small as they are.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.observe import health
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import BREAKERS, Shared

Address = tuple[str, int]
Page = Callable[[], "tuple[int, str, bytes]"]
"""Returns status, content type and body."""

_RECENT = 60.0
"""Seconds for which a wrong configuration or key counts after a request was refused because of it."""
_RETRY = 1.0
"""Seconds until the next try to listen: while Kong reloads, the server before this one still does."""
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"} | {
    503: "Service Unavailable"
}


def run(address: Address, shared: Shared, lifeline: int) -> None:
    """Serve until SIGTERM comes, or the supervisor closes its end of `lifeline`: ends as a process."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor gets it too
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    threading.Thread(target=_serve, args=(address, shared), daemon=True).start()
    select.select([lifeline], [], [])
    shared.remove()  # the supervisor was killed, and could not


def _serve(address: Address, shared: Shared) -> None:
    pages = Pages(shared.registry)
    told = False
    while True:
        try:
            server = make_server(*address, pages, _IPv6 if ":" in address[0] else _Server, _Handler)
        except OSError as error:
            if not told:
                log.warning("metrics_address_not_free", host=address[0], port=address[1], **describe(error))
            told = True
            time.sleep(_RETRY)
            continue
        log.info("metrics_served", host=address[0], port=address[1])
        server.serve_forever()


class Pages:
    """The pages, as a WSGI application."""

    def __init__(self, registry: Callable[[], CollectorRegistry]) -> None:
        """`registry` returns what tells the sum over all processes."""
        self._registry = registry
        self._pages: dict[str, Page] = {"/healthz": _alive, "/readyz": self._ready, "/metrics": self._metrics}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        page = self._pages.get(environ["PATH_INFO"], _missing)
        status, content_type, body = page() if environ["REQUEST_METHOD"] in ("GET", "HEAD") else _not_allowed()
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(f"{status} {_REASONS[status]}", headers)
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def _metrics(self) -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry())

    def _ready(self) -> tuple[int, str, bytes]:
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for metric in self._registry().collect()
            for sample in metric.samples
            if not sample.name.endswith("_bucket")
        }
        return _json(*health.report(components(samples, time.time())))


def components(samples: Mapping[Any, float], now: float) -> dict[str, health.Component]:
    """Tell from the metrics (by a tuple of name and labels) how the server is doing at `now`, in seconds since 1970."""

    def value(name: str) -> float:
        return samples.get((f"aws_masker_{name}",), 0.0)

    alive, wanted = int(value("workers")), int(value("workers_wanted"))
    state: health.State = "ok" if alive >= wanted else "degraded" if alive else "failed"
    breaker = BREAKERS[int(value("vault_breaker"))]
    asked = any(name[0] in ("aws_masker_vault_operations_total", "aws_masker_vault_errors_total") for name in samples)
    unused = health.Component("unused", "no configuration that uses it has had a request")
    away, latency = bool(value("vault_away")), value("vault_latency_seconds")
    wrong = value("misconfigured_timestamp_seconds") > now - _RECENT
    return {
        "workers": health.Component(state, f"{alive} of {wanted} are there"),
        "key": health.Component("failed", "a configuration or key is wrong, see the log for AWS_MASKER_4001")
        if wrong
        else health.Component("ok", "no request was refused because of it in the last minute"),
        "redis": health.of_redis(away, not value("vault_refusing"), latency) if asked else unused,
        "breaker": health.of_breaker(breaker) if asked else unused,
    }


def _alive() -> tuple[int, str, bytes]:
    return _json(200, {"status": "ok", "version": __version__})


def _missing() -> tuple[int, str, bytes]:
    return _json(404, {"error": "no such page", "pages": ["/healthz", "/readyz", "/metrics"]})


def _not_allowed() -> tuple[int, str, bytes]:
    return _json(405, {"error": "only GET"})


def _json(status: int, told: dict[str, Any]) -> tuple[int, str, bytes]:
    return status, "application/json", orjson.dumps(told)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, _request: object, _address: object) -> None:
        """Say nothing: it would print what the client sent."""


class _IPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds for a client to send its request

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: it would repeat paths and queries."""
