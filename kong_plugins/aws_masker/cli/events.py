"""`aws-masker events`: what happens right now, as the gateway and the proxies publish it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson
from redis.exceptions import RedisClusterException, RedisError
from rich.console import Console
from rich.text import Text

from kong_plugins.aws_masker.cli import report
from kong_plugins.aws_masker.cli.edge import Failure, printable, write
from kong_plugins.aws_masker.cli.options import config_option
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.errors import VaultRefused, VaultUnavailable
from kong_plugins.aws_masker.observe.events import MASKING, PERFORMANCE, SECURITY, UNMASKING
from kong_plugins.aws_masker.vault.address import Client, address_of, connect

CHANNELS = {"masking": MASKING, "unmasking": UNMASKING, "security": SECURITY, "performance": PERFORMANCE}
_COLOURS = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
_WAIT = 1.0
_PAUSE = 1.0

EPILOG = """
\b
Examples:
  REDIS_HOST=localhost aws-masker events
  aws-masker events --config masker.toml --channel security --json | jq .
"""


@click.command(short_help="Watch events as they happen.", epilog=EPILOG)
@config_option
@click.option(
    "--channel",
    "names",
    type=click.Choice(list(CHANNELS)),
    multiple=True,
    help="What to watch; by default everything but `performance`. May be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each event, as it was published.")
def events(*, config: Path | None, names: tuple[str, ...], as_json: bool) -> None:
    """Watch events as the gateway and the proxies publish them, until interrupted.

    Redis is where the settings or REDIS_HOST say. Events are published where `redis_events` is on
    (ENABLE_REDIS_EVENTS); they hold no values. When Redis goes away, this waits until it is back.
    """
    address = address_of(load_settings(config), os.environ)
    if address is None:
        raise Failure("nothing says where Redis is: set redis_host or REDIS_HOST")
    channels = [CHANNELS[name] for name in names or ("masking", "unmasking", "security")]
    console = report.console(sys.stdout)
    try:
        client = connect(address)
        client.ping()
    except (RedisError, RedisClusterException, OSError) as error:
        raise _failure(error) from None
    click.echo(f"Watching {', '.join(channels)}", err=True)
    for message in _messages(client, channels):
        if as_json:
            write(message + b"\n")
        else:
            show(console, message)


def _failure(error: Exception) -> Failure:
    known = VaultRefused if "auth" in type(error).__name__.lower() else VaultUnavailable
    return Failure(f"{known.wording} ({type(error).__name__})", known.code)


def _messages(client: Client, channels: Sequence[str]) -> Iterator[bytes]:
    """Yield what is published, for ever."""
    away = False
    while True:
        try:
            with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                subscription.subscribe(*channels)
                while True:
                    message: dict[str, Any] | None = subscription.get_message(timeout=_WAIT)
                    away = False
                    if message is not None and message["type"] == "message":
                        yield message["data"]
        except (RedisError, RedisClusterException, OSError) as error:
            if not away:
                click.echo(f"Redis is away ({type(error).__name__}); waiting", err=True)
            away = True
            time.sleep(_PAUSE)


def show(console: Console, message: bytes) -> None:
    """Print an event in one line; what is none is left out."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        event = orjson.loads(message)
        when = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone().strftime("%H:%M:%S")
        told = _TOLD[event["event_type"]](event)
        line = Text.assemble((when, "dim"), " ", told, "  ", (_whose(event), "dim"))
        line.plain = printable(line.plain)
        console.print(line, soft_wrap=True)


def _masking(event: dict[str, Any]) -> Text:
    error = f" {event['error']}" if event["error"] else ""
    figures = f"{event['request_size_bytes']:,} bytes, {event['processing_time_ms']:.1f} ms"
    return Text.assemble((f"{event['decision']:<9}", "green" if event["success"] else "red"), " ").append(
        f"{event['api']}/{event['route']}{error}  {_counts(event['patterns_applied'])}  {figures}"
    )


def _unmasking(event: dict[str, Any]) -> Text:
    misses = f"  {event['restore_misses']} unknown" if event["restore_misses"] else ""
    return Text.assemble(("restored ", "blue"), " ").append(
        f"{event['api']}  {_counts(event['patterns_restored'])}{misses}  {event['response_size_bytes']:,} bytes"
    )


def _alert(event: dict[str, Any]) -> Text:
    colour = _COLOURS[event["severity"]]
    what = f" {event['error']}" if event["error"] else ""
    return Text.assemble(("ALERT    ", colour), " ").append(
        f"{event['severity']}: {event['alert']}{what}  {_counts(event['patterns'])}"
    )


def _performance(event: dict[str, Any]) -> Text:
    stages = ", ".join(f"{stage} {milliseconds:.1f} ms" for stage, milliseconds in event["stages_ms"].items())
    return Text.assemble(("time     ", "magenta"), " ").append(f"{event['level']}: {stages}")


_TOLD = {"masking": _masking, "unmasking": _unmasking, "security_alert": _alert, "performance": _performance}


def _counts(patterns: dict[str, int]) -> str:
    return ", ".join(f"{family} {count}" for family, count in sorted(patterns.items()))


def _whose(event: dict[str, Any]) -> str:
    return " ".join(filter(None, (event["tenant"], event["request_id"])))
