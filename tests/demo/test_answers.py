"""How the stand-in's answers are cut and chosen."""

from __future__ import annotations

import json

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking, pieces, turns
from kong_plugins.aws_masker.demo.received import Received

USER = {"role": "user", "content": "hi"}
MODEL = {"role": "assistant", "content": "hello"}


def test_pieces_lose_nothing_and_cut_every_placeholder() -> None:
    """The pieces add up to the text, and none is as long as the shortest placeholder, 12 digits."""
    text = "Ünicode 839172640518 " * 20
    cut = list(pieces(text))
    assert "".join(cut) == text
    assert max(map(len, cut)) < 12


def test_turns_go_by_the_request() -> None:
    """The same request gets the same answer, however often it is sent; after the last script the last one stays."""
    one, two = Answer((Say("one"),)), Answer((Say("two"),))
    script = turns(lambda _: one, lambda _: two)
    first, second = Received({"messages": [USER]}), Received({"messages": [USER, MODEL, USER]})
    later = Received({"messages": [USER, MODEL, USER, MODEL, USER]})
    assert [script(received) for received in (first, first, second, later)] == [one, one, two, two]


def test_signatures_tell_thoughts_apart() -> None:
    """A changed thought no longer fits its signature."""
    assert Thinking("a").signature == Thinking("a").signature
    assert Thinking("a").signature != Thinking("b").signature


def test_arguments_are_json() -> None:
    """A call's arguments are the JSON text of its input, letters beyond ASCII as they are."""
    call = Call("Bash", {"command": 'echo "ü"\n'})
    assert json.loads(call.arguments) == call.input
    assert "ü" in call.arguments
