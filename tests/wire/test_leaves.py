from __future__ import annotations

import base64

import pytest

from kong_plugins.aws_masker.wire.leaves import is_attribution, is_binary_type, maskable
from kong_plugins.aws_masker.wire.rules import Leaf

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40).decode()
WORDS = "logs are in prod-logs; " * 500
CODED = base64.b64encode(WORDS.encode()).decode()


@pytest.mark.parametrize(
    ("value", "leaf"),
    [
        (PNG, Leaf.BINARY),
        (PNG, Leaf.BLOB),
        ("data:image/png;base64," + PNG, Leaf.URL),
        ("DATA:application/pdf;name=x;BASE64," + CODED, Leaf.BLOB),
        (CODED, Leaf.BINARY),
    ],
)
def test_binary_data_is_kept(value: str, leaf: Leaf) -> None:
    """Images and files are not text, whatever their base64 looks like."""
    assert maskable(value, leaf) is None


@pytest.mark.parametrize(
    ("value", "leaf"),
    [
        ("https://prod-logs.s3.amazonaws.com/x.png", Leaf.URL),
        ("data:text/plain,i-0123456789abcdef0", Leaf.URL),
        ("i-0123456789abcdef0", Leaf.BINARY),
        ("AK" + "IA" + "IOSFODNN7EXAMPLE", Leaf.BINARY),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY", Leaf.BLOB),
        (PNG + " i-0123456789abcdef0", Leaf.BINARY),
        ("data:image/png;base64," + PNG + "é", Leaf.URL),
        (PNG, Leaf.URL),
    ],
)
def test_what_only_claims_to_be_binary_is_text(value: str, leaf: Leaf) -> None:
    """A word too short for a file, or with anything beyond base64 in it, is masked as it stands."""
    found = maskable(value, leaf)
    assert found is not None
    assert (found.text, found.write) == (value.encode(), None)


@pytest.mark.parametrize("prefix", ["", "data:text/csv;base64,", "data:;base64,"])
@pytest.mark.parametrize("words", [WORDS, "é" * 5000, "x" * 3071 + "é" * 100])
def test_text_in_base64_is_found(prefix: str, words: str) -> None:
    """It is decoded, also where a character lies across the end of the part that is looked at first."""
    found = maskable(prefix + base64.b64encode(words.encode()).decode(), Leaf.BLOB)
    assert found is not None and found.write is not None
    assert found.text == words.encode()
    assert found.write(b"masked").decode() == prefix + base64.b64encode(b"masked").decode()


def test_the_urlsafe_alphabet_and_line_breaks() -> None:
    """Base64 in its other spellings is decoded as well."""
    words = ("\u00bf\u00ff" * 60).encode()
    coded = base64.urlsafe_b64encode(words).decode()
    found = maskable(coded[:76] + "\r\n" + coded[76:], Leaf.BLOB)
    assert found is not None and found.text == words


def test_media_types() -> None:
    """Only types in which text cannot be masked count as binary; nonsense does not."""
    assert is_binary_type("image/png") and is_binary_type("Application/PDF")
    assert not any(is_binary_type(given) for given in ("text/plain", "application/json", "", None, 5, ["image/png"]))


def test_the_attribution_line() -> None:
    """Claude Code's own line, alone, is recognised; with anything on a further line it is a text like any other."""
    line = "x-anthropic-billing-header: cc_version=2.1.330.879; cc_entrypoint=cli;"
    assert is_attribution(line)
    assert not is_attribution(line + "\ni-0123456789abcdef0")
    assert not is_attribution("see " + line)
