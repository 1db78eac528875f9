"""`aws-masker-pluginserver`: what Kong starts, and what tells Kong about the plugin."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path
from typing import get_args

import click
import orjson
import structlog

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.cli.edge import edge
from kong_plugins.aws_masker.cli.options import address
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.logs import LogFormat, configure, log
from kong_plugins.aws_masker.plugin import Plugin
from kong_plugins.aws_masker.pluginserver.instances import Instances
from kong_plugins.aws_masker.pluginserver.server import info
from kong_plugins.aws_masker.pluginserver.workers import Supervisor

LEVELS = ("debug", "info", "warning", "error")
_BACKLOG = 4096
_MAX_WORKERS = 4

EPILOG = """
\b
For Kong (kong.conf or the environment):
  KONG_PLUGINSERVER_NAMES=aws_masker
  KONG_PLUGINSERVER_AWS_MASKER_SOCKET=/usr/local/kong/aws_masker.socket
  KONG_PLUGINSERVER_AWS_MASKER_START_CMD="aws-masker-pluginserver --socket /usr/local/kong/aws_masker.socket"
  KONG_PLUGINSERVER_AWS_MASKER_QUERY_CMD="aws-masker-pluginserver --dump"
"""


def _mode(_context: click.Context, _option: click.Parameter, text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise click.BadParameter("three octal digits are expected, such as 600 or 660")
    return mode


def _address(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, int] | None:
    return None if text is None else address(text)


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aws-masker-pluginserver", message="%(prog)s %(version)s")
@click.option("--dump", is_flag=True, help="Print what Kong's query command has to, and end.")
@click.option(
    "--socket",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to listen; Kong's `pluginserver_..._socket`. What an earlier server left there is replaced.",
)
@click.option(
    "--socket-mode", default="600", show_default=True, callback=_mode, help="Who may connect, as chmod takes it."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=lambda: min(len(os.sched_getaffinity(0)), _MAX_WORKERS),
    show_default=f"one for each CPU, up to {_MAX_WORKERS}",
    help="Processes that mask.",
)
@click.option(
    "--metrics-address",
    "pages",
    metavar="HOST:PORT",
    callback=_address,
    help="Where to serve /metrics, /healthz and /readyz, such as 127.0.0.1:9105; by default nowhere.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="The least to log.")
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default="auto",
    show_default=True,
    help="auto: for people on a terminal, else JSON.",
)
def main(  # noqa: PLR0913 - one for each option
    *,
    dump: bool,
    path: Path | None,
    socket_mode: int,
    workers: int,
    pages: tuple[str, int] | None,
    log_level: str,
    log_format: LogFormat,
) -> None:
    """Run the plugin `aws-masker` for Kong, which starts this command and asks it what the plugin is.

    The plugin's options are in Kong's configuration. The masking key may be there, too, or in AWS_MASKER_KEY, or in the
    file that AWS_MASKER_KEY_FILE names. Runs until SIGTERM, or until the process that started it ends.
    """
    with edge():
        if dump:
            sys.stdout.buffer.write(orjson.dumps(info()) + b"\n")
            return
        if path is None:
            raise click.UsageError("--socket is missing (or --dump)")
        configure(log_format)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(log_level))
        instances = Instances(Plugin)
        listener = listen(path, socket_mode)
        log.info("server_started", socket=str(path), workers=workers, version=__version__)
        made = path.stat().st_ino
        try:
            Supervisor(listener, instances, workers, pages=pages).run()
        finally:
            if path.exists() and path.stat().st_ino == made:  # else a newer server listens there
                path.unlink()


def listen(path: Path, mode: int) -> socket.socket:
    """Return a socket that listens at `path`, in place of what an earlier server left there.

    It takes that place at once: when Kong reloads, it starts a new server while the old one ends.

    Raises:
        ConfigError: something else is there, or the folder is not ours to write to.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigError(f"{path}: not a socket")
        before = os.umask(0o777 & ~mode)
        try:
            listener.bind(str(draft))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        draft.replace(path)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen at {path}: {error.strerror or error}") from None
    return listener


if __name__ == "__main__":
    main()
