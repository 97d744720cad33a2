import numpy as np
import pytest

from pipeline.recommender.recall.itemcf import ItemCF, ItemCFConfig
from tests.pipeline.recommender.shop import FEW_TASTES, NOW, asker, catalog, history, shop_of_tribes

SHOP = catalog(["a"] * 6)
ALL = ItemCFConfig(min_users=1)


def fitted(*events, users=4, config=ALL):
    return ItemCF.fit(history(*events, users=users), SHOP, NOW, config)


def test_what_is_wanted_together_is_near():
    together = fitted((0, 0, 5), (0, 1, 5), (1, 0, 5), (1, 1, 5), (2, 2, 5), (2, 3, 5))
    assert together.candidates(asker((0, 1)), 9).items.tolist() == [1]
    assert together.candidates(asker((3, 1)), 9).items.tolist() == [2]


def test_an_item_is_no_neighbour_of_itself():
    assert fitted((0, 0, 5), (1, 0, 5)).candidates(asker((0, 1)), 9).items.tolist() == []


def test_norm_power_one_is_the_cosine():
    """Item 0 by users 0 and 1, item 1 by user 0 only: 1 common user over sqrt(2) times sqrt(1)."""
    plain = fitted((0, 0, 5), (1, 0, 5), (0, 1, 5), config=ItemCFConfig(min_users=1, norm_power=1.0))
    assert plain.neighbours.weights.tolist() == pytest.approx([2**-0.5, 2**-0.5])


def test_a_lower_norm_power_prefers_neighbours_that_many_want():
    """All who want 0 want 1, of which others want more; the one user of 2 wants 0 as well."""
    wanted = [(user, 0, 5) for user in range(4)] + [(user, 1, 5) for user in range(9)] + [(0, 2, 5)]
    rare, common = (fitted(*wanted, users=9, config=ItemCFConfig(min_users=1, norm_power=p)) for p in (3.0, 0.0))
    assert rare.candidates(asker((0, 1)), 1).items.tolist() == [2]
    assert common.candidates(asker((0, 1)), 1).items.tolist() == [1]


def test_items_of_too_few_users_are_left_out():
    events = [(0, 0, 5), (0, 1, 5), (1, 0, 5), (1, 1, 5), (1, 2, 5)]
    config = ItemCFConfig(min_users=2)
    assert fitted(*events, config=config).candidates(asker((0, 1)), 9).items.tolist() == [1]


def test_only_the_strongest_items_of_a_user_count():
    events = [(0, 0, 5), (0, 0, 12), (0, 1, 5), (0, 1, 12), (0, 2, 5)]
    config = ItemCFConfig(min_users=1, items_per_user=2)
    assert fitted(*events, config=config).candidates(asker((0, 1)), 9).items.tolist() == [1]


def test_the_size_of_blocks_changes_no_byte():
    events, _ = shop_of_tribes()
    small, large = (
        ItemCF.fit(events, FEW_TASTES, NOW, ItemCFConfig(block_products=products)) for products in (1, 10**9)
    )
    for name, array in small.arrays().items():
        assert np.array_equal(array, large.arrays()[name])


def test_no_item_has_more_neighbours_than_asked_for():
    events, _ = shop_of_tribes()
    source = ItemCF.fit(events, FEW_TASTES, NOW, ItemCFConfig(neighbours=7))
    assert np.diff(source.neighbours.offsets).max() == 7


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("jaccard", [1 / 2, 1 / 2]),  # one user wants both, two want either
        ("conditional", [1 / 2 / 1, 1 / 1 / 2]),  # of two users of 0 one wants 1; over what each is wanted in all
    ],
)
def test_similarities_by_hand(similarity, expected):
    """Item 0 by users 0 and 1, item 1 by user 0 only; interest is 1 where its logarithm is log 2."""
    config = ItemCFConfig(min_users=1, similarity=similarity, norm_power=1.0)
    found = fitted((0, 0, 0), (1, 0, 0), (0, 1, 0), config=config)
    assert found.neighbours.weights.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "conditional", "bm25"])
def test_every_similarity_finds_its_own_tribe(similarity):
    events, _ = shop_of_tribes()
    source = ItemCF.fit(events, FEW_TASTES, NOW, ItemCFConfig(similarity=similarity))
    found = source.candidates(asker((0, 1)), 20).items
    assert len(found) == 20
    assert (found < 60).all()


def test_what_was_wanted_together_long_ago_counts_less():
    events = [(0, 0, 400), (0, 1, 400), (1, 0, 400), (1, 1, 400), (2, 0, 3), (2, 2, 3), (3, 0, 3), (3, 2, 3)]
    assert fitted(*events).candidates(asker((0, 1)), 9).items.tolist() == [2, 1]
