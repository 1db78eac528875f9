"""What masking guarantees for every text, with whatever values, in whatever company."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from tests.planted.checks import Remembered
from tests.planted.model import Planted
from tests.properties.texts import KEY, SHAPED, junk, lookup_in, mask, masker, requests

STRUCTURE = st.sampled_from((True, False))


def _by(structure: bool) -> Masker:
    return masker(Settings(preserve_structure=structure, mask_public_ips=not structure))


@given(requests, STRUCTURE)
def test_restoring_is_the_inverse_of_masking(request: list[Text], structure: bool) -> None:
    """What comes back is what was written, byte for byte."""
    masked, mapping = mask(request, _by(structure))
    assert [restore(text, lookup_in(mapping)) for text in masked] == [text.value for text in request]


@given(junk, STRUCTURE)
def test_arbitrary_bytes_come_back(text: bytes, structure: bool) -> None:
    """Not even invalid UTF-8 breaks anything."""
    (masked,), mapping = mask([Text(text)], _by(structure))
    assert restore(masked, lookup_in(mapping)) == text


@given(requests, STRUCTURE)
def test_masking_masked_text_changes_nothing(request: list[Text], structure: bool) -> None:
    """A placeholder is no value; what carries no proof of itself (account ids) is known by the tenant's memory."""
    masked, mapping = mask(request, _by(structure))
    again = (
        _by(structure)
        .session(memory=Remembered(mapping))
        .mask([Text(new, old.key) for new, old in zip(masked, request, strict=True)])
    )
    assert again == [None] * len(request)


_IPV4 = ("ip10", "ip172", "ip192", "ip100", "dashed", "net10", "net172", "net192")
_PROVABLE = [
    (planted, structure)
    for planted in SHAPED
    for structure in (True, False)
    if not structure or not any(secret.kind.startswith(_IPV4) for secret in planted.secrets)
]
"""All but private IPv4 addresses that keep their shape: these only a memory or their company can tell."""


@pytest.mark.parametrize(("planted", "structure"), _PROVABLE, ids=lambda value: getattr(value, "family", str(value)))
def test_a_placeholder_proves_itself(planted: Planted, structure: bool) -> None:
    """Even a process that has never seen it leaves a placeholder alone, whatever stands around it."""
    (masked,), _ = mask([Text(planted.text.encode())], _by(structure))
    assert mask([Text(masked)], _by(structure)) == ([masked], {})
    assert mask([Text(b"see " + masked + b", please")], _by(structure))[1] == {}


@given(requests, st.sampled_from(SHAPED), st.data())
def test_no_certain_value_survives(request: list[Text], planted: Planted, data: st.DataObject) -> None:
    """A value with a shape of its own, free-standing at any place, does not get through."""
    text = planted.text.encode()
    place = data.draw(st.integers(0, len(request) - 1))
    before, after = data.draw(
        st.sampled_from(((b" ", b" "), (b"\n", b"\r\n"), (b'"', b'"'), (b"(", b")"), (b"\t", b",")))
    )
    value, key = request[place]
    cut = data.draw(st.integers(0, len(value)))
    mixed = [*request]
    mixed[place] = Text(value[:cut] + before + text + after + value[cut:], key)
    masked, mapping = mask(mixed, _by(True))
    secrets = [secret.text.encode() for secret in planted.secrets]
    # Only this occurrence is judged: the drawn text may hold pieces of the same value glued to something else.
    assert not any(before + text + after in result for result in masked)
    assert secrets
    assert mapping


@given(requests, STRUCTURE)
def test_no_masked_value_remains_free_standing(request: list[Text], structure: bool) -> None:
    """Whatever became a value in one place is not left alone, by itself on a line, in another."""
    _, mapping = mask(request, _by(structure))
    lines = b"\n".join(sorted({entry.value for entry in mapping.values() if len(entry.value) > 7}))
    masked, _ = mask([*request, Text(lines)], _by(structure))
    assert not {
        line for line in masked[-1].split(b"\n") if line.isalnum() and any(48 <= byte <= 57 for byte in line)
    } & set(lines.split(b"\n"))


@given(requests, STRUCTURE)
def test_every_session_and_process_gives_the_same_bytes(request: list[Text], structure: bool) -> None:
    """Placeholders depend on nothing but key, tenant, family and value."""
    fresh = Masker(Settings(preserve_structure=structure, mask_public_ips=not structure), KEY)
    assert mask(request, _by(structure)) == mask(request, fresh)


@given(requests)
def test_turns_of_a_conversation_mask_alike(request: list[Text]) -> None:
    """The history of a conversation gives the same bytes when more is said: the provider's cache stays warm."""
    by = _by(True)
    session = by.session()
    first = session.mask(request)
    later = by.session().mask([*request, Text(b"and then? please go on.")])
    assert later[:-1] == first
    assert later[-1] is None


@given(st.sampled_from(SHAPED), st.binary(min_size=32, max_size=64), st.text(min_size=1, max_size=20))
def test_another_key_or_tenant_gives_other_placeholders(planted: Planted, key: bytes, tenant: str) -> None:
    """Nobody learns from one tenant's placeholders about another's values."""
    text = [Text(planted.text.encode())]
    own, _ = mask(text, _by(True))
    assert mask(text, _by(True), tenant)[0] != own
    if key != KEY:
        assert mask(text, Masker(Settings(), key))[0] != own


@given(requests, STRUCTURE)
def test_counts_are_of_what_was_masked(request: list[Text], structure: bool) -> None:
    """`inspect` counts what `mask` masks, and an unchanged text means that nothing was counted."""
    session = _by(structure).session()
    results = session.mask(request)
    assert bool(session.counts) == any(result is not None for result in results) == bool(session.mapping)
    assert {entry.family for entry in session.mapping.values()} == set(session.counts)
    assert _by(structure).session().inspect(request) == session.counts


@pytest.mark.parametrize("structure", [True, False])
def test_no_placeholder_holds_another(structure: bool) -> None:
    """Of all placeholders of all planted values, none is a part of another."""
    _, mapping = mask([Text(planted.text.encode()) for planted in SHAPED], _by(structure))
    placeholders = sorted(mapping, key=len)
    joined = b"\n".join(placeholders)
    assert len(placeholders) > 300
    assert [one for one in placeholders if joined.count(one) > 1] == []
