"""Networks learn what a feature means beside another, by slopes that are the loss's own, and answer their mean."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.audits.leaks import separation
from pipeline.recommender.examples import Examples
from pipeline.recommender.ranker.choices import NetworkChoices, TrainingChoices
from pipeline.recommender.ranker.layered import through_layers
from pipeline.recommender.ranker.network import Network, _crossed, _slopes, _start

CHOICES = TrainingChoices(
    network=NetworkChoices(hidden=(8,), passes=20, learning_rate=0.01, slowing=0.9, batch_rows=64)
)


def test_slopes_are_those_of_the_loss() -> None:
    """Each against the loss a little further on either side, in the precision of doubles."""
    random = np.random.default_rng(1)
    rows, label = random.normal(size=(30, 5)), (random.random(30) < 0.4).astype(float)
    weights = {name: values.astype(float) for name, values in _start(5, (4, 3), random).items()}
    weights |= {
        name: random.normal(size=values.shape) for name, values in weights.items() if name.startswith(("b", "s"))
    }

    def loss(name: str, place: tuple[int, ...], step: float) -> float:
        moved = {**weights, name: weights[name].copy()}
        moved[name][place] += step
        odds = _crossed(rows, moved)
        for at in range(3):
            odds = odds @ moved[f"layer{at}"] + moved[f"shift{at}"]
            odds = odds if at == 2 else np.maximum(odds, 0)
        return float(np.mean(np.logaddexp(0, odds[:, 0]) - label * odds[:, 0]))

    slopes = _slopes(rows, label, weights)
    assert slopes.keys() == weights.keys()
    for name, found in slopes.items():
        for place in np.ndindex(found.shape):
            expected = (loss(name, place, 1e-6) - loss(name, place, -1e-6)) / 2e-6
            assert found[place] == pytest.approx(expected, abs=1e-7), name


def lists(seed: int) -> Examples:
    """A thing is liked when two features of five have the same sign: neither says anything alone."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(2000, 5)).astype(np.float32)
    liked = (matrix[:, 1] * matrix[:, 3] > 0).astype(np.int8)
    return Examples(matrix, liked, np.full(100, 20, np.int32))


def test_a_feature_is_read_by_another() -> None:
    network = Network.fit(lists(1), list("abcde"), CHOICES, seed=1, threads=1)
    asked = lists(2)
    assert separation(network.score(asked.matrix), asked.label) > 0.97


def test_members_differ_and_answer_their_mean() -> None:
    network = Network.fit(lists(1), list("abcde"), CHOICES, seed=1, threads=1)
    rows = np.random.default_rng(3).normal(size=(7, 5)).astype(np.float32)
    alone = [
        Network(
            network.columns,
            {name: values[member : member + 1] for name, values in network.arrays.items() if values.ndim == 3},
        ).forward(rows)
        for member in range(3)
    ]
    assert np.abs(network.forward(rows) - np.mean(alone, axis=0)).max() < 1e-5
    assert np.std(alone, axis=0).min() > 0
    assert through_layers(_crossed(rows, network.arrays), network.arrays).shape == (3, 7)
