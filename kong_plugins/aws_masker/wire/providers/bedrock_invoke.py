"""Amazon Bedrock: InvokeModel and InvokeModelWithResponseStream, in the form of each model's own maker; CountTokens.

Which form that is does not stand in the path, where a model may also be the ARN of a profile of one's own; the bodies
tell. Anthropic's models take Messages, many others OpenAI's Chat Completions, and Amazon's Nova much the same as
Converse. Of any other, all is free-form data; in its streams, the fields that are known to bring a text are pieces.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html lists them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kong_plugins.aws_masker.wire.providers import anthropic, openai_chat
from kong_plugins.aws_masker.wire.providers import bedrock_converse as converse
from kong_plugins.aws_masker.wire.providers.common import FREE, PIECE, Policy
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

_COUNTED = Rule(
    fields={
        "input": Rule(
            fields={"invokeModel": Rule(fields={"body": Rule(Leaf.REQUEST)}), "converse": converse.REQUEST},
        )
    }
)
"""A request of CountTokens: it holds another one, one of InvokeModel as base64."""

_OTHER_EVENT = Rule(Leaf.DATA, fields=dict.fromkeys(("generation", "outputText", "text", "completion"), PIECE))
_CONVERSE_EVENTS = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_NOVA_EVENT = Rule(fields=dict.fromkeys(_CONVERSE_EVENTS, converse.EVENT), other=FREE)
_LAST = ("stop_reason", "stopReason", "completionReason", "finish_reason")


def _request_of(body: dict[str, Any]) -> Rule:
    given = body.get("input")
    if isinstance(given, dict) and given.keys() & {"invokeModel", "converse"}:
        return _COUNTED
    if "anthropic_version" in body:
        return anthropic.REQUEST
    if body.keys() & {"schemaVersion", "inferenceConfig", "toolConfig"} or _has_untyped_blocks(body.get("messages")):
        return converse.REQUEST
    return openai_chat.REQUEST if "messages" in body else FREE


def _has_untyped_blocks(messages: object) -> bool:
    """Return whether a message has blocks without a `type`: those of Chat Completions have one, Converse's never."""
    contents = [one.get("content") for one in messages if isinstance(one, dict)] if isinstance(messages, list) else ()
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return any(isinstance(block, dict) and "type" not in block for block in blocks)


def _response_of(body: dict[str, Any]) -> Rule:
    output = body.get("output")
    if isinstance(output, dict) and "message" in output:
        return converse.RESPONSE
    if "choices" in body:
        return openai_chat.ITEM
    return anthropic.BLOCK if "type" in body else FREE


def _event_of(event: dict[str, Any]) -> Rule:
    if "choices" in event:
        return openai_chat.EVENT
    if "type" in event:
        return anthropic.EVENT
    return _NOVA_EVENT if event.keys() & _CONVERSE_EVENTS else _OTHER_EVENT


def ended(event: Mapping[str, Any], blocks: Collection[Scope]) -> Collection[Scope]:
    """Return the blocks that end with `event`."""
    if "choices" in event:
        return openai_chat.ended(event, blocks)
    if "type" in event:
        return anthropic.ended(event, blocks)
    for name in event.keys() & _CONVERSE_EVENTS:
        inner = event[name]
        return converse.ended(inner, blocks) if isinstance(inner, dict) else ()
    return blocks if any(event.get(name) is not None for name in _LAST) else ()


POLICY = Policy(Rule(pick=_request_of), Rule(pick=_response_of), Rule(pick=_event_of), ended)
