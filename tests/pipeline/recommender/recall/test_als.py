import numpy as np
from scipy import sparse

from pipeline.recommender.recall.als import Als, AlsConfig
from pipeline.recommender.recall.interest import HABIT, tastes
from tests.pipeline.recommender.shop import FEW_TASTES, NOW, asker, shop_of_tribes

EVENTS, _ = shop_of_tribes()
CONFIG = AlsConfig(factors=8, iterations=3, min_users=1)


def test_the_folded_in_factors_are_those_of_the_package():
    """The equation of the paper, solved by `implicit` for one user and here."""
    from implicit.als import AlternatingLeastSquares

    interest = tastes(EVENTS, len(FEW_TASTES), NOW, HABIT)
    source = Als.fit(EVENTS, FEW_TASTES, NOW, CONFIG)
    model = AlternatingLeastSquares(factors=8, regularization=CONFIG.regularization, alpha=1.0, num_threads=1)
    model.item_factors = np.zeros((len(FEW_TASTES), 8), np.float32)
    model.item_factors[source.index.rows] = source.index.vectors
    for user in (0, 7):
        row = sparse.csr_matrix(interest[[user]], dtype=np.float32)
        theirs = model.recalculate_user(np.array([user]), row)
        at, known = source.index.places(row.indices)
        ours = source._factors_of(source.index.vectors[at], row.data[known])
        assert np.allclose(ours, theirs, atol=1e-4)


def test_an_asker_of_unknown_items_is_offered_nothing():
    source = Als.fit(EVENTS, FEW_TASTES, NOW, AlsConfig(factors=4, iterations=1, min_users=81))
    assert not len(source.candidates(asker((0, 1)), 9).items)
