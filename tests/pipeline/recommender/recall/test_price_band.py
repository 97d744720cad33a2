import numpy as np

from feature_store.history import build_history
from pipeline.recommender.recall.price_band import PriceBand, PriceBandConfig, paid_per_piece, price_bands
from tests.pipeline.recommender.shop import DAY, NOW, asker, catalog

SHOP = catalog(["milk"] * 4 + ["wine"] * 4)
PRICES = np.array([1.0, 1.2, 3.0, 4.0, 5.0, 6.0, 50.0, 60.0])


def shop():
    """Eight users buy one item each, two pieces of it."""
    user, item = np.arange(8), np.arange(8)
    pieces, time = np.full(8, 2.0), np.full(8, NOW - DAY)
    return build_history(user, item, time, np.zeros(8, int), pieces, pieces * PRICES, users=8)


def test_prices_are_of_a_piece():
    assert np.allclose(paid_per_piece(shop(), 9), [*PRICES, 0])


def test_bands_are_cut_within_a_group_and_hold_as_many_items():
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert price_bands(PRICES, group, 2).tolist() == [1, 1, 2, 2, 1, 1, 2, 2]


def test_equal_prices_share_a_band_and_what_has_no_price_has_its_own():
    assert price_bands(np.array([2.0, 2.0, 2.0, 9.0, 0.0]), np.zeros(5, int), 4).tolist() == [1, 1, 1, 4, 0]


def test_who_buys_dear_milk_is_offered_dear_milk():
    source = PriceBand.fit(shop(), SHOP, NOW, PriceBandConfig(bands=2))
    assert set(source.candidates(asker((3, 1)), 9).items.tolist()) == {2, 3}
    assert set(source.candidates(asker((5, 1)), 9).items.tolist()) == {4, 5}
