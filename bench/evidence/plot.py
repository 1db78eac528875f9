"""Plots as SVG: lines over sizes, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 860, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 40, 50
_COLOURS = (
    "#0b6e4f",
    "#c1121f",
    "#f77f00",
    "#5f0f40",
    "#6c757d",
    "#1d3557",
    "#9c6644",
    "#3a86ff",
    "#8338ec",
    "#000000",
)

Line = Sequence[tuple[float, float]]


def lines(title: str, x_label: str, y_label: str, drawn: Mapping[str, Line], dashed: frozenset[str]) -> str:
    """Return a plot of `drawn`, points (x, y) by name; those in `dashed` are limits."""
    points = [point for line in drawn.values() for point in line]
    x_range = _decades([x for x, _ in points])
    y_range = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_range[0]) / (x_range[1] - x_range[0])
        up = (math.log10(y) - y_range[0]) / (y_range[1] - y_range[0])
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{(_WIDTH - _RIGHT + _LEFT) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]
    for power in range(x_range[0], x_range[1] + 1):
        x, bottom = place(10.0**power, 10.0 ** y_range[0])
        parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{_spelled(power)}</text>')
    for power in range(y_range[0], y_range[1] + 1):
        left, y = place(10.0 ** x_range[0], 10.0**power)
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{_spelled(power)}</text>')
    for number, (name, line) in enumerate(drawn.items()):
        parts += _line(number, name, [place(*point) for point in line], name in dashed)
    return "\n".join((*parts, "</svg>")) + "\n"


def _line(number: int, name: str, points: Sequence[tuple[float, float]], dashed: bool) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    y = _TOP + 10 + number * 22
    x = _WIDTH - _RIGHT + 12
    return [
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points),
        f'<path d="M{x} {y}h22" stroke="{colour}" stroke-width="2"{dash}/>',
        f'<text x="{x + 28}" y="{y + 4}">{escape(name)}</text>',
    ]


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _spelled(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
