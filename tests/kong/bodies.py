"""Requests with planted values, and what an answer of the stand-in's says."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from tests.e2e.project import Planted

HEADERS = {"content-type": "application/json", "x-api-key": "anything", "anthropic-version": "2023-06-01"}
_FILLER = "The change is small: the retry is now done by the client, so the loop in the handler can go. "


def everything(planted: Planted) -> str:
    """Return a text with all planted values."""
    return f"{planted.terraform}\n{planted.state}\n{planted.log}"


def messages(text: str, **more: Any) -> bytes:
    """Return an Anthropic request."""
    return orjson.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}], **more})


def question(planted: Planted, size: int = 0, **more: Any) -> bytes:
    """Return an Anthropic request of about `size` bytes with all planted values, some at its end."""
    filler = _FILLER * max(0, (size - 2500) // len(_FILLER))
    return messages(f"{everything(planted)}{filler}{planted.log}", **more)


def said(answer: httpx2.Response) -> str:
    """Return the text of an Anthropic answer."""
    assert answer.status_code == 200, answer.status_code
    text: str = answer.json()["content"][0]["text"]
    return text
