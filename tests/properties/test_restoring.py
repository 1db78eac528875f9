"""What restoring guarantees: any cut, any stranger's look-alike, and the changes that models make."""

from __future__ import annotations

import html
import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.masking import StreamRestorer, restore
from kong_plugins.aws_masker.pseudonym.heads import forms_at
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from tests.properties.texts import SHAPED, encoded, filler, junk, lookup_in, mask, masker, requests

_SESSION = masker().session()
_SESSION.mask([Text(planted.text.encode()) for planted in SHAPED])
_MAPPING = _SESSION.mapping
_LOOKUP = lookup_in(_MAPPING)
_PLACEHOLDERS = sorted(_MAPPING)
_OPAQUE = masker(Settings(preserve_structure=False)).session()
_OPAQUE.mask([Text(planted.text.encode()) for planted in SHAPED])
_OPAQUE_LOOKUP = lookup_in(_OPAQUE.mapping)
_OPAQUE_PLACEHOLDERS = sorted(_OPAQUE.mapping)

_piece = st.one_of(
    st.sampled_from(_PLACEHOLDERS),
    st.sampled_from(_OPAQUE_PLACEHOLDERS),
    st.sampled_from(_PLACEHOLDERS).flatmap(lambda p: st.integers(0, len(p)).map(lambda cut: p[:cut])),
    st.sampled_from(_PLACEHOLDERS).flatmap(lambda p: st.integers(0, len(p)).map(lambda cut: p[cut:])),
    filler.map(str.encode),
    st.binary(max_size=8),
)
answers = st.lists(_piece, max_size=12).map(b"".join)
"""What a model may answer: placeholders, pieces of them, anything."""


def _any_lookup(placeholder: bytes) -> bytes | None:
    found = _LOOKUP(placeholder)
    return found if found is not None else _OPAQUE_LOOKUP(placeholder)


def _json_escape(value: bytes) -> bytes:
    return json.dumps(value.decode("utf-8", "surrogateescape"))[1:-1].encode("utf-8", "surrogateescape")


def _streamed(pieces: list[bytes], escape: bool) -> bytes:
    restorer = StreamRestorer(_any_lookup, _json_escape if escape else None)
    return b"".join([*(restorer.feed(piece) for piece in pieces), restorer.flush()])


@given(answers, st.lists(st.integers(0, 400), max_size=30), st.booleans())
def test_any_chunking_gives_the_same(answer: bytes, cuts: list[int], escape: bool) -> None:
    """However the stream is cut, the sum is what the whole text gives."""
    borders = [0, *sorted(cut for cut in cuts if cut < len(answer)), len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(borders)]
    whole = restore(answer, _any_lookup, _json_escape if escape else None)
    assert _streamed(pieces, escape) == whole
    assert _streamed([answer[n : n + 1] for n in range(len(answer))], escape) == whole


@given(requests, st.integers(1, 7))
def test_a_masked_text_comes_back_in_any_pieces(request: list[Text], width: int) -> None:
    """Mask, stream in pieces, restore: the original."""
    masked, mapping = mask(request, masker())
    for text, result in zip(request, masked, strict=True):
        restorer = StreamRestorer(lookup_in(mapping))
        pieces = [restorer.feed(result[n : n + width]) for n in range(0, len(result), width)]
        assert b"".join([*pieces, restorer.flush()]) == text.value


@pytest.mark.parametrize("placeholder", random.Random(5).sample(_PLACEHOLDERS, 60), ids=lambda p: p.decode()[:12])
def test_every_single_cut_of_a_placeholder(placeholder: bytes) -> None:
    """Each placeholder, cut at each byte, between words and at the ends of the text."""
    for text in (placeholder, b"see " + placeholder + b", then", b"(" + placeholder + b")\n"):
        whole = restore(text, _LOOKUP)
        assert _MAPPING[placeholder].value in whole
        for cut in range(len(text) + 1):
            assert _streamed([text[:cut], text[cut:]], False) == whole


@given(junk)
def test_a_text_without_placeholders_stays(text: bytes) -> None:
    """What only looks like a placeholder comes back unharmed: nothing was mapped, so nothing is restored."""
    assert restore(text, lambda _: None) == text
    restorer = StreamRestorer(lambda _: None)
    assert restorer.feed(text) + restorer.flush() == text


@given(encoded)
def test_real_values_in_an_answer_stay(text: bytes) -> None:
    """Values that the model knows from elsewhere, in the shape of placeholders, are not touched."""
    assert restore(text, _any_lookup) == text


@pytest.mark.parametrize("placeholder", random.Random(6).sample(_PLACEHOLDERS, 40), ids=lambda p: p.decode()[:12])
def test_a_stranger_of_the_same_shape_stays(placeholder: bytes) -> None:
    """One other character makes it another: it is not restored. Nor is a number inside a longer one."""
    last = placeholder[-1:]
    ends = (b"2", b"3", b"4") if last.isdigit() else (b"b", b"c", b"d") if last.islower() else (b"B", b"C", b"D")
    others = {placeholder[:-1] + end for end in ends if end != last} - set(_PLACEHOLDERS)
    assert others
    for other in others:
        assert restore(b" " + other + b" ", _LOOKUP) == b" " + other + b" "
    if last.isdigit() and placeholder[:1].isdigit():
        longer = b"7" + placeholder + b"7"
        assert restore(longer, _LOOKUP) == longer


