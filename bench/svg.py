"""Plots as SVG: panels of lines, one under the other, over the same horizontal axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT, _GAP = 560, 140, 46
_LEFT, _TOP, _RIGHT = 64, 24, 150
_COLOURS = ("#1f6feb", "#d1570a", "#2da44e", "#8250df", "#bf3989", "#57606a")
_STYLE = (
    "text{font:11px sans-serif;fill:#57606a}.title{font-weight:bold;fill:#24292f}"
    ".grid{stroke:#d0d7de;stroke-width:1}.line{fill:none;stroke-width:1.6}"
)


class Line(NamedTuple):
    """One line of a panel: its name, and its points from left to right."""

    name: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One plot: what is shown, in which unit, and its lines. The vertical axis begins at 0."""

    title: str
    lines: Sequence[Line]


def plot(panels: Sequence[Panel], axis: str) -> str:
    """Return an SVG of `panels`; `axis` names what goes from left to right."""
    last = max(x for panel in panels for line in panel.lines for x, _ in line.points)
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    body = [part for number, panel in enumerate(panels) for part in _panel(panel, number, last or 1.0)]
    width = _LEFT + _WIDTH + _RIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
            f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>',
            *body,
            f'<text x="{_LEFT + _WIDTH}" y="{height - 8}" text-anchor="end">{escape(axis)}</text>',
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, number: int, last: float) -> Iterator[str]:
    top = _TOP + number * (_HEIGHT + _GAP)
    ticks = _ticks(max(y for line in panel.lines for _, y in line.points))
    highest = ticks[-1]
    yield f'<text class="title" x="{_LEFT}" y="{top - 8}">{escape(panel.title)}</text>'
    for tick in ticks:
        y = top + _HEIGHT * (1 - tick / highest)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}h{_WIDTH}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick in _ticks(last):
        if tick <= last:
            yield f'<text x="{_LEFT + _WIDTH * tick / last:.1f}" y="{top + _HEIGHT + 14}">{tick:g}</text>'
    for index, line in enumerate(panel.lines):
        colour = _COLOURS[index % len(_COLOURS)]
        places = " ".join(
            f"{_LEFT + _WIDTH * x / last:.1f},{top + _HEIGHT * (1 - y / highest):.1f}" for x, y in line.points
        )
        yield f'<polyline class="line" stroke="{colour}" points="{places}"/>'
        at = _LEFT + _WIDTH + 8, top + 12 + 16 * index
        yield f'<text x="{at[0]}" y="{at[1]}" style="fill:{colour}">{escape(line.name)}</text>'


def _ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to the first that is not below `highest`."""
    rough = (highest or 1.0) / 4
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * scale for factor in (1, 2, 2.5, 5, 10) if factor * scale >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)] if highest else [0.0, 1.0]
