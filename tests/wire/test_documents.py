from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.jsontext import NotJsonError
from kong_plugins.aws_masker.wire.providers.common import FREE, JSON, TEXT
from kong_plugins.aws_masker.wire.rules import Leaf, Rule


def upper(documents: Documents) -> list[bytes] | None:
    """Put every text back in upper case."""
    return documents.put_back([text.value.upper() for text in documents.texts])


def test_free_form_data_has_its_keys_as_context() -> None:
    """Each value comes with its nearest key, array elements with the array's, and keys are texts themselves."""
    documents = Documents()
    documents.add(b'{"Bucket":"logs","Names":["a",["b"]],"n":123456789012,"m":5,"Empty":""}', FREE)
    assert list(documents.texts) == [
        Text(b"Bucket"), Text(b"logs", b"Bucket"), Text(b"Names"), Text(b"a", b"Names"), Text(b"b", b"Names"),
        Text(b"n"), Text(b"123456789012", b"n"), Text(b"m"), Text(b"Empty"),
    ]  # fmt: skip
    assert upper(documents) == [b'{"BUCKET":"LOGS","NAMES":["A",["B"]],"N":123456789012,"M":5,"EMPTY":""}']


def test_protocol_text_has_no_context_and_keeps_its_keys() -> None:
    """Keys of the protocol say nothing about a text and never change."""
    documents = Documents()
    documents.add(b'{"text":"logs","n":123456789012}', TEXT)
    assert list(documents.texts) == [Text(b"logs")]
    assert upper(documents) == [b'{"text":"LOGS","n":123456789012}']


def test_json_within_a_string() -> None:
    """A JSON text in a string is read as such, so that its own escapes hide nothing; the rest of it keeps its bytes."""
    inner = r'{"a": "i\u002d0", "b":1.0, "c": ["\u00e9"]}'
    documents = Documents()
    documents.add(json.dumps({"x": inner}).encode(), Rule(fields={"x": JSON}))
    assert list(documents.texts) == [
        Text(b"a"), Text(b"i-0", b"a"), Text(b"b"), Text(b"c"), Text("é".encode(), b"c"),
    ]  # fmt: skip
    masked = documents.put_back([None, b"new", None, None, None])
    assert masked is not None
    assert json.loads(masked[0])["x"] == r'{"a": "new", "b":1.0, "c": ["\u00e9"]}'


@pytest.mark.parametrize("inner", ["plain i-0", '{"a": "i-0"', '{"a":"x","a":"i-0"}', "[" * 2000 + "]" * 2000])
def test_no_json_within_a_string(inner: str) -> None:
    """What a model wrote in the place of JSON is plain text, all of it, and no text of it is taken twice."""
    documents = Documents()
    documents.add(json.dumps(["x", inner]).encode(), Rule(Leaf.JSON))
    assert list(documents.texts) == [Text(b"x"), Text(inner.encode())]


def test_a_number_alone_within_a_string() -> None:
    """Arguments that are one bare number are masked too."""
    documents = Documents()
    documents.add(b'"123456789012"', JSON)
    assert list(documents.texts) == [Text(b"123456789012")]
    assert documents.put_back([b"210987654321"]) == [b'"210987654321"']


def test_nothing_changed_is_nothing() -> None:
    """The caller then sends on the very bytes that came."""
    documents = Documents()
    documents.add(b'["a"]', TEXT)
    assert documents.put_back([None]) is None


def test_several_documents_keep_their_order() -> None:
    """Only the ones that change are rewritten."""
    documents = Documents()
    for raw in (b'["a" ]', b'["b" ]', b'["c" ]'):
        documents.add(raw, TEXT)
    assert documents.put_back([None, b"x", None]) == [b'["a" ]', b'["x" ]', b'["c" ]']


def test_signed_text_is_only_counted() -> None:
    """It goes to inspection and not to masking."""
    documents = Documents()
    documents.add(b'["a"]', Rule(Leaf.SIGNED))
    assert (list(documents.texts), documents.signed) == ([], [Text(b"a")])


def test_base64_text_is_masked_inside() -> None:
    """Text under base64 is decoded for masking and encoded again; its neighbours and its prefix stay."""
    words = b"the instance is i-0123456789abcdef0, " * 3
    url = "data:text/plain;base64," + base64.b64encode(words).decode()
    documents = Documents()
    documents.add(json.dumps({"d": url}).encode(), Rule(Leaf.BLOB))
    assert list(documents.texts) == [Text(words)]
    (masked,) = documents.put_back([b"masked"]) or [b""]
    assert json.loads(masked) == {"d": "data:text/plain;base64," + base64.b64encode(b"masked").decode()}


def test_a_repeated_key_is_refused() -> None:
    """Of two texts under one key only one would be masked."""
    with pytest.raises(NotJsonError):
        Documents().add(b'{"a":"secret","a":"x"}', TEXT)


@pytest.mark.parametrize("count", [0, 2])
def test_a_masking_of_the_wrong_length_is_refused(count: int) -> None:
    """Were masking ever to answer for other texts than those asked for, nothing goes on."""
    documents = Documents()
    documents.add(b'["a"]', TEXT)
    answers: list[Any] = [None] * count
    with pytest.raises(ValueError, match="other texts"):
        documents.put_back(answers)
