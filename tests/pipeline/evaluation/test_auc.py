import numpy as np
import pytest

from pipeline.evaluation.auc import auc, own_aucs


def test_a_tie_counts_half_and_one_kind_alone_says_nothing():
    assert auc(np.array([3, 2, 1]), np.array([True, True, False])) == 1
    assert auc(np.array([1, 1]), np.array([True, False])) == 0.5
    assert np.isnan(auc(np.array([1, 2]), np.array([True, True])))


def test_it_is_the_share_of_pairs_in_the_right_order():
    generator = np.random.default_rng(3)
    scores, bought = generator.integers(0, 9, 60).astype(float), generator.random(60) < 0.3
    pairs = [(high > low) + (high == low) / 2 for high in scores[bought] for low in scores[~bought]]
    assert auc(scores, bought) == pytest.approx(np.mean(pairs))


def test_every_user_has_an_own_one_and_who_has_one_kind_none():
    """Scores of the second user are all higher: right within each user, wrong between them."""
    scores = [np.array([2.0, 1.0]), np.array([9.0, 8.0, 7.0]), np.array([1.0])]
    bought = [np.array([True, False]), np.array([False, True, False]), np.array([True])]
    assert own_aucs(scores, bought).tolist() == pytest.approx([1, 0.5, np.nan], nan_ok=True)
    assert auc(np.concatenate(scores), np.concatenate(bought)) < 0.5
