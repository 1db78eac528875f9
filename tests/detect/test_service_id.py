"""Ids that only their key makes certain: masked wherever else they stand, with placeholders that prove themselves."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

KEY = bytes(range(32))
CERTAIN = b'{"WorkspaceId": "ws-fs0qkfga4x47", "InstanceId": "i-mZ8cYR0uLm65V758P", "ThingId": "thing-9a56yoqYxU2"}'
ELSEWHERE = b"ws-fs0qkfga4x47 hangs, i-mZ8cYR0uLm65V758P and (thing-9a56yoqYxU2) do not"
VALUES = (b"ws-fs0qkfga4x47", b"i-mZ8cYR0uLm65V758P", b"thing-9a56yoqYxU2")


@pytest.mark.parametrize("structure", [True, False])
def test_a_certain_id_is_masked_in_every_text(structure: bool) -> None:
    """One text names the key, another only the id; both come back, and nothing is masked twice."""
    masker = Masker(Settings(preserve_structure=structure), KEY)
    session = masker.session()
    masked = session.mask([Text(ELSEWHERE), Text(CERTAIN)])
    sent = [text for text in masked if text is not None]
    assert len(sent) == 2
    assert not [value for value in VALUES for text in sent if value in text]
    assert {entry.family for entry in session.mapping.values()} == {"service_id"}
    known = {placeholder: entry.value for placeholder, entry in session.mapping.items()}
    assert [restore(text, known.get) for text in sent] == [ELSEWHERE, CERTAIN]
    assert masker.session().mask([Text(text) for text in sent]) == [None, None]


def test_the_placeholder_keeps_a_prefix_of_awss() -> None:
    """The model still reads a WorkSpace and an instance; a prefix of somebody's own, which may tell whose, goes."""
    session = Masker(Settings(), KEY).session()
    session.mask([Text(CERTAIN)])
    prefixes = {entry.value: placeholder.split(b"-")[0] for placeholder, entry in session.mapping.items()}
    assert prefixes == dict(zip(VALUES, (b"ws", b"i", b"id"), strict=True))


def test_without_a_key_it_is_left() -> None:
    """What nothing makes certain stays, as it may be anybody's."""
    assert Masker(Settings(), KEY).session().mask([Text(ELSEWHERE)]) == [None]
