"""Degrees, parts and score on findings that can be worked out in the head."""

import pandas as pd
import pytest

from pipeline.quality.choices import Score
from pipeline.quality.expectations import Expectation
from pipeline.quality.measures import Measure
from pipeline.quality.score import graded, quality_of, shortfalls
from pipeline.quality.suites import Finding

CHOICES = Score(minimum=80, weights={"volume": 1, "validity": 1, "freshness": 2})


def measured(part, observed, bound="range", met=False, lost_at=1.0, **bounds):
    measure = Measure(f"{part}.m", part, "events", "says", bound, 0.0, lost_at)
    expectation = Expectation(part, "day", "says", "kind", {"column": measure.name, **bounds}, measure)
    return graded([Finding(expectation, met, 0.0)], pd.Series({measure.name: observed}))[0]


def rows(part, unexpected):
    finding = Finding(Expectation(part, "events", "says", "kind", {"column": "value"}), unexpected == 0, unexpected)
    return graded([finding], pd.Series())[0]


@pytest.mark.parametrize(
    ("observed", "degree"), [(50, 0.5), (0, 0.0), (400, 0.5)], ids=["half of the least", "nothing", "twice the most"]
)
def test_a_range_is_missed_by_a_ratio(observed, degree):
    assert measured("volume", observed, min_value=100.0, max_value=200.0).degree == degree


@pytest.mark.parametrize(("observed", "degree"), [(0.2, 0.5), (0.3, 0.0), (0.9, 0.0)])
def test_a_most_is_missed_by_a_distance(observed, degree):
    found = measured("validity", observed, "most", lost_at=0.2, max_value=0.1)
    assert found.degree == pytest.approx(degree)


def test_a_met_expectation_is_worth_everything_and_rows_their_share():
    assert measured("volume", 150, met=True, min_value=100.0, max_value=200.0).degree == 1
    assert rows("validity", 0.25).degree == 0.75
    assert rows("validity", 0.0).degree == 1


def test_a_part_is_as_good_as_its_worst_and_the_score_is_weighted():
    quality = quality_of([rows("validity", 0.5), rows("validity", 0.0), rows("freshness", 0.0)], CHOICES)
    assert quality.parts == {"validity": 50.0, "freshness": 100.0}
    assert quality.score == pytest.approx(83.33)


def test_what_falls_short_is_named_with_what_was_seen_and_expected():
    quality = quality_of([measured("volume", 20, min_value=100.0, max_value=200.0), rows("freshness", 0.4)], CHOICES)
    first, second = shortfalls(quality, CHOICES)
    assert first == "volume 20: volume.m is 20 (says)"
    assert second.startswith("freshness 60: value is 40.00% break it")


def test_a_part_can_be_too_low_where_the_score_is_not():
    quality = quality_of([rows("volume", 0.7), rows("validity", 0.0), rows("freshness", 0.0)], CHOICES)
    assert quality.score > 80
    assert shortfalls(quality, CHOICES) == []
    strict = CHOICES.model_copy(update={"minimum_parts": {"volume": 50}})
    assert len(shortfalls(quality, strict)) == 1


def test_a_day_of_which_nothing_can_be_judged_is_good_enough():
    assert quality_of([], CHOICES).score == 100
