"""What a shop decides about the quality of its data: `config/quality.yaml`, typed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.quality.rules import concerns_rows, rule_names

Action = Literal["block", "quarantine", "warn"]
Part = Literal["completeness", "validity", "uniqueness", "references", "freshness", "volume", "distribution"]


class Score(BaseModel):
    """How the parts make one number, and how low it may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: float = Field(80, ge=0, le=100)
    """Below it the run stops before anything learns from the day."""
    minimum_parts: dict[Part, float] = {}
    """The same for single parts, so that one that is lost is not hidden behind the others."""
    weights: dict[Part, float] = {
        "completeness": 2,
        "validity": 2,
        "uniqueness": 1,
        "references": 1,
        "freshness": 1,
        "volume": 2,
        "distribution": 1,
    }
    """Parts that cannot be judged, for want of earlier days, are left out."""

    @field_validator("weights")
    @classmethod
    def _weights_weigh(cls, weights: dict[Part, float]) -> dict[Part, float]:
        if min(weights.values(), default=0) < 0 or not sum(weights.values()):
            raise ValueError("weights of 0 or more, at least one of them above 0")
        return weights


class Quality(BaseModel):
    """Contracts, expectations and score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actions: dict[str, Action] = {}
    """What happens to rows that break a rule of a contract, by `table.column.rule`; rules that are not listed block.
    `block` stops the run, `quarantine` takes the rows out when cleaning, `warn` says so and goes on."""
    expectations: bool = True
    """Great Expectations judge the day, write Data Docs and the score; without them there is no score."""
    reference_days: int = Field(28, ge=1)
    """Days before the day with which it is compared."""
    min_reference_days: int = Field(7, ge=1)
    """With fewer of them volume, null rates, mix and prices are not judged."""
    tolerance: float = Field(0.25, ge=0)
    """How far beyond the range of those days is still usual, as a part of the range's own ends."""
    freshness_hours: float = Field(12, gt=0)
    """The last event of a day comes at most so long before its end."""
    sample_rows: int = Field(20_000, ge=1)
    """Rows of a table and day that Great Expectations look at: the first ones. The contracts have looked at all."""
    score: Score = Score()

    @field_validator("actions")
    @classmethod
    def _rules_exist(cls, actions: dict[str, Action]) -> dict[str, Action]:
        known = rule_names()
        for rule, action in actions.items():
            if rule not in known:
                near = get_close_matches(rule, known, n=1, cutoff=0)[0]
                raise ValueError(f"names of rules; `{rule}` is none, the nearest is `{near}`")
            if action == "quarantine" and not concerns_rows(rule):
                raise ValueError(
                    f"`block` or `warn` for `{rule}`: it speaks of the whole partition, not of single rows"
                )
        return actions
