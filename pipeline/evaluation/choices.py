"""What a release must show before it goes into use: `config/gate.yaml`, typed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator


class Rule(BaseModel):
    """One demand on one metric; exactly one of the three kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    """A metric of the release in metrics.json, or a fact that the gate adds: `quality_score`, `milliseconds`."""
    not_worse_than: Literal["champion", "best_baseline"] | None = None
    """The interval of the difference to it must reach 0 or above: worse by chance is not worse."""
    at_least: float | None = None
    at_most: float | None = None
    if_measured: bool = False
    """Whether a metric that was not measured keeps the rule; otherwise it breaks it."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("not_worse_than", "at_least", "at_most") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one of not_worse_than, at_least, at_most; found {', '.join(given) or 'none'}")
        return self

    def __str__(self) -> str:
        if self.not_worse_than:
            return f"{self.metric} not worse than {self.not_worse_than.replace('_', ' ')}"
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{self.metric} {bound}"


class Gate(BaseModel):
    """All rules must hold; without any, every release that verifies goes into use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = ()
