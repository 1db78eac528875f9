"""`aws-masker demo`: a conversation through the proxy, shown from both sides."""

from __future__ import annotations

from typing import TextIO

import click

from kong_plugins.aws_masker.demo import run

EPILOG = """
\b
Examples:
  aws-masker demo
  aws-masker demo main.tf
"""


@click.command(short_help="See it work, with nothing to set up.", epilog=EPILOG)
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"), required=False)
@click.pass_context
def demo(context: click.Context, file: TextIO | None) -> None:
    """Show a conversation as the engineer had it and as the provider received it; or what becomes of the text in FILE.

    Everything runs on this machine: a stand-in LLM API, the proxy with a key made on the spot, and a real SDK that
    streams. Exit status 1 if a value got through or did not come back.
    """
    context.exit(run.run(file.read() if file else None))
