"""The dashboard as an ASGI application."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import orjson
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.dashboard import access, playground
from kong_plugins.aws_masker.dashboard.access import Access, Guarded, check_token, read_body, read_form, signed_in
from kong_plugins.aws_masker.dashboard.board import Board
from kong_plugins.aws_masker.dashboard.figures import RANGES
from kong_plugins.aws_masker.dashboard.listening import Heard, Listener
from kong_plugins.aws_masker.dashboard.playground import Playground
from kong_plugins.aws_masker.dashboard.sources import Source, watch
from kong_plugins.aws_masker.observe.health import Component
from kong_plugins.aws_masker.observe.logs import log
from kong_plugins.aws_masker.vault.address import Address

_HERE = Path(__file__).parent
_COOKIE = "aws_masker_dashboard"
_TOKEN = "x-csrf-token"  # noqa: S105 - the name of a header
_TICK = 2.0
"""Seconds between two states that a page is told."""
_MOST_READERS = 50
_AT_ONCE = 2
"""Texts of playgrounds that are masked at the same time."""


class Dashboard:
    """The pages, and what fills them."""

    def __init__(
        self, entrance: Access, ground: Playground, sources: Sequence[Source], redis: Address | None, tls: bool
    ) -> None:
        """`redis`: where events and the audit trail are, if anywhere; `tls`: whether browsers come by HTTPS."""
        self.board = Board()
        self.closing = False
        """Set it to end the streams."""
        self._access = entrance
        self._ground = ground
        self._sources = list(sources)
        self._redis = redis
        self._tls = tls
        self._states: dict[int, tuple[float, bytes]] = {}
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._templates = Jinja2Templates(_HERE / "templates")

    def app(self) -> Starlette:
        """Return the application; to be made once."""
        routes = [
            Route("/", self._page),
            Route("/login", self._login_page),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/live", self._live),
            Route("/playground", self._play, methods=["POST"]),
            Route("/healthz", _healthz),
            Mount("/static", _Static(directory=_HERE / "static")),
        ]
        session = Middleware(
            SessionMiddleware,
            secret_key=secrets.token_urlsafe(32),
            session_cookie=_COOKIE,
            max_age=access.LIFETIME,
            same_site="strict",
            https_only=self._tls,
        )
        return Starlette(routes=routes, middleware=[Middleware(Guarded), session], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        listener = None
        if self._redis is None:
            self.board.part("Redis", Component("unused", "nothing says where it is"))
        else:
            self.board.part("Redis", Component("degraded", "is being asked"))
            listener = Listener(self._redis, lambda heard: _in(loop, self._hear, heard))
            listener.start()
        for source in self._sources:
            self.board.part(source.name, Component("degraded", "is being asked"), source=True)
        watching = asyncio.create_task(watch(self._sources, self.board))
        try:
            yield
        finally:
            watching.cancel()
            if listener is not None:
                await to_thread.run_sync(listener.close)

    def _hear(self, heard: Heard) -> None:
        self.board.part("Redis", heard.state)
        for event in heard.events:
            self.board.hear(event)
        unreadable = 0
        for entry in heard.entries:
            try:
                self.board.read(entry.fields, entry.news)
            except ValueError:
                unreadable += 1
        if unreadable:
            log.warning("dashboard_entries_unreadable", count=unreadable)

    async def _page(self, request: Request) -> Response:
        token = self._access.token(access.session_of(request))
        if token is None:
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        return self._render(request, token=token, ranges=RANGES, own_key=self._ground.own_key)

    async def _login_page(self, request: Request) -> Response:
        if self._access.token(access.session_of(request)) is not None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._ask(request, "", HTTPStatus.OK)

    def _ask(self, request: Request, problem: str, status: HTTPStatus) -> Response:
        token = request.session.get("form")
        if token is None:
            token = request.session["form"] = secrets.token_urlsafe(32)
        return self._render(request, status, form_token=token, problem=problem)

    def _render(self, request: Request, status: HTTPStatus = HTTPStatus.OK, **shown: Any) -> Response:
        return self._templates.TemplateResponse(request, "page.html", {"version": __version__, **shown}, status)

    async def _login(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            check_token(form.get("token", ""), str(request.session.get("form", "")))
        except HTTPException:
            return self._ask(request, "The form was too old. Please try again.", HTTPStatus.FORBIDDEN)
        address = request.client.host if request.client else ""
        if self._access.locked(address):
            problem = f"Too many wrong passwords. Wait {access.LOCKED} seconds."
            answer = self._ask(request, problem, HTTPStatus.TOO_MANY_REQUESTS)
            answer.headers["retry-after"] = str(access.LOCKED)
            return answer
        opened = self._access.open(address, form.get("password", ""))
        if opened is None:
            log.warning("dashboard_login_failed")
            return self._ask(request, "That is not the password.", HTTPStatus.UNAUTHORIZED)
        request.session.clear()
        request.session["id"] = opened
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    async def _logout(self, request: Request) -> Response:
        form = await read_form(request)
        check_token(form.get("token", ""), signed_in(request, self._access))
        self._access.close(access.session_of(request))
        request.session.clear()
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)

    async def _live(self, request: Request) -> Response:
        signed_in(request, self._access)
        if self.board.feed.readers >= _MOST_READERS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE)
        minutes = _number(request.query_params.get("minutes", ""))
        if minutes not in RANGES:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        return StreamingResponse(self._stream(request, minutes, _number(after)), media_type="text/event-stream")

    async def _stream(self, request: Request, minutes: int, after: int) -> AsyncIterator[bytes]:
        """Yield the state again and again, and in between what happens, as long as the session lasts."""
        session = access.session_of(request)
        with self.board.feed.reading(after) as news:
            while not self.closing and self._access.token(session) and not await request.is_disconnected():
                yield b"event: state\ndata: " + self._state(minutes) + b"\n\n"
                until = time.monotonic() + _TICK
                while (left := until - time.monotonic()) > 0:
                    item = None
                    with anyio.move_on_after(left):
                        item = await news.get()
                    if item is not None:
                        yield b"id: %d\nevent: news\ndata: %s\n\n" % (item["id"], orjson.dumps(item))

    def _state(self, minutes: int) -> bytes:
        """Return the state as JSON, made once for all who look at it at the time."""
        made, state = self._states.get(minutes, (float("-inf"), b""))
        if time.monotonic() - made > _TICK / 2:
            state = orjson.dumps(self.board.state(minutes))
            self._states[minutes] = (time.monotonic(), state)
        return state

    async def _play(self, request: Request) -> Response:
        check_token(request.headers.get(_TOKEN, ""), signed_in(request, self._access))
        text = await read_body(request, playground.LARGEST)
        return JSONResponse(await to_thread.run_sync(self._ground.show, text, limiter=self._limiter))


class _Static(StaticFiles):
    """Files that browsers ask for again each time, and mostly need not load again."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers["cache-control"] = "no-cache"
        return response


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


def _in(loop: asyncio.AbstractEventLoop, call: Any, *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(call, *arguments)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
