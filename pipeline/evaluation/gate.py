"""Whether a release goes into use: every rule of `config/gate.yaml` with its value and reason, and the decision."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.evaluation.choices import Gate, Rule


@dataclass(frozen=True)
class Finding:
    """One rule, whether it holds, and why."""

    rule: str
    holds: bool
    reason: str
    value: float | None = None
    """What was found: of the metric, or of its difference to a rival; none: it was not measured."""


@dataclass(frozen=True)
class Decision:
    """Promoted: the release goes into use. `champion`: the release that it was judged against, none: there was none."""

    promoted: bool
    champion: str | None
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> list[str]:
        """What speaks against it; empty when it was promoted."""
        return [f"{finding.rule}: {finding.reason}" for finding in self.findings if not finding.holds]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    report: Mapping[str, Any],
    facts: Mapping[str, float],
    gate: Gate,
    *,
    newer: str | None = None,
    champions: Mapping[str, Any] | None = None,
) -> Decision:
    """The decision on the release of an evaluation.

    report: the content of metrics.json. facts: what else was measured, by name; a metric of the release wins over them.
    newer: the champion, when it is of a later day than the release; that alone refuses the release.
    champions: the report of the champion's own evaluation, for when the champion cannot be asked any more.
    """
    values = {**facts, **report["models"]["release"]}
    age = Finding(
        "not of an earlier day than the champion", newer is None, f"{newer} is later" if newer else "it is not"
    )
    findings = (age, *(_finding(rule, values, report, champions) for rule in gate.rules))
    return Decision(all(each.holds for each in findings), report["champion"], findings)


def _finding(
    rule: Rule, values: Mapping[str, float], report: Mapping[str, Any], champions: Mapping[str, Any] | None
) -> Finding:
    if rule.not_worse_than == "champion" and report["champion"] is not None and "champion" not in report["differences"]:
        return _by_lead(rule, report, champions or {})
    if rule.not_worse_than is not None:
        return _against(rule, rule.not_worse_than, report)
    if rule.metric not in values:
        return Finding(str(rule), rule.if_measured, "not measured")
    value = values[rule.metric]
    holds = value >= rule.at_least if rule.at_least is not None else value <= (rule.at_most or 0.0)
    return Finding(str(rule), holds, f"it is {value:.4g}", float(value))


def _against(rule: Rule, rival: str, report: Mapping[str, Any]) -> Finding:
    """While nothing is in use, a release that is worse than a rival is better than none."""
    first = report["champion"] is None
    differences = report["differences"].get(rival)
    if differences is None:
        told = "nothing is in use yet" if rival == "champion" else "not measured"
        return Finding(str(rule), holds=True, reason=told)
    if rule.metric not in differences:
        return Finding(str(rule), rule.if_measured, "not measured")
    value, low, high = differences[rule.metric]
    told = f"the difference is {value:+.4f} ({low:+.4f} to {high:+.4f})"
    return Finding(str(rule), high >= 0 or first, f"{told}, and nothing is in use yet" if first else told, value)


def _by_lead(rule: Rule, report: Mapping[str, Any], champions: Mapping[str, Any]) -> Finding:
    """A champion of other features cannot be asked on the days of the release. What both were held against is the best
    baseline, each on days of its own, whose chances add up in squares.
    """
    told = f"{report['champion']} cannot be asked any more"
    leads = (each.get("differences", {}).get("best_baseline", {}) for each in (report, champions))
    ours, theirs = (lead.get(rule.metric) for lead in leads)
    if ours is None or theirs is None:
        return Finding(str(rule), holds=True, reason=f"{told}, nor was its lead over a baseline measured")
    value = ours[0] - theirs[0]
    low = value - math.hypot(ours[0] - ours[1], theirs[2] - theirs[0])
    high = value + math.hypot(ours[2] - ours[0], theirs[0] - theirs[1])
    told = f"{told}; it led the best baseline of its days by {theirs[0]:+.4f}, this one leads by {ours[0]:+.4f}"
    return Finding(str(rule), high >= 0, f"{told}: {value:+.4f} ({low:+.4f} to {high:+.4f})", value)
