"""The mark in `kong.ctx.shared`: nothing is lost on the way through JSON."""

from __future__ import annotations

import json

import pytest

from kong_plugins.aws_masker.mark import Mark, load
from kong_plugins.aws_masker.pseudonym.addresses import Network
from kong_plugins.aws_masker.wire.providers import Api


@pytest.mark.parametrize("value", [b"plain", "schl\u00fcssel \U0001f511".encode(), b'"\\\n\x00', b"\xed\xa0\x80"])
def test_it_comes_back_as_it_was(value: bytes) -> None:
    """Also values with what JSON escapes, and with the half of a surrogate pair that a JSON text may hold."""
    networks = [Network("10.1.0.0", 16, "10.2.0.0", "00ff")]
    mark = Mark("id", Api.OPENAI_CHAT, "consumer:1", True, False, 9, {b"i-1": value}, networks, {"ec2_instance": 2})
    text = mark.dump()
    assert text.isascii()
    assert load(text) == mark


def test_what_other_plugins_read() -> None:
    """The fields that a plugin in another language relies on."""
    networks = [Network("10.1.0.0", 16, "10.2.0.0", "00ff")]
    mark = Mark("id", Api.ANTHROPIC, "", limit=7, mapping={b"i-1": b"i-2"}, networks=networks)
    assert json.loads(mark.dump()) == {
        "v": 2,
        "request": "id",
        "api": "anthropic",
        "tenant": "",
        "stream": False,
        "observed": False,
        "limit": 7,
        "mapping": {"i-1": "i-2"},
        "networks": [["10.1.0.0", 16, "10.2.0.0", "00ff"]],
        "counts": {},
    }


@pytest.mark.parametrize("text", ["", "7x", "{}", '{"v": 3}'])
def test_what_is_no_mark(text: str) -> None:
    """It is an error, not a mark without a mapping."""
    with pytest.raises((ValueError, KeyError)):
        load(text)
