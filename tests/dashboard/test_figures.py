"""Counts by time are right, and bounded; percentiles are what Prometheus would say."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.dashboard.figures import (
    BARS,
    OTHER,
    RANGES,
    SLOT,
    Figures,
    bucket_of,
    percentile,
    series,
    total,
)

NOW = 1_700_000_000.0


@pytest.mark.parametrize("minutes", RANGES)
def test_bars(minutes: int) -> None:
    """What is as old as a bar is wide times n is n bars back; what is older than the range is not told."""
    figures = Figures(lambda: NOW)
    width = minutes * 60 // BARS
    for age in (0, 1, 30, BARS - 1, BARS, 2 * BARS):
        figures.add(NOW - age * width, ("family", "bucket"), age + 1)
    told = series(figures.bars(minutes), "family")["bucket"]
    assert {place: count for place, count in enumerate(told) if count} == {
        BARS - 1: 1,
        BARS - 2: 2,
        BARS - 31: 31,
        0: BARS,
    }


def test_clocks_that_differ() -> None:
    """What another machine tells from the time to come counts as now."""
    figures = Figures(lambda: NOW)
    figures.add(NOW + 1000, ("family", "bucket"), 2)
    assert series(figures.bars(15), "family")["bucket"][-1] == 2


def test_old_counts_are_forgotten() -> None:
    """Eight hours leave no more behind than the longest range; what is older still is not taken."""
    now = [NOW]
    figures = Figures(lambda: now[0])
    for _ in range(8 * 3600 // SLOT):
        now[0] += SLOT
        figures.add(now[0], ("family", "bucket"))
    figures.add(NOW, ("family", "bucket"), 10_000)
    slots = RANGES[-1] * 60 // SLOT
    assert slots - BARS < total(figures.bars(RANGES[-1]))[("family", "bucket")] <= slots
    assert len(figures._slots) <= slots + BARS


def test_names_are_bounded() -> None:
    """A client that chooses a new name each time is counted, and takes no more memory."""
    figures = Figures(lambda: NOW)
    for number in range(10_000):
        figures.add(NOW, ("who", f"tenant-{number}", "anthropic", "messages"))
    sums = total(figures.bars(15))
    assert sum(sums.values()) == 10_000
    assert len(sums) < 500
    assert sums[("who", OTHER, OTHER, OTHER)] > 9_000


def test_percentiles() -> None:
    """Linear within a bucket; of what is over the last bound only that is known."""
    assert percentile({}, 0.5) is None
    assert percentile({"0.1": 0}, 0.5) is None
    buckets = {"0.1": 50, "0.5": 40, "1.0": 10}
    assert percentile(buckets, 0.25) == pytest.approx(0.05)
    assert percentile(buckets, 0.5) == pytest.approx(0.1)
    assert percentile(buckets, 0.7) == pytest.approx(0.3)
    assert percentile(buckets, 0.99) == pytest.approx(0.95)
    assert percentile({"5.0": 1, "inf": 99}, 0.5) == 5.0


@pytest.mark.parametrize(
    ("seconds", "bound"), [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (5.0, "5.0"), (60.0, "inf")]
)
def test_buckets(seconds: float, bound: str) -> None:
    """A bound belongs to its bucket, as in Prometheus."""
    assert bucket_of(seconds) == bound
