"""Plots: what is drawn is where it should be."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.svg import Line, Panel, plot

_SPACE = "{http://www.w3.org/2000/svg}"


def test_a_plot_shows_every_line_within_its_frame() -> None:
    """Names are escaped, the largest value is below the highest tick, and time goes to the right."""
    rising = [(float(minute), 3.0 * minute) for minute in range(1, 8)]
    flat = [(float(minute), 0.0) for minute in range(1, 8)]
    svg = plot(
        [Panel("Memory <MB>", [Line("a & b", rising), Line("none", flat)]), Panel("Files", [Line("c", flat)])], "m"
    )
    root = ElementTree.fromstring(svg)
    _, _, width, height = (float(number) for number in root.attrib["viewBox"].split())
    lines = root.findall(f"{_SPACE}polyline")
    assert len(lines) == 3
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert all(0 < x < width and 0 < y < height for x, y in points)
    first = [float(point.split(",")[1]) for point in lines[0].attrib["points"].split()]
    assert first == sorted(first, reverse=True)
    assert {"Memory <MB>", "a & b", "Files", "30"} <= {text.text for text in root.iter(f"{_SPACE}text")}
