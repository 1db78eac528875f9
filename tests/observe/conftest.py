"""A real Redis, and who listens to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kong_plugins.aws_masker.observe.events import CHANNELS
from tests.vault.servers import Server, wait_for

Message = tuple[str, dict[str, Any]]


class Listener:
    """Hears what is published on all channels."""

    def __init__(self, client: Any) -> None:
        self._subscription = client.pubsub()
        self._subscription.subscribe(*CHANNELS)
        self._messages: list[Message] = []
        self.raw = b""
        """All that was said, as it was."""
        wait_for(lambda: len(client.pubsub_channels("aws-masker:*")) == len(CHANNELS), "the subscription")

    def messages(self, count: int, *channels: str) -> list[Message]:
        """Return what was said on `channels` (all by default), as soon as that is `count` messages."""
        wait_for(lambda: len(self._heard(channels)) >= count, f"{count} messages")
        return self._on(channels)

    def _on(self, channels: tuple[str, ...]) -> list[Message]:
        return [message for message in self._messages if not channels or message[0] in channels]

    def _heard(self, channels: tuple[str, ...]) -> list[Message]:
        while (message := self._subscription.get_message(timeout=0.02)) is not None:
            if message["type"] == "message":
                self.raw += message["data"]
                self._messages.append((message["channel"].decode(), json.loads(message["data"])))
        return self._on(channels)


Listen = Callable[[Server], "Any"]


@contextmanager
def listening(server: Server) -> Iterator[Listener]:
    """Hear what is published on `server`."""
    with server.client() as client:
        yield Listener(client)


@pytest.fixture
def listener(redis: Server) -> Iterator[Listener]:
    """Who hears all events."""
    with listening(redis) as one:
        yield one


@pytest.fixture
def anyio_backend() -> str:
    """The proxy runs on asyncio, as uvicorn does."""
    return "asyncio"
