"""`aws-masker proxy`: the HTTP proxy on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kong_plugins.aws_masker.cli.options import config_option, key_options, listen_option
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.keys import load_key
from kong_plugins.aws_masker.observe.logs import LogFormat
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import observer_of
from kong_plugins.aws_masker.proxy.server import serve
from kong_plugins.aws_masker.proxy.upstream import READ_TIMEOUT
from kong_plugins.aws_masker.vault.choice import vault_of

EPILOG = """
\b
Examples:
  aws-masker proxy --upstream https://api.anthropic.com
  ANTHROPIC_BASE_URL=http://127.0.0.1:8082 claude
"""


@click.command(short_help="Run the proxy for Claude Code and other clients.", epilog=EPILOG)
@listen_option
@click.option("--upstream", required=True, metavar="URL", help="The API to forward to, such as https://api.openai.com.")
@config_option
@key_options
@click.option("--tenant-header", metavar="NAME", help="Request header that tells tenants apart; not sent upstream.")
@click.option(
    "--read-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=READ_TIMEOUT,
    show_default=True,
    help="How long to wait for each next piece of an answer.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "console"]),
    default="auto",
    show_default=True,
    help="auto: for people on a terminal, else JSON.",
)
def proxy(  # noqa: PLR0913  one for each option
    *,
    listen: tuple[str, int],
    upstream: str,
    config: Path | None,
    key_file: Path | None,
    tenant_header: str | None,
    read_timeout: float,
    log_format: LogFormat,
) -> None:
    """Run the proxy: requests go out masked, answers come back restored.

    Headers and credentials go through as they came. Whoever reaches the address gets placeholders turned back, so
    listen where only their owners can. A first SIGINT or SIGTERM lets running requests end.
    """
    host, port = listen
    settings = load_settings(config)
    key = load_key(os.environ, key_file, create=True)
    serve(
        host,
        port,
        upstream,
        settings,
        key,
        vault=vault_of(settings, os.environ, key),
        observer=observer_of(settings, os.environ, Metrics()),
        tenant_header=tenant_header,
        read_timeout=read_timeout,
        log_format=log_format,
        ready=lambda address, bound: click.echo(_ready(address, bound, upstream)),
    )


def _ready(host: str, port: int, upstream: str) -> str:
    """Return the line that tells people and scripts where the proxy is."""
    return f"Listening on http://{f'[{host}]' if ':' in host else host}:{port}, masking for {upstream}"
