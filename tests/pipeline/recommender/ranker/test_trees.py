"""The trees that serving reads from LightGBM's text score as LightGBM itself, bit for bit, whatever the values are."""

from __future__ import annotations

import json
from functools import cache

import lightgbm
import numpy as np
import pytest

from pipeline.recommender.ranker.model import MODEL
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.ranker.served import served
from pipeline.recommender.ranker.tree_text import MOST_LEAVES, read_trees
from pipeline.recommender.ranker.trees import TreeRanker
from tests.pipeline.recommender.ranker.graphs import first_column
from tests.pipeline.recommender.ranker.lessons import fitted

COLUMNS, ROWS = 6, 1500
QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_in_bin": 1, "seed": 1}
SMALLEST = np.float32(1e-45)
HOSTILE = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, SMALLEST, -SMALLEST, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 3.4e38, -3.4e38, 1e-38],
    np.float32,
)


@cache
def grown(leaves: int = 15, holes: bool = False, *, objective: str = "regression", categories: str = "auto", **more):
    """A booster of values about zero, small and great; with `holes`, of some that are missing too."""
    random = np.random.default_rng(leaves)
    matrix = random.normal(0, 10.0 ** np.arange(-2, COLUMNS - 2), (ROWS, COLUMNS)).astype(np.float32)
    matrix[:, 1] = np.abs(np.round(matrix[:, 1] * 20))
    matrix[::5, 2] = 0
    label = np.sin(3 * matrix[:, 0] / 0.01) + np.abs(matrix[:, 1]) + (matrix[:, 2] > 0) + (matrix[:, 4] < 20)
    if holes:
        matrix[::3, 0] = matrix[1::4, 4] = np.nan
    wanted = (label > 1.5).astype(int) if objective != "regression" else label
    parameters = {**QUIET, "objective": objective, "num_leaves": leaves, **more}
    data = lightgbm.Dataset(matrix, wanted, categorical_feature=[1] if categories == "some" else "auto")
    return lightgbm.train(parameters, data, 40)


def about_thresholds(booster, count: int) -> np.ndarray:
    """Rows of thresholds, of what lies just beside them, and of hostile values."""
    random, table = np.random.default_rng(3), booster.trees_to_dataframe().dropna(subset=["threshold"])
    rows = np.zeros((count, COLUMNS), np.float32)
    for at, name in enumerate(booster.feature_name()):
        with np.errstate(over="ignore"):
            told = table.loc[table["split_feature"] == name, "threshold"].to_numpy().astype(np.float32)
        near = [told, np.nextafter(told, np.float32(np.inf)), np.nextafter(told, np.float32(-np.inf)), HOSTILE]
        rows[:, at] = random.choice(np.concatenate(near), count)
    return rows


def read(booster) -> TreeRanker:
    found = read_trees(booster.model_to_string())
    assert found is not None
    return found


@pytest.mark.parametrize("holes", [False, True], ids=["", "missing values"])
@pytest.mark.parametrize("leaves", [2, 15, 16, 17, MOST_LEAVES])
def test_sums_are_lightgbms_to_the_bit(leaves: int, holes: bool) -> None:
    booster = grown(leaves, holes)
    rows = about_thresholds(booster, 2000)
    assert read(booster).sums(rows).tobytes() == booster.predict(rows, raw_score=True).tobytes()


def test_splits_on_both_sides_of_missing_values_were_tried() -> None:
    """Else the test above would not see a default direction turned round."""
    told = grown(15, holes=True).model_to_string()
    kinds = {kind for line in told.splitlines() if line.startswith("decision_type=") for kind in line[14:].split()}
    assert {"2", "8", "10"} <= kinds


def test_thresholds_at_zero_are_lightgbms_zero() -> None:
    """LightGBM reads everything up to 1e-35 from zero as zero; both of its bounds were tried."""
    bounds = {abs(value) for value in read(grown()).threshold.ravel().tolist()}
    assert any(value < 2e-35 for value in bounds)


@pytest.mark.parametrize("size", [1, 2, 3, 511, 512, 513, 1100])
def test_a_row_scores_the_same_in_any_company(size: int) -> None:
    ranker, rows = read(grown(31)), about_thresholds(grown(31), 1100)
    assert ranker.sums(rows[:size]).tobytes() == ranker.sums(rows)[:size].tobytes()


def test_nothing_to_score_is_no_score() -> None:
    assert read(grown()).score(np.empty((0, COLUMNS), np.float32)).shape == (0,)


def test_rows_are_left_alone_and_scores_are_float32() -> None:
    rows = about_thresholds(grown(), 50)
    rows.setflags(write=False)
    assert read(grown()).score(rows).dtype == np.float32


def test_trees_without_a_split_are_constants() -> None:
    booster = lightgbm.train({**QUIET, "objective": "regression"}, lightgbm.Dataset(np.ones((50, 2)), np.ones(50)), 3)
    rows = np.ones((4, 2), np.float32)
    assert read(booster).sums(rows).tobytes() == booster.predict(rows, raw_score=True).tobytes()


@pytest.mark.parametrize(
    "booster",
    [
        lambda: grown(MOST_LEAVES + 1),
        lambda: grown(zero_as_missing=True),
        lambda: grown(linear_tree=True),
        lambda: grown(boosting="rf", bagging_freq=1, bagging_fraction=0.5),
        lambda: grown(categories="some"),
        lambda: grown(objective="multiclass", num_class=2),
    ],
    ids=["more leaves", "zeros are missing", "lines in leaves", "a forest", "categories", "classes"],
)
def test_what_it_cannot_score_exactly_it_does_not_read(booster) -> None:
    assert read_trees(booster().model_to_string()) is None


class TestWhatIsServed:
    def folder(self, path, ranker: str):
        fitted().save(path)
        (path / "schema.json").write_text(json.dumps({"ranker": ranker, "native": "model.txt"}))
        return path

    def test_lightgbm_is_scored_with_its_own_trees(self, tmp_path) -> None:
        assert isinstance(served(self.folder(tmp_path, "lightgbm")), TreeRanker)

    def test_a_ranker_that_only_holds_such_trees_is_scored_whole(self, tmp_path) -> None:
        assert isinstance(served(self.folder(tmp_path, "another")), OnnxRanker)

    def test_trees_that_cannot_be_read_are_scored_with_onnx(self, tmp_path) -> None:
        self.folder(tmp_path, "lightgbm")
        (tmp_path / "model.txt").write_text(grown(MOST_LEAVES + 1).model_to_string())
        assert isinstance(served(tmp_path), OnnxRanker)

    def test_a_folder_without_a_schema_has_an_onnx_file(self, tmp_path) -> None:
        (tmp_path / MODEL).write_bytes(first_column(3))
        assert isinstance(served(tmp_path), OnnxRanker)
