"""Fewer candidates than are offered: places count, and what the sources weigh."""

from __future__ import annotations

import numpy as np

from pipeline.recommender.fusion import fused
from pipeline.recommender.recall.source import Candidates


def offers(*items: int) -> Candidates:
    return Candidates(np.array(items, np.int32), np.arange(len(items), 0, -1).astype(np.float32))


def kept(most: int, **weights: float) -> set[int]:
    found = fused({"one": offers(7, 8, 9), "two": offers(3, 9, 4)}, weights, most)
    return {int(item) for offered in found.values() for item in offered.items}


def test_what_two_sources_offer_is_worth_more_than_the_first_place_of_one() -> None:
    assert kept(1, one=1, two=1) == {9}


def test_a_heavy_source_is_heard_before_a_light_one() -> None:
    assert kept(3, one=5, two=1) == {7, 8, 9}
    assert kept(3, one=1, two=5) == {3, 9, 4}


def test_of_equal_places_the_lower_rows_stay() -> None:
    assert kept(2, one=1, two=1) == {9, 3}


def test_what_stays_keeps_order_and_scores_of_its_source() -> None:
    found = fused({"one": offers(7, 8, 9)}, {"one": 1.0}, 2)["one"]
    assert found.items.tolist() == [7, 8]
    assert found.scores.tolist() == [3, 2]
