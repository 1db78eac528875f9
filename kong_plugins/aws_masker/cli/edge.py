"""The edge of the command line: how whatever goes wrong ends, and how bytes reach standard output.

One line on standard error, exit status 2, no traceback and no value, because both may end in a CI log.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import click

from kong_plugins.aws_masker.errors import MaskerError

PACKAGE = Path(__file__).parents[1]
FOUND = 1
FAILED = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE: nobody reads our output any more


class Failure(click.ClickException):
    """Ends the command with one line on standard error."""

    exit_code = FAILED

    def __init__(self, message: str, code: str = "") -> None:
        """`code` is one of AWS_MASKER_...; `message` must never hold text of an input."""
        super().__init__(" ".join(message.split()))
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"Error {self.code}: {self.message}" if self.code else f"Error: {self.message}", err=True, file=file)


@contextmanager
def edge() -> Iterator[None]:
    """Turn everything that can leave a command into the right exit status and at most one line."""
    try:
        yield
        sys.stdout.flush()
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _silence_stdout()
        raise click.exceptions.Exit(BROKEN_PIPE) from None
    except MaskerError as error:
        raise Failure(str(error), error.code) from None
    except OSError as error:
        named = f"{printable(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
        raise Failure(f"{named}{error.strerror or type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001  the outermost edge; the message may hold a value, so only the place is told
        raise Failure(f"unexpected {type(error).__name__} at {_place(error)}", MaskerError.code) from None


def _place(error: Exception) -> str:
    """Return where our own code met the error: file and line, enough for a report of the bug."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PACKAGE in Path(frame.filename).parents and frame.filename != __file__]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def write(data: bytes) -> None:
    """Write `data` to standard output at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]  # under PYTHONUNBUFFERED it may take only a part
    sys.stdout.buffer.flush()


def printable(name: str | bytes | os.PathLike[Any]) -> str:
    """Return a file name as text that cannot steer a terminal nor fail to encode."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing on the broken pipe as well."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
