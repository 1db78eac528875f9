"""Requests that aws-masker's proxy sealed: opened, masked, proven to the proxy; what cannot be opened goes nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kong_plugins.aws_masker.seal import Seal
from tests.pluginserver.conftest import Here
from tests.pluginserver.kong import CONFIG, INSTANCE, KEY, Request

VALUE = INSTANCE.encode()
BODY = json.dumps({"messages": [{"role": "user", "content": f"stop {INSTANCE}"}]}).encode()
PLAIN = b'{"messages": [] }'
SALT = bytes(range(16))
HEADER, PROOF = "x-aws-masker-seal", "x-aws-masker-opened"


def sealed(body: bytes, key: str = KEY) -> tuple[Request, Seal]:
    seal = Seal(bytes.fromhex(key), SALT)
    closed = seal.close(body)
    sent = {"content-type": "application/json", HEADER: seal.salt, "accept-encoding": "identity"}
    if closed:
        sent["content-length"] = str(len(closed))
    return Request(body=closed, headers=sent), seal


def accessed(here: Here, request: Request, **config: Any) -> Request:
    connection = here()
    request.run(connection, connection.start({**CONFIG, **config}), "access")
    return request


def test_masked(here: Here) -> None:
    """The upstream gets what it gets without a proxy; neither the seal nor the value; ten calls instead of eight."""
    request, seal = sealed(BODY)
    direct = accessed(here, Request(body=BODY, headers={"content-type": "application/json", "accept-encoding": "gzip"}))
    accessed(here, request)
    assert request.upstream() == direct.upstream()
    assert VALUE not in request.body
    assert HEADER not in request.headers
    assert request.headers["content-length"] == str(len(request.body))
    assert request.early_headers == {PROOF: seal.proof.encode()}
    assert len(request.calls) == 10
    assert len(direct.calls) == 8


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_nothing_to_mask(here: Here, mode: str) -> None:
    """Opened all the same; in mode `observe`, too."""
    request, seal = sealed(PLAIN)
    accessed(here, request, mode=mode)
    assert request.upstream() == PLAIN
    assert request.headers == {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "content-length": str(len(PLAIN)),
    }
    assert request.early_headers == {PROOF: seal.proof.encode()}
    assert request.mark["observed"] is (mode == "observe")


def test_without_a_body(here: Here) -> None:
    """HEAD and GET have nothing to seal, but are proven."""
    request, seal = sealed(b"")
    accessed(here, request)
    assert request.upstream() == b""
    assert HEADER not in request.headers
    assert request.early_headers == {PROOF: seal.proof.encode()}
    assert "kong.service.request.set_raw_body" not in request.calls


def test_refused_by_the_masker(here: Here) -> None:
    """A refusal is the masker's word, so it is proven as well."""
    request, seal = sealed(b"{")
    accessed(here, request)
    assert request.exit is not None
    assert request.exit[0] == 422
    assert request.early_headers == {PROOF: seal.proof.encode()}


@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("wrong", ["key", "body", "plain", "header", "twice"])
def test_it_cannot_be_opened(here: Here, wrong: str, mode: str) -> None:
    """Another key, a body changed or not sealed, a malformed header: nothing goes upstream, and no proof back."""
    request, seal = sealed(BODY, KEY if wrong != "key" else "44556677" * 8)
    if wrong == "body":
        request.body = request.body[:-1] + bytes([request.body[-1] ^ 1])
    elif wrong == "plain":
        request.body, request.headers["content-length"] = BODY, str(len(BODY))
    elif wrong == "header":
        request.headers[HEADER] = "ü" + seal.salt
    elif wrong == "twice":
        request.headers[HEADER] = [seal.salt, seal.salt]
    accessed(here, request, mode=mode)
    assert request.upstream() is None
    assert request.exit is not None
    assert request.exit[0] == 503
    assert b"AWS_MASKER_5002" in request.exit[1]
    assert not request.early_headers
