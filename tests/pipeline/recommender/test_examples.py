"""Examples are what recall would have offered, every purchase among it, and a fair choice of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.registry import ranker_features
from pipeline.recommender.examples import Examples, join, make_examples, sample
from pipeline.recommender.recommend import Offer
from tests.pipeline.recommender.releases import Offers, defaults, scene
from tests.pipeline.recommender.shop import NOW, catalog, history

CATALOG = catalog(["milk", "bread"] * 10)
PAST = history((0, 3, 5), (1, 4, 2), (1, 5, 2), (3, 3, 1), users=4)
ARRAYS = ("matrix", "label", "group")
VALUES = np.zeros((4, 99), np.float32)
OFFERED = Offer(
    np.arange(0, 20, 2, dtype=np.int32),
    {"one": np.arange(10, dtype=np.float32), "two": np.full(10, np.nan, np.float32)},
)


def rows(*items: int) -> np.ndarray:
    return np.array(items, np.int32)


def drawn(bought, negatives: int, seed: int = 0) -> tuple[Offer, np.ndarray]:
    return sample(OFFERED, rows(*bought), negatives, np.random.default_rng(seed))


def made(*askers, negatives: int = 99, seed: int = 0, offered=range(20), features=("user_item_basket_count",)):
    return make_examples(
        [(user, rows(*bought)) for user, bought in askers],
        history=PAST,
        user_values=VALUES,
        item_side=defaults(CATALOG),
        recall={"offers": Offers(list(offered))},
        scene=scene({"offers": 20}),
        asked_at=NOW,
        features=features,
        negatives=negatives,
        generator=np.random.default_rng(seed),
    )


class TestSample:
    @pytest.mark.parametrize("seed", range(10))
    def test_every_offered_purchase_is_kept_and_at_most_so_many_others(self, seed: int) -> None:
        found, label = drawn([0, 6, 18], 4, seed)
        assert found.items[label == 1].tolist() == [0, 6, 18]
        assert (label == 0).sum() == 4
        assert (np.diff(found.items) > 0).all()

    def test_what_recall_did_not_offer_is_no_example(self) -> None:
        found, label = drawn([1, 3, 6], 99)
        assert found.items.tolist() == OFFERED.items.tolist()
        assert found.items[label == 1].tolist() == [6]

    def test_scores_stay_beside_their_items(self) -> None:
        found, _ = drawn([0, 6], 3)
        assert found.scores["one"].tolist() == (found.items / 2).tolist()
        assert np.isnan(found.scores["two"]).all()

    def test_every_other_item_may_be_drawn(self) -> None:
        seen = {item for seed in range(60) for item in drawn([0], 2, seed)[0].items.tolist()}
        assert seen == set(OFFERED.items.tolist())

    def test_the_same_seed_draws_the_same(self) -> None:
        assert drawn([0], 3, 5)[0].items.tolist() == drawn([0], 3, 5)[0].items.tolist()
        assert any(drawn([0], 3, 5)[0].items.tolist() != drawn([0], 3, seed)[0].items.tolist() for seed in range(9))


class TestExamples:
    def test_each_asker_is_a_group_of_rows_one_after_the_other(self) -> None:
        found = made((1, [4, 7]), (0, [3]), negatives=5)
        assert found.group.tolist() == [7, 6]
        assert [part.sum() for part in np.split(found.label, [7])] == [2, 1]
        assert found.matrix.shape == (13, 1)
        assert (found.matrix.dtype, found.label.dtype, found.group.dtype) == (np.float32, np.int8, np.int32)

    def test_a_row_describes_its_own_asker(self) -> None:
        """User 0 bought item 3, user 1 items 4 and 5, user 2 nothing."""
        found = made((1, [7]), (2, [7]), (0, [7]))
        counts = found.matrix[:, 0].reshape(3, 20)
        assert [np.flatnonzero(own).tolist() for own in counts] == [[4, 5], [], [3]]
        assert [np.flatnonzero(own).tolist() for own in found.label.reshape(3, 20)] == [[7]] * 3

    def test_who_bought_nothing_that_was_offered_teaches_nothing(self) -> None:
        assert made((0, []), (1, [19]), (3, [2]), offered=range(10)).group.tolist() == [10]

    def test_who_bought_everything_that_was_offered_teaches_nothing(self) -> None:
        assert made((0, range(20)), (1, [4])).group.tolist() == [20]

    @pytest.mark.parametrize("askers", [(), ((0, []),)])
    def test_nobody_to_learn_from_is_no_rows(self, askers) -> None:
        found = made(*askers, features=ranker_features()[:5])
        assert found.matrix.shape == (0, 5)
        assert len(found.label) == len(found.group) == 0

    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        one, other = (made((0, [3]), (1, [4]), negatives=5, seed=2) for _ in range(2))
        assert [getattr(one, name).tobytes() for name in ARRAYS] == [getattr(other, name).tobytes() for name in ARRAYS]

    def test_weeks_are_joined_in_their_order(self) -> None:
        week = Examples(np.ones((2, 1), np.float32), rows(1, 0).astype(np.int8), rows(2))
        nothing = Examples(np.empty((0, 1), np.float32), np.empty(0, np.int8), rows())
        found = join([week, nothing, made((0, [3]))])
        assert found.group.tolist() == [2, 20]
        assert len(found.label) == len(found.matrix) == 22
