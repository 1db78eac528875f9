"""`aws-masker proxy`: the HTTP proxy on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from kong_plugins.aws_masker.cli.options import config_option, key_options, listen_option

EPILOG = """
\b
Examples:
  aws-masker proxy --upstream https://api.anthropic.com
  ANTHROPIC_BASE_URL=http://127.0.0.1:8082 claude
"""


@click.command(short_help="Run the proxy for Claude Code and other clients.", epilog=EPILOG)
@listen_option
@click.option("--upstream", required=True, metavar="URL", help="The API to forward to.")
@config_option
@key_options
def proxy(*, listen: tuple[str, int], upstream: str, config: Path | None, key_file: Path | None) -> None:
    """Run the proxy: requests go out masked, answers come back restored."""
    raise NotImplementedError
