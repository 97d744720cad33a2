"""What is usual follows from the days before; too few of them say nothing."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from feature_store.schema import MAPPABLE_TABLES
from pipeline.quality.choices import Quality
from pipeline.quality.expectations import contract_expectations, day_expectations
from pipeline.quality.measures import Measure, _distances
from pipeline.quality.rules import VALUE_RULES

DAY = dt.date(2017, 7, 1)
CHOICES = Quality(tolerance=0.5, min_reference_days=3)


def bounds(measure, *values):
    """The arguments of the one expectation of a measure whose last value is the day's; none: it is not judged."""
    found = list(day_expectations([measure], pd.DataFrame({measure.name: values}), CHOICES))
    return [each.arguments for each in found]


def test_a_range_is_widened_at_both_ends():
    rows = Measure("orders.rows", "volume", "orders", "rows", "range")
    assert bounds(rows, 100.0, 120.0, 200.0, 7.0) == [{"column": "orders.rows", "min_value": 50.0, "max_value": 300.0}]
    assert bounds(rows, 100.0, 200.0, 7.0) == []
    assert bounds(rows, 100.0, 120.0, 200.0, np.nan) == []


def test_a_most_has_a_floor_and_grows_with_what_was_usual():
    faults = Measure("orders.faults", "validity", "orders", "faults", "most", 0.02)
    assert bounds(faults, 0.0) == [{"column": "orders.faults", "max_value": 0.02}]
    assert bounds(faults, 0.0, 0.2, 0.0)[0]["max_value"] == pytest.approx(0.3)


@pytest.mark.parametrize("name", MAPPABLE_TABLES)
def test_every_rule_of_the_contract_is_expected(name):
    found = list(contract_expectations(name, DAY))
    filled = [column for column, definition in MAPPABLE_TABLES[name].columns.items() if not definition.nullable]
    assert len(found) == len(filled) + len(VALUE_RULES[name]) + 1


def test_the_distance_of_mixes_is_the_share_that_would_have_to_move():
    usual = pd.Series({"bread": 0.5, "milk": 0.5})
    distances = _distances([usual, usual, pd.Series({"bread": 0.25, "milk": 0.5, "beer": 0.25})])
    assert distances.tolist() == [0.0, 0.0, 0.25]
