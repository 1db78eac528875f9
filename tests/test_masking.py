"""Masking of several texts at once: nothing is lost between them."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import CustomPattern, Settings
from kong_plugins.aws_masker.text import Text

KEY = bytes(range(32))
TEXTS = [Text(b"see OPS-1 now"), Text(b"and OPS-2 then", b"note"), Text(b"OPS-3")]


@pytest.mark.parametrize("pattern", ["OPS-.*", "OPS-[^,]+", "OPS-[0-9]+", "(?s)OPS-.*"])
def test_a_pattern_that_runs_on_ends_with_its_text(pattern: str) -> None:
    """A user's pattern is searched in each text by itself: it can neither run into the next one nor lose its match."""
    settings = Settings(custom_patterns=(CustomPattern(name="ticket", pattern=pattern),))
    masked = Masker(settings, KEY).session().mask(TEXTS)
    assert [b"AWSCUSTOMTICKET" in (text or b"") for text in masked] == [True, True, True]
    assert not any(b"OPS-" in (text or b"") for text in masked)


def test_a_pattern_may_ask_for_the_ends_of_a_text() -> None:
    """`^` and `$` are the ends of each text."""
    settings = Settings(custom_patterns=(CustomPattern(name="ticket", pattern="^OPS-[0-9]$"),))
    masked = Masker(settings, KEY).session().mask(TEXTS)
    assert masked[:2] == [None, None]
    assert masked[2] is not None


def test_patterns_know_characters() -> None:
    """A class of characters beyond ASCII matches them, not their bytes."""
    settings = Settings(custom_patterns=(CustomPattern(name="place", pattern="Gr[üö]ße"),))
    (masked,) = Masker(settings, KEY).session().mask([Text("viele Grüße".encode())])
    assert masked is not None
    assert "Grüße".encode() not in masked


def test_one_name_has_one_placeholder_in_a_request() -> None:
    """A name that is first a bucket's and then a function's is masked alike, here and where it stands by itself."""
    texts = [Text(b"s3://acme-orders-7/x"), Text(b"acme-orders-7", b"FunctionName"), Text(b"what is acme-orders-7?")]
    session = Masker(Settings(), KEY).session()
    masked = session.mask(texts)
    (placeholder,) = session.mapping
    assert masked == [b"s3://" + placeholder + b"/x", placeholder, b"what is " + placeholder + b"?"]
