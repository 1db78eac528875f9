"""Every input of the fuzzers' corpora and seeds, through its harness, without a fuzzer."""

from __future__ import annotations

import pytest

from tests.fuzz.harnesses import CORPUS, HARNESSES


@pytest.mark.parametrize("name", HARNESSES)
def test_what_was_found_once_holds(name: str) -> None:
    """No input that ever failed, or that reached code of its own, breaks an invariant."""
    kept = sorted((CORPUS / name).iterdir())
    assert kept, "the corpus is empty"
    for path in kept:
        try:
            HARNESSES[name].check(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: {type(error).__name__}") from error


@pytest.mark.parametrize("name", HARNESSES)
def test_the_seeds_hold(name: str) -> None:
    """What the fuzzers start from is handled, also when its end is missing."""
    for seed in HARNESSES[name].seeds():
        for end in (len(seed), len(seed) // 2):
            HARNESSES[name].check(seed[:end])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bodies", b"\x00\x00\x00\x00\x00" + b'{"messages":[]}'),
        ("frames", b"\x01"),
        ("heads", b"\x00\x00\x00/v1/messages"),
    ],
)
def test_the_harness_notices_a_leak(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where masking does nothing, these harnesses say so."""
    monkeypatch.setattr("kong_plugins.aws_masker.masking.Session.mask", lambda _, texts: [None] * len(texts))
    seeds = [data, *HARNESSES[name].seeds()]

    def run() -> None:
        for seed in seeds:
            HARNESSES[name].check(seed)

    with pytest.raises(AssertionError, match=r"goes (out|upstream)"):
        run()


@pytest.mark.parametrize("name", ["answers", "deltas", "restoring"])
def test_the_harness_notices_what_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the end of a text is swallowed, these harnesses say so."""
    monkeypatch.setattr("kong_plugins.aws_masker.restoring.StreamRestorer.flush", lambda _: b"")

    def run() -> None:
        for seed in HARNESSES[name].seeds():
            HARNESSES[name].check(seed)

    with pytest.raises(AssertionError):
        run()
