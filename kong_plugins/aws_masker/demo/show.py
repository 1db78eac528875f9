"""Puts the two sides of a conversation beside each other on a terminal of any width, with or without colour."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import re2
from rich.console import Console
from rich.table import Table
from rich.text import Text

QUESTION = ("wrote", "received")
RESULT = ("tool printed", "received")
ANSWER = ("got back", "answered")

_WORD = re2.compile(r"[^\s\"'`(){}\[\],]+")


class Exchange(NamedTuple):
    """One text on its way through the masker, as it was on both sides."""

    kind: tuple[str, str]
    """What the engineer, and what the provider, did with it: one of the constants above."""
    engineers: str
    """With the real values."""
    providers: str
    """With placeholders."""


def show(console: Console, title: str, exchanges: Sequence[Exchange]) -> None:
    """Print `exchanges` line by line: the engineer's side on the left, the provider's on the right."""
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("The engineer", ratio=1, overflow="fold")
    table.add_column("The LLM provider", ratio=1, overflow="fold")
    for exchange in exchanges:
        here, there = _differing(exchange.engineers, exchange.providers)
        left, right = _lines(exchange.engineers, here, "green"), _lines(exchange.providers, there, "yellow")
        table.add_row(*(Text(f"[{what}]", style="dim") for what in exchange.kind))
        for row in itertools.zip_longest(left, right, fillvalue=Text()):
            table.add_row(*row)
        table.add_section()
    console.print(table)


def _lines(text: str, marked: Sequence[str], colour: str) -> list[Text]:
    lines = [Text(line) for line in text.strip("\n").split("\n")]
    for line in lines:
        line.highlight_words(marked, f"bold {colour}")
    return lines


def _differing(left: str, right: str) -> tuple[list[str], list[str]]:
    """Return the words of either text that are not the same in the other one."""
    words = _WORD.findall(left), _WORD.findall(right)
    if len(words[0]) != len(words[1]):
        return [], []
    pairs = dict.fromkeys((here, there) for here, there in zip(*words, strict=True) if here != there)
    return [here for here, _ in pairs], [there for _, there in pairs]
