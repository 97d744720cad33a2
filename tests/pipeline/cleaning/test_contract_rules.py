"""Rows that break a rule with the action `quarantine` are set aside by cleaning, with the rule as their reason."""

import datetime as dt

import pandas as pd
import pytest

from feature_store.schema import MAPPABLE_TABLES
from pipeline.cleaning.cleaner import apply_rules, day_number
from pipeline.cleaning.contract_rules import all_rules, quarantining
from pipeline.cleaning.rules import RULES

DAY = dt.date(2017, 7, 1)
NOON = pd.Timestamp("2017-07-01 12:00", tz="UTC")


def held(table, rule, **columns):
    """How many of these rows the rule sets aside."""
    frame = pd.DataFrame({**columns, "partition_day": day_number(DAY)})
    rules = quarantining({f"{table}.{rule}": "quarantine"})[table]
    cleaned = apply_rules(MAPPABLE_TABLES[table], rules, frame, [DAY], None)
    assert len(cleaned.frame) + len(cleaned.waiting) == len(frame)
    assert set(cleaned.waiting["reason"]) <= {f"{table}.{rule}"}
    return len(cleaned.waiting)


@pytest.mark.parametrize(
    ("rule", "column", "values", "count"),
    [
        ("user_id.filled", "user_id", ["u", "", None], 1),
        ("user_id.not_null", "user_id", ["u", "", None], 1),
        ("created_at.past", "created_at", [NOON, NOON + pd.Timedelta(days=1)], 1),
        ("updated_at.in_partition", "updated_at", [NOON, NOON - pd.Timedelta(days=1)], 1),
    ],
)
def test_only_rows_that_break_the_rule_are_set_aside(rule, column, values, count):
    assert held("orders", rule, **{column: values}) == count


def test_rules_that_block_or_warn_take_nothing_out():
    assert all_rules({"orders.user_id.filled": "warn", "orders.user_id.not_null": "block"}) == RULES
