import numpy as np

from pipeline.recommender.recall.segment import Segment, SegmentConfig
from tests.pipeline.recommender.shop import FEW_TASTES, ITEMS_PER_TRIBE, NOW, TRIBES, asker, history, shop_of_tribes

EVENTS, _ = shop_of_tribes()


def test_segments_find_the_tribes():
    """Every list of a segment holds items of one tribe only."""
    source = Segment.fit(EVENTS, FEW_TASTES, NOW, SegmentConfig(segments=TRIBES))
    for tribe in range(TRIBES):
        found = source.candidates(asker((tribe * ITEMS_PER_TRIBE, 1)), 50).items
        assert len(found) > 20
        assert set((found // ITEMS_PER_TRIBE).tolist()) == {tribe}


def test_more_segments_than_users_are_as_many_as_users():
    source = Segment.fit(history((0, 0, 1), (1, 70, 1), users=3), FEW_TASTES, NOW, SegmentConfig(segments=9))
    assert len(source.centres) == 2
    assert source.candidates(asker((1, 1)), 9).items.tolist() == [0]
    assert np.isfinite(source.centres).all()
