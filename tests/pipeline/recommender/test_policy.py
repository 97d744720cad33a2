"""What may be in a list, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.catalog import build_catalog
from feature_store.schema import LEVELS
from pipeline.recommender.policy import allowed, arrange
from tests.pipeline.recommender.releases import scene
from tests.pipeline.recommender.shop import catalog, history

CATALOG = catalog(["milk", "milk", "milk", "bread", "bread", "soap"])
EVERYTHING = np.arange(6, dtype=np.int32)
FREE = scene({})


def shown(scores: list[float], size: int = 6, items: np.ndarray = EVERYTHING, **rules) -> list[int]:
    """The items of the list, in its order."""
    arranged = arrange(items, np.array(scores, np.float32), CATALOG, scene({}, **rules), size)
    return items[arranged.order].tolist()


def kept(past=(), exclude=(), **rules) -> list[int]:
    return np.flatnonzero(allowed(EVERYTHING, CATALOG, history(*past), scene({}, **rules), exclude)).tolist()


def test_everything_may_be_shown_where_nothing_forbids_it() -> None:
    assert kept([(0, 1, 3)]) == [0, 1, 2, 3, 4, 5]


def test_what_the_request_excludes_is_left_out_and_unknown_ids_do_no_harm() -> None:
    ids = ["item zero", "item one"]
    assert kept(exclude=["never heard of"]) == [0, 1, 2, 3, 4, 5]
    known = build_catalog(ids, ids, {level: ["", ""] for level in LEVELS})
    may = allowed(np.array([0, 1], np.int32), known, history(), FREE, ["item one", "never heard of"])
    assert known.ids[np.array([0, 1])[may]].tolist() == ["item zero"]


def test_what_was_bought_is_left_out_where_the_scene_says_so() -> None:
    past = [(0, 1, 3), (0, 4, 9), (0, 5, 1, "view")]
    assert kept(past, exclude_bought=True) == [0, 2, 3, 5]
    assert kept(past) == [0, 1, 2, 3, 4, 5]


def test_nothing_to_choose_from_is_nothing_to_show() -> None:
    nothing = np.empty(0, np.int32)
    assert allowed(nothing, CATALOG, history(), FREE, ["a"]).tolist() == []
    assert shown([], items=nothing) == shown([], items=nothing, max_per_category=1) == []


def test_the_best_score_comes_first() -> None:
    assert shown([1, 6, 3, 5, 4, 2]) == [1, 3, 4, 2, 5, 0]


@pytest.mark.parametrize("rules", [{}, {"max_per_category": 9}])
def test_equal_scores_come_in_order_of_row_wherever_they_stand(rules) -> None:
    turned = EVERYTHING[::-1].copy()
    assert shown([1, 1, 1, 2, 1, 1], **rules) == [3, 0, 1, 2, 4, 5]
    assert shown([1, 1, 2, 1, 1, 1], items=turned, **rules) == [3, 0, 1, 2, 4, 5]


def test_a_list_is_as_long_as_asked_or_as_there_is() -> None:
    assert shown([6, 5, 4, 3, 2, 1], size=2) == [0, 1]
    assert shown([6, 5, 4, 3, 2, 1], size=0) == []
    assert len(shown([6, 5, 4, 3, 2, 1], size=99)) == 6


@pytest.mark.parametrize(
    ("most", "wanted"), [(1, [0, 3, 5, 1, 2, 4]), (2, [0, 1, 3, 4, 5, 2]), (3, [0, 1, 2, 3, 4, 5])]
)
def test_one_category_takes_only_its_share_until_nothing_else_is_left(most: int, wanted: list[int]) -> None:
    assert shown([6, 5, 4, 3, 2, 1], max_per_category=most) == wanted


def test_a_short_list_keeps_the_share() -> None:
    assert shown([6, 5, 4, 3, 2, 1], size=3, max_per_category=1) == [0, 3, 5]


def test_exploring_keeps_the_share_of_a_category() -> None:
    scores = np.array([6, 5, 4, 3, 2, 1], np.float32)
    rules = scene({}, max_per_category=1, explore={"share": 1, "candidates": 6})
    lists = [arrange(EVERYTHING, scores, CATALOG, rules, 5, f"home r-{number}") for number in range(50)]
    assert {frozenset(each.order[:3].tolist()) for each in lists} == {frozenset({0, 3, 5})}
    assert len({tuple(each.order[:3].tolist()) for each in lists}) == 6
    assert {tuple(each.order[3:].tolist()) for each in lists} == {(1, 2)}
    assert {tuple(each.propensity.tolist()) for each in lists} == {(1 / 3, 1 / 3, 1 / 3, 1.0, 1.0)}


def test_nothing_is_drawn_without_a_draw_or_where_the_scene_does_not_explore() -> None:
    scores = np.array([6, 5, 4, 3, 2, 1], np.float32)
    exploring = scene({}, explore={"share": 1, "candidates": 6})
    for rules, draw in ((exploring, ""), (FREE, "home r-1")):
        arranged = arrange(EVERYTHING, scores, CATALOG, rules, 6, draw)
        assert arranged.order.tolist() == [0, 1, 2, 3, 4, 5]
        assert arranged.propensity is None


@pytest.mark.parametrize("seed", range(5))
def test_the_share_agrees_with_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = [f"group {number}" for number in random.integers(0, 7, 60)]
    large, items = catalog(groups), random.permutation(60)[:40].astype(np.int32)
    scores = random.integers(0, 9, 40).astype(np.float32)
    ranked = sorted(range(40), key=lambda at: (-scores[at], items[at]))
    first, late, seen = [], [], dict.fromkeys(groups, 0)
    for at in ranked:
        (first if seen[groups[items[at]]] < 3 else late).append(at)
        seen[groups[items[at]]] += 1
    assert arrange(items, scores, large, scene({}, max_per_category=3), 25).order.tolist() == (first + late)[:25]
