"""What the playground says is what the masker does, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kong_plugins.aws_masker.dashboard.playground import LARGEST, Playground
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from tests.cli.conftest import PLANTED, TEXT
from tests.dashboard.conftest import KEY, Open, Site, Visitor
from tests.vault.servers import Server

Visit = Callable[[Site], Visitor]


def joined(pieces: list[list[str]]) -> str:
    return "".join(text for text, _ in pieces)


def test_masked_and_restored(open_site: Open, visit: Visit, redis: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """The pieces make up what the masker gives, with each value under its family; Redis and the log know nothing."""
    visitor = visit(open_site(redis))
    token = visitor.client.get("/").text.split('name="csrf-token" content="')[1].split('"')[0]
    answer = visitor.client.post("/playground", content=TEXT.encode(), headers={"x-csrf-token": token})
    told = answer.json()
    (masked,) = Masker(Settings(), KEY).session().mask([Text(TEXT.encode())])
    assert masked is not None and joined(told["masked"]) == masked.decode()
    assert (joined(told["restored"]), told["same"], told["own_key"]) == (TEXT, True, False)
    assert {family: value for value, family in told["restored"] if family} == PLANTED
    assert [family for _, family in told["masked"]] == [family for _, family in told["restored"]]
    assert {entry["family"]: entry["value"] for entry in told["mapping"]} == PLANTED
    assert not any(value in joined(told["masked"]) for value in PLANTED.values())
    kept = redis.dump() + "".join(capfd.readouterr()).encode() + str(vars(visitor.client.cookies)).encode()
    assert not any(value.encode() in kept for value in PLANTED.values())
    assert answer.headers["cache-control"] == "no-store"


def test_a_key_of_its_own() -> None:
    """Without a key two playgrounds give different placeholders, with one the same."""
    shown = [Playground(Settings(), key).show(TEXT.encode())["masked"] for key in (None, None, KEY, KEY)]
    assert shown[0] != shown[1]
    assert shown[2] == shown[3]


@pytest.mark.parametrize("text", [b"", b"nothing to find", b"\xff\xfe\x00 not UTF-8", "Grüße 你好".encode()])
def test_texts_without_values(text: bytes) -> None:
    """Stay as they are."""
    told = Playground(Settings(), KEY).show(text)
    assert joined(told["masked"]) == joined(told["restored"]) == text.decode("utf-8", "replace")
    assert (told["same"], told["mapping"], told["counts"]) == (True, [], {})


def test_a_masked_text() -> None:
    """Placeholders in the text stay, and are not coloured as values."""
    ground = Playground(Settings(), KEY)
    masked = joined(ground.show(TEXT.encode())["masked"])
    again = ground.show(masked.encode())
    assert joined(again["masked"]) == masked
    assert again["mapping"] == []


def test_a_large_text(open_site: Open, visit: Visit) -> None:
    """Up to a bound, and not over it."""
    visitor = visit(open_site())
    token = visitor.client.get("/").text.split('name="csrf-token" content="')[1].split('"')[0]
    for size, status in ((LARGEST, 200), (LARGEST + 1, 413)):
        answer = visitor.client.post("/playground", content=b"x" * size, headers={"x-csrf-token": token})
        assert answer.status_code == status
