"""The stand-in's default model: it talks about, and works with, the identifiers that it finds in what it received."""

from __future__ import annotations

import itertools

import re2

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Script, Thinking, turns
from kong_plugins.aws_masker.demo.received import Received

_INSTANCE = re2.compile(r"\bi-(?:[0-9a-f]{17}|[0-9a-f]{8})\b")
_WORD = re2.compile(r"[A-Za-z0-9][A-Za-z0-9+=@:/._-]{4,}[A-Za-z0-9/=]")
_BASH = frozenset({"Bash", "bash", "shell"})


def identifiers(text: str, limit: int = 40) -> list[str]:
    """Return the words of `text` that look like identifiers, each once, in order: they have a digit, or are quoted."""
    found = {
        match.group(): None
        for match in _WORD.finditer(text)
        if any(character.isdigit() for character in match.group()) or text[match.start() - 1 : match.start()] == '"'
    }
    return list(itertools.islice(found, limit))


def _answer(received: Received) -> Answer:
    """Look into the first instance with the shell, if there are both; else sum up."""
    instance = _INSTANCE.search(received.latest)
    shell = sorted(received.tools & _BASH)
    if not instance or not shell or received.turn > 0:
        return _summary(received)
    command = f"aws ec2 describe-instances --instance-ids {instance.group()}"
    return Answer(
        (
            Thinking(f"The user asks about {instance.group()}. I should look at it first."),
            Say(f"I'll look at {instance.group()} first."),
            Call(shell[0], {"command": command, "description": "Describe the instance"}),
        )
    )


def _summary(received: Received) -> Answer:
    lines = [f"- `{identifier}`" for identifier in identifiers(received.latest)]
    return Answer((Say("\n".join(["Here is what I found:", *lines])),))


script: Script = turns(_answer)


def parrot(received: Received) -> Answer:
    """Answer with exactly what was said last."""
    return Answer((Say(received.latest),))
