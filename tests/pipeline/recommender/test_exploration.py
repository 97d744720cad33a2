"""What some requests see in random order, and how likely it was."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.recommender.exploration import explored
from pipeline.settings import Explore

ORDER = np.array([7, 3, 9, 1, 4, 0], np.intp)
HALF = Explore(share=0.5, candidates=4)


def lists(choices: Explore, size: int, requests: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    found = [explored(ORDER, choices, f"home r-{number}", size) for number in range(requests)]
    return np.stack([order for order, _ in found]), np.stack([propensity for _, propensity in found])


def test_an_item_stands_in_a_place_as_often_as_its_propensity_says() -> None:
    shown, propensity = lists(HALF, 6)
    for place in range(6):
        for item in ORDER:
            there = shown[:, place] == item
            if not there.any():
                continue
            (told,) = np.unique(propensity[there, place])
            assert abs(there.mean() - told) <= 4 * np.sqrt(told * (1 - told) / len(shown)), (place, item)


def test_the_best_list_is_likelier_by_what_does_not_explore_and_the_rest_is_certain() -> None:
    shown, propensity = lists(HALF, 6)
    best = shown[:, :4] == ORDER[:4]
    assert np.unique(propensity[:, :4][best]).tolist() == [0.5 / 4 + 0.5]
    assert np.unique(propensity[:, :4][~best]).tolist() == [0.5 / 4]
    assert (shown[:, 4:] == ORDER[4:]).all()
    assert (propensity[:, 4:] == 1).all()


def test_more_candidates_than_places_let_in_what_would_have_come_later() -> None:
    shown, propensity = lists(Explore(share=1, candidates=6), 2)
    assert set(shown.ravel()) == set(ORDER)
    assert np.unique(propensity).tolist() == [1 / 6]


def test_a_list_has_every_item_once() -> None:
    shown, _ = lists(HALF, 6, requests=200)
    assert (np.sort(shown, axis=1) == np.sort(ORDER)).all()


def test_the_same_request_draws_the_same_for_ever() -> None:
    always = Explore(share=1, candidates=6)
    assert explored(ORDER, always, "home r-1", 6)[0].tolist() == [4, 1, 7, 0, 3, 9]
    assert explored(ORDER, always, "cart r-1", 6)[0].tolist() != [4, 1, 7, 0, 3, 9]


@pytest.mark.parametrize("candidates", [0, 1])
def test_where_there_is_nothing_to_draw_all_is_certain(candidates: int) -> None:
    order, propensity = explored(ORDER[:candidates], HALF, "home r-1", 6)
    assert order.tolist() == ORDER[:candidates].tolist()
    assert propensity.tolist() == [1.0] * candidates
