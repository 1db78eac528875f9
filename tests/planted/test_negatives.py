"""What must stay as it is, does: each text alone, beside real values, and as a JSON leaf."""

from __future__ import annotations

import json

import pytest

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.text import Text
from tests.planted.arns import ARNS
from tests.planted.ids import IDS
from tests.planted.model import Planted
from tests.planted.names import NAMED
from tests.planted.negatives import NEGATIVES, ORDINARY_NAMES


def _changed(masker: Masker, text: str) -> str:
    """Return what became of `text`, or "" where nothing changed; with what was taken for a value."""
    session = masker.session()
    (new,) = session.mask([Text(text.encode())])
    found = sorted((entry.family, entry.value.decode()) for entry in session.mapping.values())
    return "" if new is None else f"{found}"


@pytest.mark.parametrize("name", NEGATIVES)
def test_a_text_without_values_stays(masker: Masker, name: str) -> None:
    """None of these is a value."""
    assert not _changed(masker, NEGATIVES[name])


@pytest.mark.parametrize("name", NEGATIVES)
def test_it_stays_inside_json_and_on_numbered_lines(masker: Masker, name: str) -> None:
    """Nor does JSON quoting or a line number make it one."""
    text = NEGATIVES[name]
    assert not _changed(masker, json.dumps({"content": text}))
    assert not _changed(masker, "\n".join(f"{n:6}\t{line}" for n, line in enumerate(text.split("\n"), 1)))


def test_it_stays_beside_real_values(masker: Masker) -> None:
    """Real values in the same request do not drag it along."""
    real = [*(planted.text for planted in IDS if planted.shaped), *(planted.text for planted in ARNS)]
    texts = [Text(text.encode()) for text in (*NEGATIVES.values(), *real)]
    results = masker.session().mask(texts)
    assert [name for name, result in zip(NEGATIVES, results, strict=False) if result is not None] == []
    assert None not in results[len(NEGATIVES) :]


@pytest.mark.parametrize("word", ORDINARY_NAMES)
def test_an_ordinary_word_is_never_masked_in_prose(masker: Masker, word: str) -> None:
    """Somebody's bucket may be called `logs`; the word in a sentence still is a word."""
    contexts = [
        Text(f"aws s3 ls s3://{word}/x && aws s3api head-bucket --bucket {word}".encode()),
        Text(f'resource "aws_dynamodb_table" "x" {{\n  table_name = "{word}"\n}}'.encode()),
        Text(word.encode(), b"FunctionName"),
        Text(f"arn:aws:lambda:eu-west-1:{'4' * 12}:function:{word}".encode()),
        Text(f"arn:aws:iam::{'4' * 12}:role/{word}".encode()),
    ]
    prose = (
        f"The {word} of the {word}: git checkout {word}; {word}.py, x.{word}, {word}=1, '{word}', /{word}/x, {word}-2"
    )
    results = masker.session().mask([*contexts, Text(prose.encode())])
    assert results[-1] is None


def test_an_ordinary_word_is_masked_in_its_context(masker: Masker) -> None:
    """In a URI or an ARN even an ordinary word is a name."""
    texts = [Text(b"s3://backup/x"), Text(f"arn:aws:lambda:eu-west-1:{'4' * 12}:function:orders".encode())]
    first, second = masker.session().mask(texts)
    assert first is not None
    assert b"backup" not in first
    assert second is not None
    assert b":orders" not in second


@pytest.mark.parametrize("planted", NAMED, ids=lambda planted: planted.family)
def test_a_name_without_context_stays(masker: Masker, planted: Planted) -> None:
    """The planted names are nothing by themselves: the other tests really depend on the context."""
    assert not _changed(masker, f"Is {planted.text} slow?")


def test_a_longer_word_around_a_name_stays(masker: Masker) -> None:
    """A name is masked where it stands by itself, not inside an unrelated longer word."""
    name = "globex-ledger7"
    texts = [Text(f"s3://{name}/x".encode()), Text(f"x{name}y {name}s other{name}".encode())]
    assert masker.session().mask(texts)[1] is None
