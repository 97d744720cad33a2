"""The interval beside RecTools: households that `quality.py` and `two_stage.py` judged are held against each other."""

from __future__ import annotations

import datetime as dt
import importlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.rolling import Week, write_users

BENCH = Path(__file__).resolve().parents[2] / "scripts/bench"
CUTS = [dt.date(2017, 11, 12), dt.date(2017, 11, 19)]
HOUSEHOLDS = [["1", "2", "3"], ["2", "3", "4"]]
OURS, THEIRS = [[0.4, 0.2, 0.3], [0.5, 0.1, 0.3]], [[0.1, 0.3, 0.3], [0.1, 0.2, 0.3]]


@pytest.fixture
def two_stage(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("two_stage")


@pytest.fixture
def left(tmp_path):
    """What `vitrine evaluate --weeks 2 --users` writes."""
    path = tmp_path / "bench" / "households.parquet"
    weeks = []
    for cut, users, ours in zip(CUTS, HOUSEHOLDS, OURS, strict=True):
        days = (cut + dt.timedelta(days=1), cut + dt.timedelta(days=7))
        values = {"release": {"ndcg@20": np.array(ours)}, "popular": {"ndcg@20": np.zeros(3)}}
        weeks.append(Week(cut, days, np.array(users), values, {}, {}, {}, 1, 1))
    write_users(path, weeks)
    return path


def theirs(two_stage, households):
    return [
        two_stage.Week(cut, "", np.array(users), np.array(values), {})
        for cut, users, values in zip(CUTS, households, THEIRS, strict=True)
    ]


def test_the_release_is_ahead_by_the_mean_of_what_it_is_for_each_household(two_stage, left):
    households = [HOUSEHOLDS[0], HOUSEHOLDS[1][::-1]]
    found = two_stage.ahead(theirs(two_stage, households), two_stage.release_of_households(left))
    second = [0.3 - 0.1, 0.1 - 0.2, 0.5 - 0.3]
    assert found.value == pytest.approx((np.mean([0.3, -0.1, 0.0]) + np.mean(second)) / 2)
    assert found.low < found.value < found.high


def test_other_households_are_not_compared(two_stage, left):
    with pytest.raises(SystemExit, match="other households"):
        two_stage.ahead(theirs(two_stage, [["1", "2", "9"], HOUSEHOLDS[1]]), two_stage.release_of_households(left))


def test_weeks_that_nobody_left_or_that_are_not_those_of_the_page_are_said_before_anything_is_measured(
    two_stage, left, tmp_path
):
    assert two_stage.release_of_households(tmp_path / "nothing") == {}
    with pytest.raises(SystemExit, match=r"quality.py --write first"):
        two_stage.require_households(CUTS, {})
    with pytest.raises(SystemExit, match=r"0\.3000 in .* on the page"):
        two_stage.require_households(CUTS[:1], two_stage.release_of_households(left))
