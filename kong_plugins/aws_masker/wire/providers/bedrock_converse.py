"""Amazon Bedrock: Converse and ConverseStream, one form for the models of all makers.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html has the fields. Blocks have the same
form in requests, answers and stream events, so one rule, `BLOCK`, serves all. Besides what the API made or compares
(ids, types, names of tools, signatures), it keeps what Bedrock itself has to find: guardrails, and files in S3. Those
are addresses in AWS, and no model is shown them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kong_plugins.aws_masker.wire.providers.common import (
    BINARY,
    BLOB,
    ENCODED,
    FREE,
    JSON,
    JSON_PIECE,
    KEEP,
    PIECE,
    SCHEMA,
    Policy,
    kept,
)
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

_PROTOCOL = kept("role", "type", "toolUseId", "signature", "redactedContent")
# Words like `success` or `png` are not listed: masking leaves them alone anyway, and what is not listed cannot leak.

_TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})
_S3 = Rule(fields=kept("uri", "bucketOwner"))


def _document_of(document: dict[str, Any]) -> Rule:
    return TEXT_DOCUMENT if document.get("format") in _TEXT_FORMATS else DOCUMENT


def _reasoning_of(content: dict[str, Any]) -> Rule:
    # Without a signature it is text like any other; models that do not sign theirs exist.
    text = content.get("reasoningText")
    return SIGNED if isinstance(text, dict) and "signature" in text else BLOCK


def _media(contents: Rule) -> Rule:
    source = Rule(fields={"bytes": contents, "s3Location": _S3}, other=BLOCK)
    return Rule(fields={**_PROTOCOL, "source": source}, other=BLOCK)


BLOCK = Rule(fields=_PROTOCOL)
_NAMED = Rule(fields={**_PROTOCOL, **kept("name", "serverName")}, other=BLOCK)
SIGNED = Rule(Leaf.SIGNED, fields=_PROTOCOL)
MEDIA = _media(BINARY)
TEXT_DOCUMENT = _media(ENCODED)
DOCUMENT = _media(BLOB)
BLOCK.fields |= {
    "toolUse": Rule(fields={**_PROTOCOL, "name": KEEP, "input": FREE}, other=BLOCK),
    "json": FREE,  # of a tool's result
    "image": MEDIA,
    "video": MEDIA,
    "audio": MEDIA,
    "document": Rule(pick=_document_of),
    "reasoningContent": Rule(pick=_reasoning_of),
    "tool": _NAMED,  # chosen, added or removed
    "s3Location": _S3,
    "bytes": BLOB,
}

_SPECIFICATION = Rule(
    fields={**_PROTOCOL, "name": KEEP, "inputSchema": Rule(fields={"json": SCHEMA}, other=BLOCK)}, other=BLOCK
)
REQUEST = Rule(
    fields={
        **BLOCK.fields,
        "toolConfig": Rule(
            fields={
                "tools": Rule(fields={"toolSpec": _SPECIFICATION, "systemTool": _NAMED}, other=BLOCK),
            },
            other=BLOCK,
        ),
        "guardrailConfig": Rule(fields=kept("guardrailIdentifier", "guardrailVersion"), other=BLOCK),
        "outputConfig": Rule(
            fields={
                "textFormat": Rule(
                    fields={
                        "structure": Rule(
                            fields={"jsonSchema": Rule(fields={"name": KEEP, "schema": JSON}, other=BLOCK)},
                            other=BLOCK,
                        ),
                    },
                    other=BLOCK,
                ),
            },
            other=BLOCK,
        ),
        "additionalModelRequestFields": FREE,
        "additionalModelResponseFieldPaths": KEEP,
        "requestMetadata": FREE,
    },
    other=BLOCK,
)
RESPONSE = Rule(fields={**BLOCK.fields, "additionalModelResponseFields": FREE}, other=BLOCK)

_DELTA = Rule(
    fields={
        "toolUse": Rule(fields={"input": JSON_PIECE}, other=PIECE),
        "reasoningContent": Rule(Leaf.KEEP),  # of a block that may be signed
        "toolResult": Rule(fields={"json": FREE, "text": PIECE}, other=BLOCK),
        "citation": BLOCK,
        "image": MEDIA,
    },
    other=PIECE,
)
EVENT = Rule(fields={**RESPONSE.fields, "p": KEEP, "delta": _DELTA}, other=BLOCK, scope=("contentBlockIndex",))


def ended(event: Mapping[str, Any], blocks: Collection[Scope]) -> Collection[Scope]:
    """Return the blocks that end with `event`; their names begin with their index.

    What kind of event it is stands beside it in the stream, but its fields tell it too.
    """
    if "stopReason" in event or "usage" in event:
        return blocks
    if "contentBlockIndex" in event and "delta" not in event:
        return [block for block in blocks if block[0] == event["contentBlockIndex"]]
    return ()


POLICY = Policy(REQUEST, RESPONSE, EVENT, ended)
