"""`aws-masker dashboard`: what the gateway and the proxies do, in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kong_plugins.aws_masker.cli.options import address, config_option, server_options
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.dashboard.server import serve
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.keys import VARIABLE, load_key
from kong_plugins.aws_masker.observe.logs import LogFormat
from kong_plugins.aws_masker.proxy.server import Tls
from kong_plugins.aws_masker.vault.address import address_of

PASSWORD = "AWS_MASKER_DASHBOARD_PASSWORD"  # noqa: S105 - the name of a variable

EPILOG = """
\b
Examples:
  export AWS_MASKER_DASHBOARD_PASSWORD="$(openssl rand -base64 24)"
  aws-masker dashboard --source http://127.0.0.1:8082/.aws-masker/metrics
  REDIS_HOST=redis aws-masker dashboard --password-file secret.txt --source http://kong:9105/metrics
"""


@click.command(short_help="Show what happens in a browser.", epilog=EPILOG)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8083",
    show_default=True,
    callback=lambda _context, _parameter, value: address(value),
    help="Where the dashboard listens; an IPv6 address in brackets.",
)
@click.option(
    "--source",
    "sources",
    metavar="URL",
    multiple=True,
    help="A page of metrics, as Prometheus is given it: of a proxy (ends in /.aws-masker/metrics) or of Kong's plugin"
    " server (/metrics). May be given several times.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Holds the password, 12 characters at least. AWS_MASKER_DASHBOARD_PASSWORD goes before it.",
)
@config_option
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The playground's key. AWS_MASKER_KEY goes before it; without both it makes one for itself.",
)
@server_options
def dashboard(  # noqa: PLR0913  one for each option
    *,
    listen: tuple[str, int],
    sources: tuple[str, ...],
    password_file: Path | None,
    config: Path | None,
    key_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    log_format: LogFormat,
) -> None:
    """Serve a page with requests, values by family, times, health, the latest events, and a playground.

    Events and the audit trail are read from Redis, if the settings or REDIS_HOST say where that is; metrics and health
    from every --source. All is kept in memory only, for six hours at most. Nobody gets in without the password.
    """
    settings = load_settings(config)
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)
    has_key = key_file is not None or bool(os.environ.get(VARIABLE, "").strip())
    serve(
        *listen,
        _password(password_file),
        settings,
        load_key(os.environ, key_file) if has_key else None,
        sources=sources,
        redis=address_of(settings, os.environ),
        tls=tls,
        log_format=log_format,
        ready=lambda host, port: click.echo(
            f"Dashboard on {'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"
        ),
    )


def _password(file: Path | None) -> str:
    """Return the password. Raises ConfigError if there is none."""
    given = os.environ.get(PASSWORD, "")
    if not given and file is None:
        raise ConfigError(f"the dashboard needs a password: set {PASSWORD}, or give --password-file")
    if given or file is None:
        return given
    try:
        return file.read_text(encoding="utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError("password file: not UTF-8") from None
