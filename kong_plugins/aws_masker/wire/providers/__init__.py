"""Which API a request is for, where that API has its texts, and how it words an error."""

from __future__ import annotations

from enum import Enum

import orjson
import re2

from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.wire.providers import (
    anthropic,
    bedrock_converse,
    bedrock_invoke,
    openai_chat,
    openai_responses,
)
from kong_plugins.aws_masker.wire.providers.common import FREE, Policy, none_ended


class Api(Enum):
    """The APIs whose bodies are understood; of any other, all JSON is taken for free-form data."""

    ANTHROPIC = "anthropic"
    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    BEDROCK_INVOKE = "bedrock-invoke"
    BEDROCK_CONVERSE = "bedrock-converse"
    OTHER = "other"


BEDROCK = frozenset({Api.BEDROCK_INVOKE, Api.BEDROCK_CONVERSE})
"""Whose streams are no server-sent events, and whose paths say that one is asked for."""


_POLICIES = {
    Api.ANTHROPIC: anthropic.POLICY,
    Api.OPENAI_CHAT: openai_chat.POLICY,
    Api.OPENAI_RESPONSES: openai_responses.POLICY,
    Api.BEDROCK_INVOKE: bedrock_invoke.POLICY,
    Api.BEDROCK_CONVERSE: bedrock_converse.POLICY,
    Api.OTHER: Policy(FREE, FREE, FREE, none_ended),
}

_ENDINGS = {
    "/v1/complete": Api.ANTHROPIC,
    "/chat/completions": Api.OPENAI_CHAT,
    "/completions": Api.OPENAI_CHAT,
    "/embeddings": Api.OPENAI_CHAT,
    "/moderations": Api.OPENAI_CHAT,
    "/responses": Api.OPENAI_RESPONSES,
}

_FOLDERS = {
    "/v1/messages/": Api.ANTHROPIC,
    "/v1/chat/completions/": Api.OPENAI_CHAT,
    "/v1/responses/": Api.OPENAI_RESPONSES,
}

_MODEL = "/model/"
_MODEL_ENDINGS = {
    "/invoke": Api.BEDROCK_INVOKE,
    "/invoke-with-response-stream": Api.BEDROCK_INVOKE,
    "/count-tokens": Api.BEDROCK_INVOKE,
    "/converse": Api.BEDROCK_CONVERSE,
    "/converse-stream": Api.BEDROCK_CONVERSE,
}
"""Endings of paths that have `_MODEL` and a model's id or ARN before them."""


def api_of(path: str) -> Api:
    """Return the API that `path` (without the query; any prefix before it) belongs to.

    The method makes no difference: what an API answers to a GET has the form of what it answers to a POST.
    """
    path = path.rstrip("/")
    for folder, api in _FOLDERS.items():
        if folder in path + "/":
            return api
    if _MODEL in path:
        found = next((api for ending, api in _MODEL_ENDINGS.items() if path.endswith(ending)), None)
        if found is not None:
            return found
    return next((api for ending, api in _ENDINGS.items() if path.endswith(ending)), Api.OTHER)


_STATE = re2.compile(
    rb'"(?:previous_response_id|conversation|container|file_id|input_file_id|vector_store_ids|prompt)"\s*:\s*["{\[]'
)


def refers_to_state(body: bytes) -> bool:
    """Tell whether a request may refer to earlier ones, or files, that the provider keeps: a false yes costs little."""
    return _STATE.search(body) is not None


def policy_of(api: Api) -> Policy:
    """Return where `api` has its texts."""
    return _POLICIES[api]


# The provider's own names of errors: https://docs.anthropic.com/en/api/errors,
# https://platform.openai.com/docs/guides/error-codes and
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
_ANTHROPIC_TYPES = {413: "request_too_large", 415: "invalid_request_error", 422: "invalid_request_error"}
_TIMEOUT = 504


def error_body(api: Api, error: MaskerError) -> bytes:
    """Return the JSON body of an error of our own, in the shape of the API that the client speaks.

    Our code leads the message, as clients show little else. An unknown API gets Anthropic's shape: `error.message` is
    where both it and OpenAI have the wording.
    """
    message = f"{error.code}: {error}"
    if api in BEDROCK:
        return orjson.dumps({"message": message})
    if api in (Api.OPENAI_CHAT, Api.OPENAI_RESPONSES):
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": error.code}})
    kind = "timeout_error" if error.status == _TIMEOUT else _ANTHROPIC_TYPES.get(error.status, "api_error")
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})


_BEDROCK_TYPES = {500: "InternalServerException", 504: "ModelTimeoutException"}


def error_headers(api: Api, error: MaskerError) -> dict[str, str]:
    """Return the headers of an error of our own: Bedrock's clients find its type there."""
    headers = {"Content-Type": "application/json"}
    if api in BEDROCK:
        unavailable = "ValidationException" if error.status < 500 else "ServiceUnavailableException"
        headers["X-Amzn-ErrorType"] = _BEDROCK_TYPES.get(error.status, unavailable)
    return headers
