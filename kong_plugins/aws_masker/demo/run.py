"""`aws-masker demo`: a conversation through the masker, as the engineer and as the provider had it, checked."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from kong_plugins.aws_masker.demo import echo, scene
from kong_plugins.aws_masker.demo.answers import Script
from kong_plugins.aws_masker.demo.conversation import converse
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.show import ANSWER, show
from kong_plugins.aws_masker.demo.standin import StandIn
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings

if TYPE_CHECKING:
    from anthropic import Anthropic


def run(text: str | None = None, console: Console | None = None, settings: Settings | None = None) -> int:
    """Hold a conversation through the masker and show both sides of it; or show what becomes of `text`.

    Everything runs in this process, on free loopback ports, with a key made on the spot and the default settings unless
    others are given. Returns the exit status: 0 if no planted value reached the provider and all came back, else 1.

    Raises:
        ConfigError: the optional dependencies of the demo are not installed.
    """
    console, settings = console or Console(), settings or Settings()
    return _show_story(console, settings) if text is None else _show_text(console, settings, text)


def _show_story(console: Console, settings: Settings) -> int:
    with _masked(scene.script, settings) as (client, standin):
        exchanges = converse(client, standin, scene.QUESTION, _shell)
    show(console, "A conversation through aws-masker, in the order it happened", exchanges)
    sent = b"\n".join(request.raw for request in standin.requests)
    returned = "\n".join(exchange.engineers for exchange in exchanges if exchange.kind is ANSWER)
    return _conclude(console, scene.PLANTED, sent, returned)


def _show_text(console: Console, settings: Settings, text: str) -> int:
    with _masked(echo.parrot, settings) as (client, standin):
        exchanges = converse(client, standin, text, _shell)
    show(console, "Your text, there and back", exchanges)
    if exchanges[0].providers == text:
        console.print("Nothing in this text looks like a value of AWS: it went through as it was.")
    if exchanges[-1].engineers != text:
        console.print("FAILED: the text came back changed.", style="bold red")
        return 1
    console.print("OK: the text came back exactly as it was written.", style="bold green")
    return 0


@contextlib.contextmanager
def _masked(script: Script, settings: Settings) -> Iterator[tuple[Anthropic, StandIn]]:
    """Yield an unmodified SDK whose base URL is a proxy, and the stand-in for the API behind that proxy."""
    try:
        import anthropic  # noqa: PLC0415 - an optional dependency, needed here only
    except ImportError:
        raise ConfigError("the demo needs its extra: pip install 'kong-aws-masker[demo]'") from None
    standin = StandIn(script)
    with serving(standin) as upstream:
        proxy = create_app(upstream, settings, secrets.token_bytes(32))
        with serving(proxy) as base_url, anthropic.DefaultHttpxClient(trust_env=False) as http_client:
            client = anthropic.Anthropic(base_url=base_url, api_key="demo", http_client=http_client, max_retries=0)
            yield client, standin


def _shell(command: str) -> str:
    return scene.TOOL_RESULTS.get(command, f"no such resource: {command}")


def _conclude(console: Console, planted: Mapping[str, str], sent: bytes, returned: str) -> int:
    """Print the verdict on the planted values; they are the demo's own inventions, and still only named."""
    leaked = [name for name, value in planted.items() if value.encode() in sent]
    missing = [name for name, value in planted.items() if value not in returned]
    if leaked:
        console.print(f"FAILED: reached the provider: {', '.join(leaked)}.", style="bold red")
    if missing:
        console.print(f"FAILED: did not come back to the engineer: {', '.join(missing)}.", style="bold red")
    if leaked or missing:
        return 1
    console.print(
        f"OK: none of the {len(planted)} planted values is in the {len(sent):,} bytes that the provider received, "
        f"and all {len(planted)} came back to the engineer.",
        style="bold green",
    )
    return 0
