"""The default model works with what it received."""

from __future__ import annotations

from kong_plugins.aws_masker.demo import echo
from kong_plugins.aws_masker.demo.answers import Answer, Call
from kong_plugins.aws_masker.demo.received import Received

INSTANCE = "i-0f3c9a71be5d24806"
BASH = [{"name": "Bash", "input_schema": {}}]


def _answer(*messages: str, tools: bool) -> Answer:
    roles = ["user", "assistant"] * len(messages)
    body = {"messages": [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]}
    answer = echo.script(Received(body | {"tools": BASH if tools else []}))
    assert isinstance(answer, Answer)
    return answer


def test_it_calls_the_shell_with_the_instance_that_it_saw() -> None:
    """A tool call's arguments hold an identifier of the request, letter by letter."""
    answer = _answer(f"Why is {INSTANCE} slow?", tools=True)
    command = f"aws ec2 describe-instances --instance-ids {INSTANCE}"
    assert [call.input["command"] for call in answer.calls] == [command]
    assert INSTANCE in answer.text


def test_it_repeats_the_identifiers_that_it_saw() -> None:
    """Without a shell, or once it has looked, it lists what it found: words with digits and quoted names."""
    text = f'{INSTANCE} in vpc-0c5a9e17d3b84f620, bucket = "ledger-of-acme", 10.42.17.23'
    for answer in (_answer(text, tools=False), _answer("a", "b", text, tools=True)):
        assert not any(isinstance(block, Call) for block in answer.blocks)
        for identifier in (INSTANCE, "vpc-0c5a9e17d3b84f620", "ledger-of-acme", "10.42.17.23"):
            assert f"`{identifier}`" in answer.text
        assert "`bucket`" not in answer.text


def test_the_parrot_repeats_everything() -> None:
    """It answers with the very text."""
    answer = echo.parrot(Received({"messages": [{"role": "user", "content": " all\nof it "}]}))
    assert answer.text == " all\nof it "
