"""A small agent on each SDK: it asks, runs the tools it is asked to, and goes on until the model has answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking
from kong_plugins.aws_masker.demo.received import Received
from tests.e2e.project import Planted

Shell = Callable[[str], str]
TOOL = "shell"
_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "what to run"}},
    "required": ["command"],
}


@dataclass
class Outcome:
    """What the engineer's side got."""

    text: str = ""
    """The last answer."""
    streamed: str = ""
    """The last answer, put together from the deltas as they came; empty if nothing was streamed."""
    commands: list[str] = field(default_factory=list)
    """What the tool was asked to run."""
    conversation: list[Any] = field(default_factory=list)


@contextmanager
def anthropic_client(url: str) -> Iterator[anthropic.Anthropic]:
    """An unmodified SDK that finds the API at `url`."""
    with anthropic.Anthropic(base_url=url, api_key="anything", max_retries=0) as client:
        yield client


@contextmanager
def openai_client(url: str) -> Iterator[openai.OpenAI]:
    """An unmodified SDK that finds the API at `url`."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="anything", max_retries=0) as client:
        yield client


def by_messages(
    url: str,
    question: str,
    shell: Shell,
    *,
    stream: bool,
    client_of: Callable[[str], AbstractContextManager[Any]] = anthropic_client,
) -> Outcome:
    """Anthropic Messages."""
    outcome = Outcome(conversation=[{"role": "user", "content": question}])
    tool = {"name": TOOL, "description": "Runs a command.", "input_schema": _PARAMETERS}
    with client_of(url) as client:
        while True:
            asked: Any = {"model": "m", "max_tokens": 4096, "messages": outcome.conversation, "tools": [tool]}
            if stream:
                with client.messages.stream(**asked) as events:
                    outcome.streamed = "".join(events.text_stream)
                    answer: Any = events.get_final_message()
            else:
                answer = client.messages.create(**asked)
            outcome.text = "".join(block.text for block in answer.content if block.type == "text")
            results = []
            for block in answer.content:
                if block.type == "tool_use":
                    outcome.commands.append(block.input["command"])
                    output = shell(outcome.commands[-1])
                    results.append({"type": "tool_result", "tool_use_id": block.id, "content": output})
            if not results:
                return outcome
            outcome.conversation.append({"role": "assistant", "content": answer.content})
            outcome.conversation.append({"role": "user", "content": results})


def by_chat(url: str, question: str, shell: Shell, *, stream: bool) -> Outcome:
    """OpenAI Chat Completions."""
    outcome = Outcome(conversation=[{"role": "user", "content": question}])
    tool = {"type": "function", "function": {"name": TOOL, "description": "Runs a command.", "parameters": _PARAMETERS}}
    with openai_client(url) as client:
        while True:
            asked: Any = {"model": "m", "messages": outcome.conversation, "tools": [tool]}
            if stream:
                with client.chat.completions.stream(**asked) as events:
                    outcome.streamed = "".join(event.delta for event in events if event.type == "content.delta")
                    message: Any = events.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**asked).choices[0].message
            outcome.text = message.content or ""
            outcome.conversation.append(message.to_dict())
            if not message.tool_calls:
                return outcome
            for call in message.tool_calls:
                outcome.commands.append(_command(call.function.arguments))
                output = shell(outcome.commands[-1])
                outcome.conversation.append({"role": "tool", "tool_call_id": call.id, "content": output})


def by_responses(url: str, question: str, shell: Shell, *, stream: bool, chained: bool = False) -> Outcome:
    """OpenAI Responses; if `chained`, the API keeps the history and gets only what is new."""
    outcome = Outcome(conversation=[{"role": "user", "content": question}])
    tool = {"type": "function", "name": TOOL, "description": "Runs a command.", "parameters": _PARAMETERS}
    chain: dict[str, str] = {}
    with openai_client(url) as client:
        while True:
            asked: Any = {"model": "m", "input": outcome.conversation, "tools": [tool], **chain}
            if stream:
                with client.responses.stream(**asked) as events:
                    outcome.streamed = "".join(
                        event.delta for event in events if event.type == "response.output_text.delta"
                    )
                    answer: Any = events.get_final_response()
            else:
                answer = client.responses.create(**asked)
            outcome.text = answer.output_text
            results = []
            for item in answer.output:
                if item.type == "function_call":
                    outcome.commands.append(_command(item.arguments))
                    output = shell(outcome.commands[-1])
                    results.append({"type": "function_call_output", "call_id": item.call_id, "output": output})
            if not results:
                return outcome
            if chained:
                chain = {"previous_response_id": answer.id}
                outcome.conversation = results
            else:
                outcome.conversation += [item.to_dict() for item in answer.output] + results


def _command(arguments: str) -> str:
    command: str = json.loads(arguments)["command"]
    return command


AGENTS: dict[str, Callable[..., Outcome]] = {"messages": by_messages, "chat": by_chat, "responses": by_responses}
"""By the name of the API."""


def ask_for_files(received: Received) -> Answer:
    """The model wants to see three files, named after the value it was asked about."""
    instance = received.text.split()[-1]
    calls = [Call(TOOL, {"command": f"cat {name}"}) for name in (f"{instance}.tf", "state", f"{instance}.log")]
    return Answer((Thinking(f"{instance}?"), Say(f"I need the files of {instance}."), *calls), interleaved=True)


def tell(received: Received) -> Answer:
    """The model repeats all that it was shown."""
    return Answer((Say(f"I know: {received.text}"),))


def looked_through(agent: Callable[..., Outcome], url: str, planted: Planted, *, stream: bool) -> Outcome:
    """Let an agent look at the planted instance; its tools were asked for the real files, and it was told of them."""
    files = {
        f"cat {planted.instance}.tf": planted.terraform,
        "cat state": planted.state,
        f"cat {planted.instance}.log": planted.log,
    }
    outcome = agent(url, f"Look at {planted.instance}", files.__getitem__, stream=stream)
    assert sorted(outcome.commands) == sorted(files)
    assert all(content in outcome.text for content in files.values())
    return outcome
