from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest

from kong_plugins.aws_masker import errors
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.wire.providers import BEDROCK, Api, api_of, error_body, error_headers


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/messages", Api.ANTHROPIC),
        ("/claude-proxy/v1/messages/", Api.ANTHROPIC),
        ("/v1/messages/count_tokens", Api.ANTHROPIC),
        ("/v1/messages/batches", Api.ANTHROPIC),
        ("/v1/messages/batches/msgbatch_1/results", Api.ANTHROPIC),
        ("/v1/complete", Api.ANTHROPIC),
        ("/v1/chat/completions", Api.OPENAI_CHAT),
        ("/openai/deployments/x/chat/completions", Api.OPENAI_CHAT),
        ("/v1/completions", Api.OPENAI_CHAT),
        ("/v1/embeddings", Api.OPENAI_CHAT),
        ("/proxy/v1/responses", Api.OPENAI_RESPONSES),
        ("/v1/responses/resp_1/input_items", Api.OPENAI_RESPONSES),
        ("/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke", Api.BEDROCK_INVOKE),
        ("/model/m/invoke-with-response-stream", Api.BEDROCK_INVOKE),
        ("/model/m/count-tokens", Api.BEDROCK_INVOKE),
        ("/model/m/converse", Api.BEDROCK_CONVERSE),
        ("/gateway/bedrock/model/m/converse-stream/", Api.BEDROCK_CONVERSE),
        ("/model/arn:aws:bedrock:eu-west-1:000000000000:inference-profile/eu.m/converse", Api.BEDROCK_CONVERSE),
        ("/chain/invoke", Api.OTHER),
        ("/model/m/chat/completions", Api.OPENAI_CHAT),
        ("/v1/threads/thread_1/messages", Api.OTHER),
        ("/v1/messagesx", Api.OTHER),
        ("/v1/models", Api.OTHER),
        ("/", Api.OTHER),
        ("", Api.OTHER),
    ],
)
def test_the_api_of_a_path(path: str, api: Api) -> None:
    """The end of the path says which API it is, whatever prefix a gateway puts before it."""
    assert api_of(path) is api


def test_an_unknown_api_is_free_form(seen: Callable[[Api, Any], tuple[list[str], list[str]]]) -> None:
    """Where nothing is known of the fields, every key and every string is masked."""
    masked, signed = seen(Api.OTHER, {"id": "a", "type": {"model": ["b"]}})
    assert (masked, signed) == (["id", "a", "type", "model", "b"], [])


def every_error() -> list[type[MaskerError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MaskerError)]


@pytest.mark.parametrize("error", every_error())
def test_errors_as_the_sdks_read_them(error: type[MaskerError]) -> None:
    """Both SDKs raise their own error for ours, with our code and wording in it."""
    for api in Api:
        body = orjson.loads(error_body(api, error("why")))
        assert (body if api in BEDROCK else body["error"])["message"] == f"{error.code}: {error.wording}: why"
        assert error_headers(api, error("why"))["Content-Type"] == "application/json"
    request = httpx2.Request("POST", "http://localhost/")
    bedrock = anthropic.AnthropicBedrock(api_key="x", aws_region="eu-west-1")
    for api, status_error in (
        (Api.BEDROCK_INVOKE, bedrock._make_status_error_from_response),
        (Api.ANTHROPIC, anthropic.Anthropic(api_key="x")._make_status_error_from_response),
        (Api.OPENAI_CHAT, openai.OpenAI(api_key="x")._make_status_error_from_response),
    ):
        content = error_body(api, error("why"))
        raised = status_error(httpx2.Response(error.status, content=content, request=request))
        assert raised.status_code == error.status
        assert f"{error.code}: {error.wording}: why" in str(raised)


def test_types_of_errors() -> None:
    """The type is the one that the provider itself would use."""

    def kind(api: Api, error: MaskerError) -> str:
        return str(orjson.loads(error_body(api, error))["error"]["type"])

    assert kind(Api.ANTHROPIC, errors.BodyTooLarge()) == "request_too_large"
    assert kind(Api.ANTHROPIC, errors.MalformedBody()) == "invalid_request_error"
    assert kind(Api.ANTHROPIC, errors.MaskingFailed()) == "api_error"
    assert kind(Api.OTHER, errors.UpstreamTimedOut()) == "timeout_error"
    assert kind(Api.OPENAI_RESPONSES, errors.BodyTooLarge()) == "invalid_request_error"
    assert kind(Api.OPENAI_CHAT, errors.MaskingFailed()) == "server_error"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.MalformedBody(), "ValidationException"),
        (errors.SignedBody(), "ValidationException"),
        (errors.MaskingFailed(), "ServiceUnavailableException"),
        (errors.RestoreFailed(), "InternalServerException"),
        (errors.UpstreamTimedOut(), "ModelTimeoutException"),
    ],
)
def test_types_of_errors_of_bedrock(error: MaskerError, kind: str) -> None:
    """They stand in a header, where AWS's SDKs look for them (tests/e2e/test_bedrock.py)."""
    for api in BEDROCK:
        assert error_headers(api, error)["X-Amzn-ErrorType"] == kind
    assert "X-Amzn-ErrorType" not in error_headers(Api.ANTHROPIC, error)
