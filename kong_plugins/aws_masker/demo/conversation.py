"""A conversation of an engineer with a model, held with the real `anthropic` SDK: streaming, with tool calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from kong_plugins.aws_masker.demo.answers import Answer, Block, Call, Failure, Say
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.demo.show import ANSWER, QUESTION, RESULT, Exchange
from kong_plugins.aws_masker.demo.standin import StandIn

if TYPE_CHECKING:
    from anthropic import Anthropic
    from anthropic.types import Message, MessageParam, ToolParam

_SHELL: ToolParam = {
    "name": "shell",
    "description": "Runs a command on the engineer's machine.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


def converse(client: Anthropic, standin: StandIn, question: str, shell: Callable[[str], str]) -> list[Exchange]:
    """Ask `question` and run the commands that the model asks for, until it has answered.

    Returns what was said, in order, as it was on either side; what the provider had is read from the stand-in itself.
    """
    spoken: list[Answer | Failure] = []
    model = standin.script

    def listened(received: Received) -> Answer | Failure:
        spoken.append(model(received))
        return spoken[-1]

    standin.script = listened
    messages: list[MessageParam] = [{"role": "user", "content": question}]
    exchanges: list[Exchange] = []
    kind, sent = QUESTION, question
    while True:
        answer = _ask(client, messages)
        exchanges.append(Exchange(kind, sent, Received(orjson.loads(standin.requests[-1].body)).latest))
        said = spoken[-1]
        exchanges.append(Exchange(ANSWER, _got(answer), _said(said.blocks if isinstance(said, Answer) else ())))
        results = {block.id: shell(str(block.input["command"])) for block in answer.content if block.type == "tool_use"}
        if not results:
            return exchanges
        kind, sent = RESULT, "\n".join(results.values())
        messages.append({"role": "assistant", "content": answer.content})
        messages.append({"role": "user", "content": [_result(name, output) for name, output in results.items()]})


def _ask(client: Anthropic, messages: list[MessageParam]) -> Message:
    with client.messages.stream(model="stand-in", max_tokens=4096, messages=messages, tools=[_SHELL]) as stream:
        return stream.get_final_message()


def _result(name: str, output: str) -> Any:
    return {"type": "tool_result", "tool_use_id": name, "content": output}


def _got(answer: Message) -> str:
    lines = []
    for block in answer.content:
        if block.type == "text":
            lines.append(block.text)
        elif block.type == "tool_use":
            lines.append(f"$ {block.input['command']}")
    return "\n".join(lines)


def _said(blocks: tuple[Block, ...]) -> str:
    lines = []
    for block in blocks:
        if isinstance(block, Say):
            lines.append(block.text)
        elif isinstance(block, Call):
            lines.append(f"$ {block.input['command']}")
    return "\n".join(lines)
