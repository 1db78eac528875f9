"""Options and inputs that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from kong_plugins.aws_masker.cli.edge import Failure
from kong_plugins.aws_masker.errors import BodyTooLarge, UnsupportedContent
from kong_plugins.aws_masker.keys import load_key
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


def listen_option(command: _Command) -> _Command:
    """Add `--listen HOST:PORT`; the command gets `listen: tuple[str, int]`."""
    return click.option(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:8082",
        show_default=True,
        callback=_address,
        help="Where the proxy listens; an IPv6 address in brackets.",
    )(command)


def server_options(command: _Command) -> _Command:
    """Add `--tls-cert`, `--tls-key` and `--log-format`; the command gets a Path or None twice, and a LogFormat."""
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["auto", "json", "console"]),
            default="auto",
            show_default=True,
            help="auto: for people on a terminal, else JSON.",
        ),
        click.option(
            "--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="The certificate's key in PEM."
        ),
        click.option(
            "--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="Serve HTTPS; certificates in PEM."
        ),
    ):
        command = option(command)
    return command


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    return address(value)


def address(value: str) -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 address in brackets. Raises click.BadParameter."""
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise click.BadParameter("not HOST:PORT, such as 127.0.0.1:8082")
    return host, int(port)


def config_option(command: _Command) -> _Command:
    """Add `--config FILE`; the command gets `config: Path | None`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Settings in TOML or YAML; see docs/configuration.md.",
    )(command)


def key_options(command: _Command) -> _Command:
    """Add `--key-file FILE`; the command gets `key_file: Path | None`."""
    return click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="File that holds the key. AWS_MASKER_KEY goes before it; without both, a key is made on first use.",
    )(command)


def format_option(*formats: str) -> Callable[[_Command], _Command]:
    """Add `--format`, the first of `formats` being the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print the result.",
    )


def open_masker(settings: Settings, key_file: Path | None) -> Masker:
    """Return a masker with the key of the environment, the file or the embedded default."""
    return Masker(settings, load_key(os.environ, key_file, create=True))


def read_text(file: IO[bytes], settings: Settings) -> bytes:
    """Read all of `file`.

    Raises:
        Failure: if it is over `max_decompressed_size`, or not in an encoding in which ASCII stands for itself: nothing
            would be found in UTF-16, and it would go out as it is.
    """
    limit = settings.max_decompressed_size
    data = file.read(limit + 1)
    if len(data) > limit:
        raise Failure(f"the input is over {limit} bytes (max_decompressed_size)", BodyTooLarge.code)
    if b"\0" in data:
        raise Failure(
            "the input is binary or UTF-16 (it holds NUL bytes); convert it to UTF-8 first", UnsupportedContent.code
        )
    return data
