"""JSON walked and spliced: what is put back is read again as it was put."""

from __future__ import annotations

import json

from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.jsontext import JsonText, NotJsonError
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from tests.fuzz import bodies
from tests.fuzz.bytestream import Input

_APIS = list(Api)


def check(data: bytes) -> None:
    """Change every text, or every second one, and read the result again."""
    given = Input(data)
    api, every = given.pick(_APIS), given.pick((1, 2, 3))
    documents = Documents()
    try:
        documents.add(given.rest, policy_of(api).request)
    except NotJsonError:
        return
    except RecursionError as error:
        raise AssertionError("the bound on nesting does not hold") from error
    texts = [text.value for text in documents.texts]
    assert documents.put_back([None] * len(texts)) is None, "something changed by itself"
    for cut in (False, True):
        JsonText(given.rest, cut=cut)  # it is JSON, however it is read
    json.loads(given.rest.decode("utf-8"))
    again = Documents()
    again.add(given.rest, policy_of(api).request)
    changed = [_changed(text) if number % every == 0 else text for number, text in enumerate(texts)]
    raw = again.put_back([new if new != old else None for old, new in zip(texts, changed, strict=True)])
    if raw is None:
        assert changed == texts
        return
    third = Documents()
    third.add(raw[0], policy_of(api).request)
    assert [text.value for text in third.texts] == changed, "what was put back is read differently"


def _changed(text: bytes) -> bytes:
    """Return `text` with other digits, as masking does: what it is (JSON, base64, a number not too large) stays so."""
    return text.translate(bytes.maketrans(b"23456789", b"12345678"))


def seeds() -> list[bytes]:
    """Return the requests of `bodies`."""
    return [bytes([number % len(_APIS), number % 3]) + one[5:] for number, one in enumerate(bodies.seeds())]
