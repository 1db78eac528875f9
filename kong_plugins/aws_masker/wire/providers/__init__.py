"""Which API a request is for, where that API has its texts, and how it words an error."""

from __future__ import annotations

from enum import Enum

import orjson
import re2

from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.wire.providers import anthropic, openai_chat, openai_responses
from kong_plugins.aws_masker.wire.providers.common import FREE, Policy, none_ended


class Api(Enum):
    """The APIs whose bodies are understood; of any other, all JSON is taken for free-form data."""

    ANTHROPIC = "anthropic"
    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    OTHER = "other"


_POLICIES = {
    Api.ANTHROPIC: anthropic.POLICY,
    Api.OPENAI_CHAT: openai_chat.POLICY,
    Api.OPENAI_RESPONSES: openai_responses.POLICY,
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


def api_of(path: str) -> Api:
    """Return the API that `path` (without the query; any prefix before it) belongs to.

    The method makes no difference: what an API answers to a GET has the form of what it answers to a POST.
    """
    path = path.rstrip("/")
    for folder, api in _FOLDERS.items():
        if folder in path + "/":
            return api
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


# The provider's own names of errors: https://docs.anthropic.com/en/api/errors and
# https://platform.openai.com/docs/guides/error-codes
_ANTHROPIC_TYPES = {413: "request_too_large", 415: "invalid_request_error", 422: "invalid_request_error"}
_TIMEOUT = 504


def error_body(api: Api, error: MaskerError) -> bytes:
    """Return the JSON body of an error of our own, in the shape of the API that the client speaks.

    Our code leads the message, as clients show little else. An unknown API gets Anthropic's shape: `error.message` is
    where both it and OpenAI have the wording.
    """
    message = f"{error.code}: {error}"
    if api in (Api.OPENAI_CHAT, Api.OPENAI_RESPONSES):
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": error.code}})
    kind = "timeout_error" if error.status == _TIMEOUT else _ANTHROPIC_TYPES.get(error.status, "api_error")
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})
