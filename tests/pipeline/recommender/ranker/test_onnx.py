"""The ONNX file scores as the booster it was made from, and a row as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.recommender.ranker.choices import LightGBMChoices, TrainingChoices
from pipeline.recommender.ranker.onnx import OnnxRanker
from tests.pipeline.recommender.ranker.graphs import first_column
from tests.pipeline.recommender.ranker.lessons import fitted, lessons

ROWS = lessons(seed=5, askers=100, rows=20).matrix


@pytest.fixture(scope="module")
def booster():
    """As many trees as the shipped settings have."""
    return fitted(training=TrainingChoices(lightgbm=LightGBMChoices(min_rows_per_leaf=5)))


@pytest.fixture(scope="module")
def ranker(booster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranker")
    booster.save(folder)
    return OnnxRanker(folder / "model.onnx")


def test_scores_are_the_boosters_within_a_hundred_thousandth(booster, ranker) -> None:
    assert np.abs(ranker.score(ROWS) - booster.score(ROWS)).max() < 1e-5


def test_the_order_is_the_boosters(booster, ranker) -> None:
    """Rows that the booster holds equal may differ by rounding; no other pair changes places."""
    order = np.argsort(booster.score(ROWS), kind="stable")
    wanted, found = booster.score(ROWS)[order], ranker.score(ROWS)[order]
    assert ((np.diff(found) >= 0) | (np.diff(wanted) < 1e-6)).all()


def test_a_row_alone_is_the_row_in_a_batch(ranker) -> None:
    scores = ranker.score(ROWS)
    for row in range(0, len(ROWS), 7):
        assert ranker.score(ROWS[row : row + 1]).tobytes() == scores[row].tobytes()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 15, 16, 17, 49, 50, 51, 127, 128, 129, 300, 1000, 2000])
def test_a_batch_of_any_size_says_the_same_of_a_row(ranker, size: int) -> None:
    rows = np.random.default_rng(size).choice(len(ROWS), size, replace=False)
    assert ranker.score(ROWS[rows]).tobytes() == ranker.score(ROWS)[rows].tobytes()


def test_loaded_again_it_scores_the_same_bytes(booster, ranker, tmp_path) -> None:
    booster.save(tmp_path)
    assert OnnxRanker(tmp_path / "model.onnx").score(ROWS).tobytes() == ranker.score(ROWS).tobytes()


def test_one_float32_a_row(ranker) -> None:
    assert ranker.score(ROWS).shape == (len(ROWS),)
    assert ranker.score(ROWS).dtype == np.float32


def test_nothing_to_score_is_no_score(ranker) -> None:
    assert ranker.score(ROWS[:0]).shape == (0,)


def test_rows_may_be_read_only_and_are_left_alone(ranker) -> None:
    rows = ROWS.copy()
    rows.setflags(write=False)
    ranker.score(rows)
    assert rows.tobytes() == ROWS.tobytes()


def test_any_graph_with_one_input_and_one_score_will_do(tmp_path) -> None:
    (tmp_path / "model.onnx").write_bytes(first_column(ROWS.shape[1]))
    assert OnnxRanker(tmp_path / "model.onnx").score(ROWS).tolist() == ROWS[:, 0].tolist()
