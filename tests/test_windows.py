"""Windows over the texts of a request: whatever their sizes, the same is found as in one buffer."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker import windows as module
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import CustomPattern, Settings
from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.windows import windows

KEY = bytes(range(32))
ROLE = "arn:aws:iam::210987654321:role/deploy-prod"


def request() -> list[Text]:
    """Return texts whose values are told by what stands in the text before or behind, or in another one."""
    texts = []
    for number in range(30):
        texts += [
            Text(b"Name"),
            Text(b"orders-%d" % number, b"Name"),
            Text(b"Arn"),
            Text(b"arn:aws:eks:eu-west-1:210987654321:cluster/x", b"Arn"),
            Text(b"nothing here " * number),
            Text(b"deploy-prod on 10.20.30.%d, again orders-%d" % (number, 29 - number)),
        ]
    return [*texts, Text(ROLE.encode()), Text(b"account 210987654321", b"note")]


@pytest.mark.parametrize("size", [1, 50, 400, 1000])
def test_the_size_of_windows_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values at the end of one window that the next one explains, and names that a later window makes certain."""
    whole = Masker(Settings(), KEY).session().mask(request())
    assert whole[1] is not None
    assert b"deploy-prod" not in (whole[5] or b"deploy-prod")
    monkeypatch.setattr(module, "SIZE", size)
    session = Masker(Settings(), KEY).session()
    masked = session.mask(request())
    assert len(list(windows(request()))) > 3
    assert masked == whole


def test_windows_hold_each_text_once_and_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text lies as a whole in one window, and a window has about the size wanted."""
    monkeypatch.setattr(module, "SIZE", 500)
    texts = request()
    found = list(windows(texts))
    held = [window.buffer[start:end] for window in found for start, end in zip(window.starts, window.ends, strict=True)]
    assert held == [text.value for text in texts]
    assert all(len(window.buffer) < 500 + 2 * module.MARGIN + 500 for window in found)


def test_a_large_text_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large text is its own window."""
    monkeypatch.setattr(module, "SIZE", 100)
    texts = [Text(b"a"), Text(b"b" * 200), Text(b"c")]
    assert [window.buffer is texts[1].value for window in windows(texts)] == [False, True, False]


def test_what_was_searched_before_is_found_again_where_it_now_lies() -> None:
    """The same bytes cut into other texts, with other settings or for another tenant, are other windows."""
    masker = Masker(Settings(custom_patterns=(CustomPattern(name="ticket", pattern="^OPS-[0-9]+"),)), KEY)
    texts = [Text(b"see OPS-1 on i-0123456789abcdef0"), Text(b"OPS-2")]
    first = masker.session("a").mask(texts)
    assert masker.session("a").mask(texts) == first
    assert first[1] is not None
    other = masker.session("b").mask(texts)
    assert other != first
    assert [text is None for text in other] == [text is None for text in first]
    joined = masker.session("a").mask([Text(b"\x00".join(text.value for text in texts))])
    assert joined[0] is not None
    assert joined[0].endswith(b"\x00OPS-2")
