"""The quality of a day as one number from 0 to 100, and the parts that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from pipeline.quality.choices import Part, Score
    from pipeline.quality.suites import Finding

SHOWN_PARTS = 3


@dataclass(frozen=True)
class Judged:
    """A finding with its degree: 1 where the expectation is met, down to 0."""

    finding: Finding
    degree: float
    observed: float | None
    """The value of a measure; none: the expectation looks at rows."""

    def __str__(self) -> str:
        expectation = self.finding.expectation
        seen = f"{self.observed:.4g}" if self.observed is not None else f"{self.finding.unexpected:.2%} break it"
        return f"{expectation.arguments.get('column', expectation.suite)} is {seen} ({expectation.says})"


@dataclass(frozen=True)
class Quality:
    """A day's score. A part is as good as the worst of its expectations, so that none hides behind many good ones."""

    score: float
    parts: dict[Part, float]
    """0 to 100; a part of which nothing could be judged is missing."""
    worst: dict[Part, Judged]


def graded(findings: Sequence[Finding], values: pd.Series) -> list[Judged]:
    """Each finding with its degree.

    values: the day's measures by name
    """
    return [_graded(finding, values) for finding in findings]


def _graded(finding: Finding, values: pd.Series) -> Judged:
    measure = finding.expectation.measure
    if measure is None:
        return Judged(finding, 1.0 if finding.met else 1.0 - max(finding.unexpected, 1e-6), None)
    observed = float(values[measure.name])
    if finding.met:
        return Judged(finding, 1.0, observed)
    low, high = (finding.expectation.arguments.get(name) for name in ("min_value", "max_value"))
    if measure.bound == "most":
        degree = 1.0 - (observed - float(high or 0.0)) / measure.lost_at
    elif low is not None and observed < low:
        degree = observed / low
    else:
        degree = float(high or 0.0) / observed
    return Judged(finding, min(max(degree, 0.0), 1.0), observed)


def quality_of(judged: Sequence[Judged], choices: Score) -> Quality:
    """Parts, and their weighted mean; parts of which nothing was judged have no say."""
    worst: dict[Part, Judged] = {}
    for each in judged:
        part = each.finding.expectation.part
        if part not in worst or each.degree < worst[part].degree:
            worst[part] = each
    parts = {part: round(100 * worst[part].degree, 2) for part in choices.weights if part in worst}
    weight = sum(choices.weights[part] for part in parts)
    score = sum(choices.weights[part] * value for part, value in parts.items()) / weight if weight else 100.0
    return Quality(round(score, 2), parts, worst)


def shortfalls(quality: Quality, choices: Score) -> list[str]:
    """What is below its minimum, in words, the worst first; empty when the day is good enough."""
    low = [part for part, least in choices.minimum_parts.items() if quality.parts.get(part, 100.0) < least]
    if quality.score < choices.minimum:
        worst_first = sorted(quality.parts, key=lambda part: quality.parts[part])
        low += [part for part in worst_first[:SHOWN_PARTS] if part not in low and not _is_whole(quality, part)]
    return [
        f"{part} {quality.parts[part]:g}: {quality.worst[part]}"
        for part in sorted(low, key=lambda part: quality.parts[part])
    ]


def _is_whole(quality: Quality, part: Part) -> bool:
    return quality.worst[part].finding.met
