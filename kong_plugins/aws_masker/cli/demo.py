"""`aws-masker demo`: a conversation through the proxy, shown from all three sides."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Show what the engineer wrote, what the provider received, and what the engineer got back.

    Everything runs on this machine: a stand-in LLM API, the proxy, and a real SDK that streams.
    """
    from kong_plugins.aws_masker.demo import run  # noqa: PLC0415  loads an SDK, which no other command needs

    run.run()
