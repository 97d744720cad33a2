"""Small charts as SVG that stands in a page of `pipeline/pages/page.py`, whose colours it takes."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, BAR = 640, 280, 22
_LEFT, _RIGHT, _TOP, _BOTTOM, _NAME = 60, 16, 28, 34, 210
_COLOURS = 4
_TICKS = 4
_MOST_PLACES = 8
"""Points below which their places are told; of more, ticks at even distances."""
_CHARACTERS = 28
"""Of a name beside a bar; the rest is in its tooltip."""


@dataclass(frozen=True)
class Bar:
    """One bar; `low` and `high` are the bounds of its interval, where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: int = 0


def line_chart(lines: Mapping[str, Points], *, x: str, y: str, diagonal: bool = False) -> str:
    """One line a name through its (x, y) points, in order of x; y begins at 0.

    diagonal: with the line on which y equals x, as a reliability plot has it.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    left, right = min(at for at, _ in points), max(at for at, _ in points)
    top = _nice(max([value for _, value in points] + [right] * diagonal))
    across, up = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(at: float, value: float) -> tuple[float, float]:
        return _LEFT + across * (at - left) / ((right - left) or 1), _TOP + up * (1 - value / top)

    parts = []
    for number in range(_TICKS + 1):
        level = top * number / _TICKS
        height = place(left, level)[1]
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(_text(_LEFT - 6, height + 4, f"{level:.3g}", anchor="end"))
    places = sorted({at for at, _ in points})
    if len(places) > _MOST_PLACES:
        places = [left + (right - left) * number / _TICKS for number in range(_TICKS + 1)]
    parts += [_text(place(at, 0)[0], HEIGHT - _BOTTOM + 16, f"{at:.3g}", anchor="middle") for at in places]
    if diagonal:
        (x1, y1), (x2, y2) = place(left, left), place(right, right)
        parts.append(f'<line class="axis" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    for number, (name, line) in enumerate(lines.items()):
        colour = f"c{number % _COLOURS}"
        drawn = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(*point) for point in line))
        parts.append(f'<polyline class="line {colour}" style="fill:none" points="{drawn}"/>')
        start = _LEFT + number * across / len(lines)
        parts.append(f'<rect class="{colour}" x="{start:.0f}" y="4" width="10" height="10"/>')
        parts.append(_text(start + 14, 13, name))
    parts.append(_text(WIDTH - _RIGHT, HEIGHT - 4, x, anchor="end"))
    return _svg(f"{y} by {x}", HEIGHT, parts)


def bar_chart(bars: Sequence[Bar], *, says: str) -> str:
    """One bar a row, each with its value; all values are 0 or more."""
    if not bars:
        return ""
    top = max(max(bar.value, bar.high or 0.0) for bar in bars) or 1.0
    across = WIDTH - _NAME - 70
    parts = []
    for number, bar in enumerate(bars):
        y = number * BAR + 2
        parts.append(_text(_NAME - 8, y + 14, _short(bar.name), anchor="end", tip=bar.name))
        parts.append(
            f'<rect class="c{bar.colour % _COLOURS}" x="{_NAME}" y="{y + 2}"'
            f' width="{across * bar.value / top:.1f}" height="{BAR - 8}"/>'
        )
        if bar.low is not None and bar.high is not None:
            a, b, middle = (_NAME + across * bar.low / top, _NAME + across * bar.high / top, y + BAR / 2 - 2)
            parts.append(f'<line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{middle}" y2="{middle}"/>')
        end = _NAME + across * max(bar.value, bar.high or 0.0) / top
        parts.append(_text(end + 6, y + 14, f"{bar.value:.4g}"))
    return _svg(says, len(bars) * BAR + 4, parts)


def alone(chart: str) -> str:
    """The chart as a file of its own, which opens outside a page too."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}"'
    style = (
        "<style>text{font:12px sans-serif;fill:#444}.axis{stroke:#ccc}.line{stroke-width:2}"
        ".whisker{stroke:#222}.c0{stroke:#2f6fde;fill:#2f6fde}.c1{stroke:#d9822b;fill:#d9822b}"
        ".c2{stroke:#2e9e6b;fill:#2e9e6b}.c3{stroke:#9b59b6;fill:#9b59b6}</style>"
    )
    opened, rest = chart.removeprefix("<svg").split(">", 1)
    return f"{head}{opened}>{style}{rest}\n"


def _svg(says: str, height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{html.escape(says)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", tip: str = "") -> str:
    title = f"<title>{html.escape(tip)}</title>" if tip else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}{title}</text>'


def _short(name: str) -> str:
    return name if len(name) <= _CHARACTERS else name[: _CHARACTERS - 1] + "…"


def _nice(top: float) -> float:
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten: ticks are round numbers."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= top * (1 - 1e-9))
