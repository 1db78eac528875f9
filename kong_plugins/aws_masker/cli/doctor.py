"""`aws-masker doctor`: is everything in place, and if not, what to do."""

from __future__ import annotations

import os
import sys
from io import StringIO
from pathlib import Path

import click
import orjson
from rich.text import Text

from kong_plugins.aws_masker.cli import checks, redis_checks, report, selftest
from kong_plugins.aws_masker.cli.edge import write
from kong_plugins.aws_masker.cli.options import config_option, format_option, key_options, listen_option
from kong_plugins.aws_masker.observe import logs

COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@click.command(
    short_help="Check that everything is in place.",
    epilog="\b\nExample:\n  aws-masker doctor --config masker.toml --upstream https://api.anthropic.com",
)
@format_option("table", "json")
@config_option
@key_options
@listen_option
@click.option("--upstream", metavar="URL", help="Does this API answer? Asked without credentials.")
@click.option("--kong", metavar="URL", help="Does the masker in this Kong answer, with the same key?")
@click.option(
    "--server",
    metavar="URL",
    help="Is this server well? A plugin server's --metrics-address, or http://HOST:PORT/.aws-masker of a proxy.",
)
@click.pass_context
def doctor(  # noqa: PLR0913  one for each option
    context: click.Context,
    *,
    form: str,
    config: Path | None,
    key_file: Path | None,
    listen: tuple[str, int],
    upstream: str | None,
    kong: str | None,
    server: str | None,
) -> None:
    """Check the key, the settings, the libraries, the address, the upstream, Redis and the masking itself.

    Exit status 1 if something is wrong. Changes nothing, and shows no key.
    """
    logs.configure("json", StringIO())  # what libraries and the vault would log is told as findings
    configured, settings = checks.config(config)
    done = [
        configured,
        checks.key(os.environ, key_file),
        checks.libraries(),
        selftest.codings(),
        selftest.masking(settings),
        checks.port(*listen),
        checks.upstream(upstream),
        checks.kong(kong, os.environ, key_file),
        *redis_checks.redis(settings, os.environ, redis_checks.known_key(os.environ, key_file)),
        redis_checks.server(server),
    ]
    if form == "json":
        write(orjson.dumps([check._asdict() for check in done], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        rows = report.grid("Check", "State", "Found", "To do")
        for check in done:
            rows.add_row(check.name, Text(check.state, COLOURS[check.state]), Text(check.detail), Text(check.remedy))
        report.console(sys.stdout).print(rows)
    context.exit(1 if any(check.state == "failed" for check in done) else 0)
