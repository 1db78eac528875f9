"""The judge: it lets through what is right or clear, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from tests.faults.api import Sent
from tests.faults.judge import Got, judge
from tests.faults.plan import Request
from tests.faults.planted import owners, recalled, standing, text_of

_MASKED = "instance i-1 10.9.9.4"


def _request(**fields: object) -> Request:
    plain = {"number": 7, "way": "proxy", "tenant": 2, "api": "messages", "stream": False, "size": 0, "at": 0.5}
    more = {"upstream": "whole", "chunked": True, "foreign": 1, "recall": 1, "leaving": None, "call": None}
    return Request(**{**plain, **more, **fields})  # type: ignore[arg-type]


_TEXT = text_of(2, 7, 0)
_SENT = Sent("whole", _MASKED, [("foreign vpc-1", {"foreign vpc-1"})], b"{}")


def _plain(text: str, status: int = 200) -> Got:
    return Got(status, orjson.dumps({"content": [{"type": "text", "text": text}]}))


def _stream(text: str, *, ended: str = "whole", stop: bool = True) -> Got:
    delta = orjson.dumps({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}})
    return Got(200, b"data: " + delta + b"\n\n" + b'data: {"type":"message_stop"}\n\n' * stop, ended)


def _cut_event() -> Got:
    """A stream that broke off behind the last piece of a placeholder, before the end of its event."""
    whole = _stream(_TEXT[:9] + "i-e8f0ee8442", stop=False)
    rest = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"bc51295\\nstan"}}\n'
    return Got(200, whole.body + rest, "broken")


def _half_address() -> Got:
    """A stream that broke off in the placeholder of the last address, which is longer than the address."""
    return _stream(_TEXT.rpartition(" ")[0] + " 10.172.132.", ended="broken", stop=False)


def _error(body: object, status: int = 503) -> Got:
    return Got(status, orjson.dumps(body))


_CODE = {"type": "error", "error": {"type": "api_error", "message": "AWS_MASKER_2001: masking failed"}}


@pytest.mark.parametrize(
    ("got", "fields", "outcome"),
    [
        (_plain(f"{_TEXT}\nforeign vpc-1"), {}, "right"),
        (_stream(f"{_TEXT}\nforeign vpc-1"), {"stream": True}, "right"),
        (_stream(_TEXT[:60], ended="broken", stop=False), {"stream": True}, "broken off, and known to be"),
        (_cut_event(), {"stream": True}, "broken off, and known to be"),
        (_half_address(), {"stream": True}, "broken off, and known to be"),
        (_plain(f"{_MASKED}\nforeign vpc-1"), {}, "whole, placeholders kept"),
        (_plain(f"{_MASKED.replace('10.9.9.', '10.8.8.')}\nforeign vpc-1"), {}, "whole, placeholders kept"),
        (_error(_CODE), {}, "AWS_MASKER_2001"),
        (_error({"message": "An unexpected error occurred"}), {}, "Kong's own 503"),
        (Got(ended="broken"), {}, "connection error"),
    ],
)
def test_what_is_right_passes(got: Got, fields: dict[str, object], outcome: str) -> None:
    """Answers as they should be, and errors of each kind."""
    assert judge(_request(**fields), got, [_SENT]).outcome == outcome


@pytest.mark.parametrize(
    ("got", "fields"),
    [
        (_plain(_TEXT), {}),
        (_plain(f"{_TEXT}\nforeign {standing(1)}"), {}),
        (_plain(_TEXT.replace("peer 10.77", "peer 10.78") + "\nforeign vpc-1"), {}),
        (Got(200, b'{"content":[{"te'), {}),
        (_stream(_TEXT[:60], stop=False), {"stream": True}),
        (_stream("another text", ended="broken", stop=False), {"stream": True}),
        (_error(_CODE), {"api": "chat"}),
        (_error({"detail": "?"}), {}),
        (Got(ended="never"), {}),
        (Got(503, b"<html>"), {}),
    ],
)
def test_what_is_wrong_does_not(got: Got, fields: dict[str, object]) -> None:
    """Half answers that look whole, texts that are not the API's, errors that say nothing, no end."""
    assert judge(_request(**fields), got, [_SENT]).violation


def test_an_answer_that_was_never_given() -> None:
    """It can only come from another request."""
    assert judge(_request(), _plain(_TEXT), []).violation


@pytest.mark.parametrize("change", [str, str.upper, lambda text: text.replace("\n", "\\n")])
def test_values_are_known_wherever_they_turn_up(change: Callable[[str], str]) -> None:
    """In any case, and of whom they are."""
    for tenant in (1, 2, 3):
        assert owners(change(text_of(tenant, 12345, 200)).encode()) == {tenant}
        assert owners(change(recalled(tenant, 9)).encode()) == {tenant}
    assert owners(b"i-0123456789abcdef0 look at s3://bucket-k7q2 AKIA") == set()


def test_every_line_has_a_value() -> None:
    """So that each kind of value is looked for; an address looks like its placeholder, and is not."""
    lines = text_of(3, 77, 0).splitlines()
    assert {bool(owners(line.encode())) for line in lines if not line.startswith("peer")} == {True}
