"""What is expected of a day: its contracts, row by row, and what the days before it make usual."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.schema import MAPPABLE_TABLES, PROMOTION_KINDS
from pipeline.quality.rules import CLEAN_KINDS, EARLIEST, VALUE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from pipeline.quality.choices import Part, Quality
    from pipeline.quality.measures import Measure

DAY = "day"
"""The suite of the measures."""


@dataclass(frozen=True)
class Expectation:
    """One sentence about a suite's table, as the class of Great Expectations that checks it and its arguments."""

    part: Part
    suite: str
    says: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)
    measure: Measure | None = None


def contract_expectations(name: str, day: dt.date) -> Iterator[Expectation]:
    """The contract of a table, as expectations of the rows of `day`."""
    table = MAPPABLE_TABLES[name]
    for column, definition in table.columns.items():
        if not definition.nullable:
            filled = {"column": column}
            yield Expectation("completeness", name, f"`{column}` is filled", "ExpectColumnValuesToNotBeNull", filled)
        if rule := VALUE_RULES[name].get(column):
            kind, bounds = _kind_of(rule.name, day)
            yield Expectation("validity", name, f"`{column}`: {rule.says}", kind, {"column": column, **bounds})
    kind, arguments = "ExpectColumnValuesToBeUnique", _arguments(column=table.key[0])
    if len(table.key) > 1:
        kind, arguments = "ExpectCompoundColumnsToBeUnique", _arguments(column_list=list(table.key))
    yield Expectation("uniqueness", name, f"{', '.join(table.key)} comes once", kind, arguments)


def _arguments(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401 -- whatever the class of Great Expectations takes
    return arguments


def _kind_of(rule: str, day: dt.date) -> tuple[str, dict[str, Any]]:
    start = dt.datetime.combine(day, dt.time())
    end, earliest = start + dt.timedelta(days=1), dt.datetime.fromisoformat(EARLIEST)
    between = "ExpectColumnValuesToBeBetween"
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "positive": (between, {"min_value": 0, "strict_min": True}),
        "not_negative": (between, {"min_value": 0}),
        "filled": ("ExpectColumnValueLengthsToBeBetween", {"min_value": 1}),
        "flag": ("ExpectColumnValuesToBeInSet", {"value_set": [0, 1]}),
        "known_kind": ("ExpectColumnValuesToBeInSet", {"value_set": list(CLEAN_KINDS)}),
        "known_promotion": ("ExpectColumnValuesToBeInSet", {"value_set": list(PROMOTION_KINDS)}),
        "share": (between, {"min_value": 0, "strict_min": True, "max_value": 1}),
        "in_partition": (between, {"min_value": start, "max_value": end, "strict_max": True}),
        "past": (between, {"min_value": earliest, "max_value": end, "strict_max": True}),
        "sane": (between, {"min_value": earliest}),
    }
    return kinds[rule]


def day_expectations(measures: list[Measure], values: pd.DataFrame, quality: Quality) -> Iterator[Expectation]:
    """What the days before the last row of `values` make usual for it; measures without enough of them are left out."""
    for measure in measures:
        usual = values[measure.name].iloc[:-1].dropna().to_numpy(float)
        if np.isnan(values[measure.name].iloc[-1]):
            continue
        if bounds := _bounds(measure, usual, quality):
            shown = " to ".join(f"{bound:.4g}" for bound in bounds.values())
            says = f"{measure.says}: {shown if len(bounds) > 1 else f'at most {shown}'}"
            arguments = {"column": measure.name, **bounds}
            kind = "ExpectColumnValuesToBeBetween"
            yield Expectation(measure.part, DAY, says, kind, arguments, measure)


def _bounds(measure: Measure, usual: np.ndarray, quality: Quality) -> dict[str, float]:
    enough = len(usual) >= quality.min_reference_days
    if measure.bound == "range":
        low, high = (usual.min() * (1 - quality.tolerance), usual.max() * (1 + quality.tolerance)) if enough else (0, 0)
        return {"min_value": float(max(low, 0)), "max_value": float(high)} if enough else {}
    if not enough and measure.part in ("completeness", "distribution"):
        return {}
    highest = usual.max() * (1 + quality.tolerance) if len(usual) else 0.0
    return {"max_value": float(max(measure.slack, highest))}
