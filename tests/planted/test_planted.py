"""Every family in every carrier: nothing secret gets through, everything public does, and all of it comes back."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.text import Text
from tests.planted.arns import ARNS
from tests.planted.carriers import ADDRESSED, BARE, CARRIERS, Carrier
from tests.planted.checks import masked, problems
from tests.planted.documents import DOCUMENTS
from tests.planted.hosts import HOSTS, URIS
from tests.planted.ids import IDS
from tests.planted.model import NAMES, Planted, Secret
from tests.planted.names import NAMED, PATHS

ALL: tuple[Planted, ...] = (*IDS, *ARNS, *HOSTS, *URIS, *NAMED, *PATHS)
EVERYWHERE = Carrier("in a sentence", lambda planted: f"Is {planted.text} the one? I think ({planted.text}) is.")


_EACH = 5


def _fitting(planted: Planted) -> list[Carrier]:
    """Return the carriers that fit; for one of the many alike resource ids each fifth, in turns, to save time."""
    fitting = [carrier for carrier in CARRIERS if planted.kind in carrier.kinds]
    alike = planted.family.endswith(("-8", "-17")) and planted.family not in ("i-17", "vpc-17", "sg-8", "tgw-attach-8")
    return fitting[ALL.index(planted) % _EACH :: _EACH] if alike else fitting


_ONE_NAME = (":parameter/", ":secret:", ".dkr.ecr.", ":repository/")
"""Where these stand, slashes are a part of the name."""


def _is_a_name(text: str, secret: Secret) -> bool:
    """Tell whether the secret is a whole name or account, not a piece of a longer one."""
    before, _, after = text.partition(secret.text)
    piece = before.endswith("-") or after.startswith(("-", ".fifo"))
    path = any(mark in text for mark in _ONE_NAME) and (before.endswith("/") or after.startswith("/"))
    whole = secret.kind in NAMES | {"account"} or (secret.kind == "uuid" and ":key/" in text)
    return whole and not piece and not path


def _title(planted: Planted) -> str:
    return planted.family


@pytest.mark.parametrize("planted", ALL, ids=_title)
def test_nothing_secret_of_a_value_survives_in_any_carrier(masker: Masker, planted: Planted) -> None:
    """Masked: no secret part. Public parts stay. Restored: the original. Masked twice: as masked once."""
    carriers = _fitting(planted)
    found = [f"{carrier.name}: {problem}" for carrier in carriers for problem in problems(masker, planted, carrier)]
    assert len(carriers) > len(CARRIERS) / (5 * _EACH)
    assert not found


@pytest.mark.parametrize("planted", DOCUMENTS, ids=_title)
def test_nothing_secret_of_a_document_survives(masker: Masker, planted: Planted) -> None:
    """The same for documents that hold many values at once."""
    assert not list(problems(masker, planted, Carrier("alone", lambda p: p.text)))


@pytest.mark.parametrize("planted", DOCUMENTS, ids=_title)
def test_documents_with_windows_line_ends(masker: Masker, planted: Planted) -> None:
    """A document from a Windows machine is masked as well."""
    crlf = Carrier("crlf", lambda p: p.text.replace("\n", "\r\n"), encode=lambda text: text.replace("\n", "\r\n"))
    assert not list(problems(masker, planted, crlf))


@pytest.mark.parametrize("planted", (*ARNS, *HOSTS, *URIS, *DOCUMENTS), ids=_title)
def test_a_name_certain_once_is_masked_everywhere(masker: Masker, planted: Planted) -> None:
    """What an ARN, an endpoint or a document makes certain is also masked by itself, later or earlier."""
    sure = [secret.text for secret in planted.secrets if _is_a_name(planted.text, secret)]
    prose = "\n".join(f"Why is {text} slow? Look at '{text}', please: {text}" for text in sure)
    for texts in ([planted.text, prose], [prose, planted.text]):
        results, wrong = masked(masker, [Text(text.encode()) for text in texts])
        leaks = [text for text in sure if any(text.encode() in result for result in results)]
        assert not wrong
        assert not leaks


@pytest.mark.parametrize("planted", IDS + HOSTS + ARNS, ids=_title)
def test_the_same_value_gets_the_same_placeholder_everywhere(masker: Masker, planted: Planted) -> None:
    """Two carriers of one request, and two requests, give one value one placeholder."""
    context = Text(planted.text.encode(), planted.context.key.encode())
    first, _ = masked(masker, [context, Text(EVERYWHERE.write(planted).encode())])
    second, _ = masked(masker, [context])
    assert first[0] == second[0]
    assert first[1].count(first[0]) == 2
    assert planted.text.encode() not in first[1]


def test_every_kind_of_carrier_is_used() -> None:
    """No carrier is listed in vain."""
    kinds = {planted.kind for planted in ALL}
    assert all(carrier.kinds & kinds for carrier in (*BARE, *ADDRESSED))
