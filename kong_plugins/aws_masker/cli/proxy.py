"""`aws-masker proxy`: the HTTP proxy on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kong_plugins.aws_masker.cli.options import config_option, key_options, listen_option, server_options
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.keys import load_key
from kong_plugins.aws_masker.observe.logs import LogFormat
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import observer_of
from kong_plugins.aws_masker.proxy.server import Tls, serve
from kong_plugins.aws_masker.proxy.upstream import READ_TIMEOUT
from kong_plugins.aws_masker.vault.choice import vault_of

EPILOG = """
\b
Examples:
  aws-masker proxy --upstream https://api.anthropic.com
  AWS_MASKER_KEY=... aws-masker proxy --kong http://kong:8000
  ANTHROPIC_BASE_URL=http://127.0.0.1:8082 claude
"""


@click.command(short_help="Run the proxy for Claude Code and other clients.", epilog=EPILOG)
@listen_option
@click.option("--upstream", metavar="URL", help="The API to forward to, such as https://api.openai.com.")
@click.option("--kong", metavar="URL", help="Instead of an API: a Kong with the plugins, which masks. Needs its key.")
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
@server_options
def proxy(  # noqa: PLR0913  one for each option
    *,
    listen: tuple[str, int],
    upstream: str | None,
    kong: str | None,
    config: Path | None,
    key_file: Path | None,
    tenant_header: str | None,
    read_timeout: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    log_format: LogFormat,
) -> None:
    """Run the proxy: requests go out masked, answers come back restored.

    With --kong, Kong does both, and nobody but the masker in it can read what the proxy sends there.

    Headers and credentials go through as they came. Whoever reaches the address gets placeholders turned back, so
    listen where only their owners can. A first SIGINT or SIGTERM lets running requests end.
    """
    target = upstream if kong is None else kong
    if target is None or None not in (upstream, kong):
        raise click.UsageError("one of --upstream and --kong is needed")
    if kong is not None and tenant_header is not None:
        raise click.UsageError("--tenant-header: with --kong, Kong's consumers are the tenants")
    settings = load_settings(config)
    key = load_key(os.environ, key_file, create=kong is None)  # a fresh one would not be Kong's
    tls = _tls(tls_cert, tls_key)
    serve(
        *listen,
        target,
        settings,
        key,
        masks=kong is None,
        vault=vault_of(settings, os.environ, key) if kong is None else None,
        observer=observer_of(settings, os.environ, Metrics()) if kong is None else None,
        tls=tls,
        tenant_header=tenant_header,
        read_timeout=read_timeout,
        log_format=log_format,
        ready=lambda host, port: click.echo(
            f"Listening on {'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}, "
            + (f"masking for {target}" if kong is None else f"in front of Kong at {target}")
        ),
    )


def _tls(certificate: Path | None, key: Path | None) -> Tls | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return Tls(certificate, key)
