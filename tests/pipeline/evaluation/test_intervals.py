import numpy as np

from pipeline.evaluation.intervals import REPLICATES, mean_intervals, resampled, weighted_intervals


def test_the_interval_of_a_constant_is_the_constant():
    (found,) = mean_intervals(np.full((7, 1), 3.0))
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_the_interval_is_as_wide_as_the_mean_is_uncertain():
    """Standard error of a mean of n values of standard deviation 1 is 1 / √n; 95 % is 1.96 of them to either side."""
    values = np.random.default_rng(5).normal(size=(2500, 1))
    (found,) = mean_intervals(values)
    assert abs((found.high - found.low) / (2 * 1.96 / 50) - 1) < 0.1
    assert found.low < values.mean() < found.high


def test_the_same_users_are_drawn_for_every_column():
    values = np.random.default_rng(1).normal(size=(50, 1))
    sums = resampled(np.hstack([values, 2 * values]), seed=3)
    assert sums.shape == (REPLICATES, 2)
    assert np.allclose(sums[:, 1], 2 * sums[:, 0])


def test_users_of_weight_0_are_not_there_and_of_weight_2_twice():
    values, weights = np.array([[1.0], [4.0], [9.0]]), np.array([[2.0], [1.0], [0.0]])
    (found,) = weighted_intervals(values, weights)
    assert (found.value, found.low, found.high) == (2.0, 1.0, 4.0)


def test_of_equal_weights_it_is_the_interval_of_the_mean():
    values = np.random.default_rng(1).normal(size=(50, 2))
    for one, other in zip(mean_intervals(values), weighted_intervals(values, np.full((50, 2), 3.0)), strict=True):
        assert np.allclose([one.value, one.low, one.high], [other.value, other.low, other.high])


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(1).normal(size=(50, 1))
    assert mean_intervals(values, seed=4) == mean_intervals(values, seed=4)
    assert mean_intervals(values, seed=4) != mean_intervals(values, seed=5)