@given(answers)
def test_nothing_is_held_back_longer_than_a_placeholder(answer: bytes) -> None:
    """What is held back is shorter than the longest placeholder with the changes that a model may make."""
    restorer = StreamRestorer(_any_lookup)
    sent = b"".join(restorer.feed(answer[n : n + 1]) for n in range(len(answer)))
    held = restorer.flush()
    assert len(held) <= 4 * max(map(len, (*_PLACEHOLDERS, *_OPAQUE_PLACEHOLDERS)))
    assert sent + held == restore(answer, _any_lookup)


def test_a_sentence_is_not_held_back() -> None:
    """Ordinary prose goes on at once, up to its last word."""
    restorer = StreamRestorer(_any_lookup)
    sentence = b"The instance is healthy, and nothing else is to do. "
    assert restorer.feed(sentence) == sentence


_NUMBERS = [one for one in _PLACEHOLDERS if one.isdigit() and len(one) == 12]


@pytest.mark.parametrize(
    "escape", ["%22", "%20", "%A0", "%e2%80%9c", "\\u0022", "\\u00a0", "\\x20", "\\033[31m", "\\0"]
)
def test_an_account_behind_an_escape_comes_back(escape: str) -> None:
    """The escape's digits are none of the account's: `"AWS"%3A"123456789012"` in the policy of a role."""
    assert _NUMBERS
    for placeholder in _NUMBERS:
        text = b"x" + escape.encode() + placeholder + escape.encode()
        wanted = text.replace(placeholder, _MAPPING[placeholder].value)
        assert restore(text, _LOOKUP) == wanted
        for cut in range(len(text)):
            assert _streamed([text[:cut], text[cut:]], False) == wanted
        assert _streamed([bytes([byte]) for byte in text], False) == wanted
    assert restore(b"x%229" + _NUMBERS[0], _LOOKUP) == b"x%229" + _NUMBERS[0]


_HYPHENED = [one for one in _PLACEHOLDERS if b"-" in one and not one[:1].isdigit()]


@pytest.mark.parametrize("placeholder", random.Random(8).sample(_HYPHENED, 60), ids=lambda p: p.decode()[:14])
def test_a_line_broken_behind_a_hyphen_or_in_the_last_group(placeholder: bytes) -> None:
    """As whoever wraps lines does; the parts are put together again, in a quoted or indented text as well."""
    value = _MAPPING[placeholder].value
    head = next(len(head) for head, _ in forms_at(placeholder) if placeholder.startswith(head))
    at = [number + 1 for number, byte in enumerate(placeholder) if byte == 0x2D and number + 1 >= head]
    for place in (*at, len(placeholder) - 5):
        for end in (b"\n", b"\r\n", b"\n    ", b"\n> "):
            told = b"see " + placeholder[:place] + end + placeholder[place:] + b" ok"
            assert restore(told, _LOOKUP) == b"see " + value + b" ok", told
            assert _streamed([bytes([byte]) for byte in told], False) == b"see " + value + b" ok", told


def test_a_number_over_two_lines_is_two_numbers() -> None:
    """An account id has no proof that would tell that two lines of a table are one."""
    told = _NUMBERS[0][:6] + b"\n" + _NUMBERS[0][6:]
    assert restore(told, _LOOKUP) == told


_TOLD = [p for p in random.Random(7).sample(_PLACEHOLDERS, 80) if not (p[:1].isdigit() and b"." in p)]


@pytest.mark.parametrize("placeholder", _TOLD, ids=lambda p: p.decode()[:14])
def test_the_changes_of_models_are_undone(placeholder: bytes) -> None:
    r"""Markdown's `\-`, `\.` and `\_`, HTML entities and typographers' dashes are undone, cut anywhere."""
    value = _MAPPING[placeholder].value
    text = placeholder.decode()
    changed = [text.replace("-", "\\-").replace(".", "\\."), text.replace("-", "&#45;"), text.replace("/", "&#x2F;")]
    changed += [text.replace("-", chr(dash)) for dash in (0x2010, 0x2011, 0x2013, 0x2212)]
    changed += [f"`{text}`", f"**{text}**", html.escape(f"<{text}>"), f'"{text}"']
    for told in changed:
        assert value in restore(f"see {told} ok".encode(), _LOOKUP), told
        assert value in _streamed([bytes([byte]) for byte in f"see {told} ok".encode()], False), told


@pytest.mark.parametrize("placeholder", _OPAQUE_PLACEHOLDERS[::9], ids=lambda p: p.decode()[:14])
def test_opaque_placeholders_survive_what_models_do(placeholder: bytes) -> None:
    """Opaque tokens come back in lower case, too, and broken across two lines."""
    value = _OPAQUE.mapping[placeholder].value
    middle = len(placeholder) // 2
    for told in (placeholder, placeholder.lower(), placeholder.title(), b"`" + placeholder + b"`"):
        assert value in restore(b"see " + told + b" ok", _OPAQUE_LOOKUP), told
    broken = b"`" + placeholder[:middle] + b"\n" + placeholder[middle:] + b"`"
    assert value in restore(broken, _OPAQUE_LOOKUP)


@given(st.binary(max_size=200), st.sampled_from((b"", b"x" * 31, b"x" * 32)))
def test_garbage_raises_only_our_errors(text: bytes, key: bytes) -> None:
    """Whatever comes in, the worst that comes out is an error of ours."""
    try:
        session = masker(Settings(), key).session("\ud800")
        session.mask([Text(text, text[:20])])
        restore(text, lookup_in(session.mapping))
    except MaskerError:
        assert len(key) < 32
