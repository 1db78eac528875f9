"""Whether a history that is sent again is masked to the same bytes."""

from __future__ import annotations

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe.stability import Histories, History, WatchedSession
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

KEY = bytes(range(32))
MASKER = Masker(Settings(), KEY)
INSTANCE = b"i-" + b"0123456789abcdef0"
LONG = b"why is " + INSTANCE + b" so slow, and what does it have to do with reporting-archive? " + b"x" * 40


def masked(histories: Histories, *texts: bytes, tenant: str = "") -> History:
    session = WatchedSession(MASKER.session(tenant), histories, tenant)
    results = session.mask([Text(text) for text in texts])
    assert results[0] is None or INSTANCE not in results[0]
    assert session.counts.get("ec2_instance", 0) == sum(INSTANCE in text for text in texts)
    return session.history


def test_a_history_sent_again() -> None:
    """The first time nothing is known; then all of it is stable, what is new in it aside."""
    histories = Histories()
    assert masked(histories, LONG) == History(0, 0)
    assert masked(histories, LONG, b"and now? " * 20) == History(len(LONG), 0)


def test_a_text_that_is_masked_otherwise_is_seen() -> None:
    """A name that a later message makes certain changes the earlier text, and with it the provider's cache."""
    histories = Histories()
    masked(histories, LONG)
    assert masked(histories, LONG, b"arn:aws:s3:::reporting-archive") == History(0, len(LONG))


def test_tenants_have_histories_of_their_own() -> None:
    """Their placeholders differ, which is no change."""
    histories = Histories()
    masked(histories, LONG, tenant="one")
    assert masked(histories, LONG, tenant="two") == History(0, 0)


def test_what_is_kept_is_bounded() -> None:
    """Old fingerprints give way to new ones; short texts and the end of very long requests are not looked at."""
    histories = Histories()
    texts = [Text(b"%064d" % number) for number in range(20_000)]
    for start in range(0, len(texts), 1000):
        histories.compare("", texts[start : start + 1000], [None] * 1000)
    assert histories.compare("", texts[:100], [None] * 100) == History(0, 0)
    assert histories.compare("", texts[-100:], [None] * 100) == History(6400, 0)
    short, huge = [Text(b"short")], [Text(b"a" * 1_000_000), Text(b"b" * 1_000_000)]
    for _ in range(2):
        seen = histories.compare("", short, [None])
        both = histories.compare("", huge, [None, None])
    assert (seen, both) == (History(0, 0), History(1_000_000, 0))
