"""Contract rules that set rows aside, as rules of cleaning: the clean archive never holds what breaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.cleaning.rule import Rule
from pipeline.cleaning.rules import RULES
from pipeline.quality.rules import NOT_NULL, VALUE_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Mask

WHY = "config/quality.yaml sets rows aside that break this rule of the contract"


def quarantining(actions: Mapping[str, str]) -> dict[str, tuple[Rule, ...]]:
    """By table, the rules whose action is `quarantine`.

    actions: `quality.actions` of the settings
    """
    rules: dict[str, tuple[Rule, ...]] = dict.fromkeys(RULES, ())
    for rule in sorted(name for name, action in actions.items() if action == "quarantine"):
        table, column, kind = rule.split(".")
        rules[table] += (Rule(rule, WHY, _find(column, kind), waits=True, fault="validity"),)
    return rules


def all_rules(actions: Mapping[str, str]) -> dict[str, tuple[Rule, ...]]:
    """The rules of cleaning, and after them those of the contracts."""
    return {name: (*RULES[name], *rules) for name, rules in quarantining(actions).items()}


def _find(column: str, kind: str) -> Callable[[Table, pd.DataFrame, Facts], Mask]:
    def find(table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
        missing = frame[column].isna().to_numpy(bool)
        if kind == NOT_NULL:
            return missing
        days = pd.to_datetime(frame["partition_day"], unit="D", utc=True).astype("datetime64[us, UTC]")
        holds = VALUE_RULES[table.name][column].holds(frame[column], days).fillna(value=True).to_numpy(bool)
        return np.asarray(~holds & ~missing, bool)

    return find
