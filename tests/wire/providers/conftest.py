"""See what a rule makes of a body: which strings would be masked, and which are only counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.providers import Api, policy_of


class Seen(NamedTuple):
    masked: list[str]
    signed: list[str]


@pytest.fixture(scope="session")
def seen() -> Callable[[Api, Any], Seen]:
    def look(api: Api, body: Any) -> Seen:
        documents = Documents()
        documents.add(json.dumps(body).encode(), policy_of(api).request)
        return Seen(
            [text.value.decode() for text in documents.texts], [text.value.decode() for text in documents.signed]
        )

    return look
