"""The `aws-masker` command: a group, one module for each of its commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.cli.edge import edge

COMMANDS = ("proxy", "demo", "mask", "restore", "scan", "detectors", "doctor", "vault", "events", "dashboard")

EPILOG = """
\b
Examples:
  aws-masker demo                            see it work, nothing to set up
  aws-masker proxy --upstream https://api.anthropic.com
  ANTHROPIC_BASE_URL=http://127.0.0.1:8082 claude
  terraform plan | aws-masker mask
  aws-masker scan .
"""


class _Commands(click.Group):
    """Loads a command's module when it is asked for: `scan` needs no HTTP server, and a hook must start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they are of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command `cmd_name` of the module with that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"{__package__}.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, whatever happens to it."""
        with edge():
            return super().invoke(ctx)


@click.group(
    cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="aws-masker", message="%(prog)s %(version)s")
def main() -> None:
    """Mask AWS identifiers and secrets on their way to an LLM API, and restore them on the way back."""
