"""The report as Markdown, what does not depend on the machine first."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence

from bench.hostile import Hostile
from bench.latency import Latency
from bench.masking import Measured, Stream
from bench.memory import Memory

_HEAD = """# Speed and memory

`make bench` prints this page, `python -m bench --write` writes it. Every figure is the least of several runs. The
bodies are Anthropic requests as a coding agent sends them (system prompt, tools, a history of program text, logs,
CloudTrail records and command output; see `bench/bodies.py`), the same in every run.
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _ratios(measured: Mapping[str, Measured], memory: Mapping[str, Memory]) -> str:
    base = measured["100 KB"]
    rows = [
        [
            name,
            f"{one.re_alternation / one.mask:.1f} times",
            f"{(one.mask / one.size) / (base.mask / base.size):.2f}",
            f"{(one.restore / one.size) / (base.restore / base.size):.2f}",
            f"{one.mask / one.parse:.1f}",
            f"{memory[name].mask / one.size:.1f}",
            f"{memory[name].parse / one.size:.1f}",
        ]
        for name, one in measured.items()
    ]
    head = (
        *("body", "faster than `re`", "mask: time per byte, 100 KB = 1", "restore: time per byte, 100 KB = 1"),
        *("mask, `orjson.loads` = 1", "memory to mask, in bodies", "memory of `orjson.loads`, in bodies"),
    )
    return (
        "\n## Ratios\n\nMasking a whole request (reading its JSON, finding, replacing, writing) beside one search of "
        "the same bytes with the standard library's `re` and one alternation of the same patterns, which only finds "
        "candidates:\n\n" + _table(head, rows)
    )


def _times(measured: Mapping[str, Measured], stream: Stream, latency: Mapping[str, Latency]) -> str:
    rows = [
        [
            *(name, f"{one.size:,}", f"{one.values:,}", _ms(one.mask), f"{one.size / one.mask / 1e6:.0f} MB/s"),
            *(_ms(one.again), _ms(one.restore), _ms(one.re_alternation)),
        ]
        for name, one in measured.items()
    ]
    head = ("body", "bytes", "masked values", "mask", "", "again", "restore the same text", "`re` search alone")
    first = [
        [
            *(name, _ms(one.direct), _ms(one.proxied), _ms(one.proxied - one.direct)),
            _ms(one.proxied_median - one.direct_median),
        ]
        for name, one in latency.items()
    ]
    return (
        f"\n## Times\n\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.\n\n"
        + _table(head, rows)
        + "\nAgain: what the masker has masked lately, as the earlier turns of a conversation, which come with every "
        "request.\n"
        + f"\nRestoring one event of a stream (12 characters): {stream.restore * 1e6:.1f} us; reading and writing "
        f"its JSON with orjson alone takes {stream.parse * 1e6:.1f} us ({stream.events:,} events).\n"
        + "\nTime to the first token on the loopback, an API that answers at once:\n\n"
        + _table(("body", "direct", "through the proxy", "added (least)", "added (median)"), first)
    )


def _hostile(found: Mapping[str, tuple[Hostile, Hostile]]) -> str:
    rows = [
        [work, f"`{growing.unit}` {growing.growth:.2f}", f"`{slowest.unit}` {slowest.seconds:.2f} s/MB"]
        for work, (growing, slowest) in found.items()
    ]
    return "\n## Hostile texts\n\nEvery beginning of a value, repeated to 40 and 160 KB; linear is 1.\n\n" + _table(
        ("", "growth of the time per byte", "slowest"), rows
    )


def render(
    measured: Mapping[str, Measured],
    stream: Stream,
    memory: Mapping[str, Memory],
    latency: Mapping[str, Latency],
    hostile: Mapping[str, tuple[Hostile, Hostile]],
) -> str:
    """Return the page."""
    return _HEAD + _ratios(measured, memory) + _hostile(hostile) + _times(measured, stream, latency)
