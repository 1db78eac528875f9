"""Logging that cannot repeat what it was given to mask.

Our own lines hold fixed words, error codes and counts. An exception is told by its type and by the places in our code
that it passed, because its message may quote a body or a header. The same goes for whatever libraries log.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from typing import Any, Literal, TextIO

import structlog

LogFormat = Literal["auto", "json", "console"]

_PACKAGE = __name__.partition(".observe.")[0]
_MAX_CHAIN = 5

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def configure(log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Send this process's log to `stream` (standard error); "auto" means console style on a terminal, else JSON."""
    out = sys.stderr if stream is None else stream
    console = log_format == "console" or (log_format == "auto" and out.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)


def describe(error: BaseException) -> dict[str, list[str]]:
    """Return the types of `error` and of what caused it, and where in our code it arose; nothing that it says."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _MAX_CHAIN:
        chain.append(link)
        link = link.__cause__ or link.__context__
    places = next(filter(None, map(_places, reversed(chain))), [])  # of the innermost that passed our code
    return {"errors": [type(link).__name__ for link in chain], "places": places}


def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that asyncio could give to nobody; its own handler would print the message."""
    error = context.get("exception")
    log.error("event_loop_error", **(describe(error) if isinstance(error, BaseException) else {}))


def _places(error: BaseException) -> list[str]:
    return [
        f"{frame.f_globals['__name__'].removeprefix(_PACKAGE + '.')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").startswith(_PACKAGE)
    ]


class _LibraryHandler(logging.Handler):
    """Tells that a library logged something, and where."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        log.log(
            record.levelno,
            "library_message",
            logger=record.name,
            place=f"{record.module}:{record.lineno}",
            **(describe(error) if error else {}),
        )
