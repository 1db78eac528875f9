"""The mark in `kong.ctx.shared`: nothing is lost on the way through JSON."""

from __future__ import annotations

import json

import pytest

from kong_plugins.aws_masker.mark import Mark, load, values_of
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.wire.providers import Api


@pytest.mark.parametrize("value", [b"plain", "schl\u00fcssel \U0001f511".encode(), b'"\\\n\x00', b"\xed\xa0\x80"])
def test_it_comes_back_as_it_was(value: bytes) -> None:
    """Also values with what JSON escapes, and with the half of a surrogate pair that a JSON text may hold."""
    mark = Mark("id", Api.OPENAI_CHAT, "consumer:1", True, False, {b"i-1": value}, {"ec2_instance": 2})
    text = mark.dump()
    assert text.isascii()
    assert load(text) == mark


def test_what_other_plugins_read() -> None:
    """The fields that a plugin in another language relies on."""
    mark = Mark("id", Api.ANTHROPIC, "", mapping=values_of({b"i-1": Entry(b"i-2", "ec2_instance")}))
    assert json.loads(mark.dump()) == {
        "v": 1,
        "request": "id",
        "api": "anthropic",
        "tenant": "",
        "stream": False,
        "observed": False,
        "mapping": {"i-1": "i-2"},
        "counts": {},
    }


@pytest.mark.parametrize("text", ["", "7x", "{}", '{"v": 2}'])
def test_what_is_no_mark(text: str) -> None:
    """It is an error, not a mark without a mapping."""
    with pytest.raises((ValueError, KeyError)):
        load(text)
