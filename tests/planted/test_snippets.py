"""One-liners, each by itself: nothing secret gets through."""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import quote

import pytest

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.text import Text
from tests.planted.carriers import Carrier
from tests.planted.checks import masked, problems
from tests.planted.ids import IDS
from tests.planted.model import BASE32, Planted
from tests.planted.snippets import SNIPPETS

_ALONE = Carrier("alone", lambda planted: planted.text)
_SECRETS = [planted for planted in IDS if planted.kind == "token" and planted.family != "bedrock-short"]


@pytest.mark.parametrize("planted", SNIPPETS, ids=lambda planted: planted.family)
def test_nothing_secret_of_a_snippet_survives(masker: Masker, planted: Planted) -> None:
    """Everything in the holes is masked, and comes back."""
    assert not list(problems(masker, planted, _ALONE))


_ESCAPES: dict[str, Callable[[str], str]] = {
    "slashes": lambda text: text.replace("/", "\\/"),
    "unicode": lambda text: text.replace("+", "\\u002B").replace("/", "\\u002F"),
    "percent": lambda text: quote(text, safe=""),
    "percent in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
}


@pytest.mark.parametrize("escape", _ESCAPES)
@pytest.mark.parametrize("planted", _SECRETS, ids=lambda planted: planted.family)
def test_an_escaped_credential_is_masked_to_its_end(masker: Masker, planted: Planted, escape: str) -> None:
    r"""JSON encoders write `\/` or `\u002B`, URLs `%2F`: no 12 characters of the credential remain."""
    written = _ESCAPES[escape](planted.text)
    for text in (f'{{"{planted.context.key}": "{written}"}}', f"{planted.context.env}={written}\n"):
        (result,), wrong = masked(masker, [Text(text.encode())])
        pieces = [written[at : at + 12] for at in range(24, len(written) - 12)]
        assert not wrong
        assert [piece for piece in pieces if piece.encode() in result] == []


def test_every_access_key_id_is_masked(masker: Masker) -> None:
    """Also those that happen to hold no digit, one in thirty."""
    rng = random.Random(1)
    ids = [prefix + "IA" + "".join(rng.choices(BASE32, k=16)) for prefix in ("AK", "AS") for _ in range(500)]
    ids += ["AK" + "IA" + "".join(rng.choices(BASE32[:26], k=16)) for _ in range(50)]
    (result,), _ = masked(masker, [Text("\n".join(ids).encode())])
    assert [one for one in ids if one.encode() in result] == []


@pytest.mark.parametrize("name", ["my-globex-logs7", "the-globex-site", "example-globex-prod", "GLOBEX_PROD_ORDERS"])
def test_a_name_that_begins_like_a_stand_in_is_masked(masker: Masker, name: str) -> None:
    """`my-bucket` may stay, `my-globex-logs` may not."""
    for text in (f"aws dynamodb scan --table-name {name}", f'"FunctionName": "{name}"', f'bucket_name = "{name}"'):
        (result,), _ = masked(masker, [Text(text.encode())])
        assert name.encode() not in result


@pytest.mark.parametrize(
    "text", ["arn:aws:execute-api:::/m", "arn:aws:::::", "arn:aws:s3:::/", "s3:///", "arn:aws:iam::1:role/"]
)
def test_values_with_empty_parts_break_nothing(masker: Masker, text: str) -> None:
    """What is not there is not masked, and nothing fails."""
    _, wrong = masked(masker, [Text(text.encode()), Text(f"{text} {text}".encode(), b"Arn")])
    assert not wrong
