"""Two plots of a ranker as SVG that opens anywhere: what it looks at, and how far its scores are probabilities."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 25
"""Features that are drawn."""
_WIDTH, _ROW, _LABEL = 720, 18, 300
_SIDE, _MARGIN = 360, 50
_INK, _BAR, _LINE = "#333", "#4878a8", "#bbb"


def importance_plot(importance: Mapping[str, float]) -> str:
    """Bars of the most important features."""
    shown = list(importance.items())[:MOST]
    largest = max([share for _, share in shown], default=0) or 1
    parts = []
    for at, (name, share) in enumerate(shown):
        y, width = at * _ROW, (_WIDTH - _LABEL - 60) * share / largest
        parts += [
            _text(_LABEL - 8, y + 13, name, anchor="end"),
            f'<rect x="{_LABEL}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" fill="{_BAR}"/>',
            _text(_LABEL + width + 6, y + 13, f"{share:.1%}"),
        ]
    return _svg(_WIDTH, max(len(shown), 1) * _ROW + 4, "Importance of features", parts)


def reliability_plot(bins: Sequence[Mapping[str, float]]) -> str:
    """What happened against what was expected, a point a bin; on the line both are the same."""
    largest = max([1e-9, *(max(each["expected"], each["happened"]) for each in bins)])

    def at(expected: float, happened: float) -> tuple[float, float]:
        return _MARGIN + _SIDE * expected / largest, _MARGIN + _SIDE * (1 - happened / largest)

    (x0, y0), (x1, y1) = at(0, 0), at(largest, largest)
    parts = [f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="{_LINE}"/>']
    for each in bins:
        x, y = at(each["expected"], each["happened"])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_BAR}"/>')
    parts += [
        _text(x1, y0 + 18, f"{largest:.3g}", anchor="end"),
        _text(x0, y0 + 18, "0: expected probability"),
        _text(x0, y1 - 8, f"{largest:.3g}: part that was bought"),
    ]
    return _svg(_SIDE + 2 * _MARGIN, _SIDE + 2 * _MARGIN, "Reliability", parts)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{html.escape(words)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="sans-serif" font-size="11" role="img"><title>{title}</title>{"".join(parts)}</svg>\n'
    )
