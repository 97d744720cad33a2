"""Every ranker keeps the same promises: it learns the order, it comes back from its own file, ONNX says the same."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipeline.audits.leaks import separation
from pipeline.recommender.ranker.blend import spread_in_lists
from pipeline.recommender.ranker.choice import RANKERS, ranker_class
from pipeline.recommender.ranker.choices import (
    DeepFMChoices,
    LightGBMChoices,
    LogisticChoices,
    NetworkChoices,
    TrainingChoices,
    XGBoostChoices,
)
from pipeline.recommender.ranker.explanation import summary
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.ranker.served import scorer
from tests.pipeline.recommender.ranker.lessons import FEATURES, lessons

QUICK = TrainingChoices(
    lightgbm=LightGBMChoices(trees=15, leaves=8, min_rows_per_leaf=5),
    logistic=LogisticChoices(inverse_penalty=1),
    xgboost=XGBoostChoices(trees=15, depth=3),
    network=NetworkChoices(hidden=(16, 8), passes=12, learning_rate=0.01, slowing=1, batch_rows=128),
    deepfm=DeepFMChoices(factors=4, hidden=(16, 8), passes=12, learning_rate=0.01, batch_rows=128),
)
KINDS = {
    **dict.fromkeys(RANKERS, QUICK),
    "lightgbm binary": QUICK.model_copy(
        update={"lightgbm": LightGBMChoices(objective="binary", trees=15, leaves=8, min_rows_per_leaf=5)}
    ),
    "xgboost binary": QUICK.model_copy(
        update={"xgboost": XGBoostChoices(objective="binary:logistic", trees=15, depth=3)}
    ),
}
ASKED = lessons(seed=5, askers=20, rows=30)


@cache
def taught(position: bool):
    """Lessons with further targets, every third row shown second, the others first where positions are told."""
    plain = lessons()
    happened = plain.label.astype(np.float32)
    targets = {"click": np.maximum(happened, np.arange(len(happened)) % 7 == 0), "gmv": happened * 4}
    place = 1 + (np.arange(len(happened)) % 3 == 0)
    return replace(plain, targets=targets, position=place.astype(np.float32) if position else None)


@cache
def made(kind: str, position: bool = False):
    """The ranker; DeepFM's tests need the extra `deep`."""
    name = kind.split(maxsplit=1)[0]
    if name == "deepfm" and importlib.util.find_spec("torch") is None:
        pytest.skip("NOT TESTED: DeepFM needs torch (`pip install vitrine[deep]`)")
    return ranker_class(name).fit(taught(position), FEATURES, KINDS[kind], seed=1, threads=1)


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["", "position"])
def ranker(request, kind: str):
    return made(kind, request.param)


def test_it_puts_first_what_is_bought_by_askers_it_has_not_seen(kind: str) -> None:
    """The logistic line cannot see that an item is due at 6 and not at 12; the others can."""
    scores = made(kind).score(ASKED.matrix).astype(np.float32)
    assert separation(scores, ASKED.label) > (0.7 if kind == "logistic" else 0.85)


def test_onnx_says_what_the_native_model_says(ranker, tmp_path) -> None:
    ranker.save(tmp_path)
    wanted, found = ranker.score(ASKED.matrix), OnnxRanker(tmp_path / "model.onnx").score(ASKED.matrix)
    assert np.abs(wanted - found).max() < 2e-5
    assert found.std() > 0.01


def test_what_serves_says_what_the_native_model_says(ranker, tmp_path) -> None:
    ranker.save(tmp_path)
    found = scorer(tmp_path, ranker.name, ranker.native).score(ASKED.matrix)
    assert np.abs(ranker.score(ASKED.matrix) - found).max() < 2e-5


def test_it_comes_back_from_its_own_file(ranker, tmp_path) -> None:
    ranker.save(tmp_path)
    assert (tmp_path / ranker.native).is_file()
    again = type(ranker).load(tmp_path)
    assert np.abs(again.score(ASKED.matrix) - ranker.score(ASKED.matrix)).max() < 1e-6
    assert not list(tmp_path.glob("*.pkl"))


def test_the_same_lessons_make_the_same_files(kind: str, tmp_path) -> None:
    name = kind.split(maxsplit=1)[0]
    made(kind)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        ranker_class(name).fit(taught(False), FEATURES, KINDS[kind], seed=1, threads=1).save(tmp_path / folder)
    one = tmp_path / "one"
    files = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file() and path.suffix != ".npz"]
    assert Path("model.onnx") in files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_it_explains_itself(ranker) -> None:
    explained = ranker.explain(ASKED.matrix)
    assert set(explained.importance) == set(FEATURES)
    assert sum(explained.importance.values()) == pytest.approx(1)
    assert next(iter(explained.importance)) in {"user_item_basket_count", "user_item_due"}
    assert explained.contributions.shape == ASKED.matrix.shape
    told = summary(explained, FEATURES, ASKED.matrix)["features"]["user_item_basket_count"]["bands"]
    assert told[-1]["contribution"] > told[0]["contribution"]


def test_what_is_missing_is_scored_and_alike_in_onnx(kind: str, tmp_path) -> None:
    ranker = made(kind)
    ranker.save(tmp_path)
    holes = ASKED.matrix.copy()
    holes[::2, 1] = holes[::3, 3] = np.nan
    found = OnnxRanker(tmp_path / "model.onnx").score(holes)
    assert np.isfinite(found).all()
    assert np.abs(found - ranker.score(holes)).max() < 2e-5


def test_what_never_varied_in_the_lessons_moves_no_score(kind: str, tmp_path) -> None:
    """Such as the hour: examples are all asked at the end of a day, lists at every hour."""
    name, plain = kind.split(maxsplit=1)[0], taught(False)
    made(kind)
    same = plain.matrix.copy()
    same[:, 4] = 2.9
    ranker = ranker_class(name).fit(replace(plain, matrix=same), FEATURES, KINDS[kind], seed=1, threads=1)
    ranker.save(tmp_path)
    usual, other = ASKED.matrix.copy(), ASKED.matrix.copy()
    usual[:, 4], other[:, 4] = 2.9, np.linspace(-50, 50, len(other))
    assert np.abs(ranker.score(usual) - ranker.score(other)).max() < 1e-6
    onnx = OnnxRanker(tmp_path / "model.onnx")
    assert np.abs(onnx.score(usual) - onnx.score(other)).max() < 1e-6


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"deepfm", "network", "blend"}])
def test_a_row_alone_is_the_row_in_a_batch(kind: str, tmp_path) -> None:
    """Networks multiply matrices, which may round by their size."""
    made(kind).save(tmp_path)
    onnx = OnnxRanker(tmp_path / "model.onnx")
    scores = onnx.score(ASKED.matrix)
    for row in range(0, len(scores), 37):
        assert onnx.score(ASKED.matrix[row : row + 1]).tobytes() == scores[row].tobytes()


class TestSeveralTargets:
    def test_a_scene_says_what_each_is_worth(self, tmp_path) -> None:
        ranker = made("multitask")
        ranker.save(tmp_path)
        onnx = OnnxRanker(tmp_path / "model.onnx")
        assert onnx.targets == ("click", "purchase", "gmv")
        for worth in ({"click": 1.0}, {"purchase": 2.0, "gmv": 0.1}):
            assert np.abs(onnx.score(ASKED.matrix, worth) - ranker.score(ASKED.matrix, worth)).max() < 2e-5
        assert onnx.score(ASKED.matrix).tobytes() == onnx.score(ASKED.matrix, {"purchase": 1.0}).tobytes()
        clicks, bought = onnx.score(ASKED.matrix, {"click": 1.0}), onnx.score(ASKED.matrix)
        assert clicks.mean() > bought.mean() > 0.1

    def test_money_is_expected_in_its_unit(self) -> None:
        """Every purchase of the lessons costs 4."""
        expected = made("multitask").expected(ASKED.matrix)
        assert expected[:, 2].mean() == pytest.approx(4 * ASKED.label.mean(), rel=0.25)

    def test_a_target_that_never_happens_has_no_head(self) -> None:
        nothing = replace(taught(False), targets={"cart": np.zeros(len(taught(False).label), np.float32)})
        assert tuple(ranker_class("multitask").fit(nothing, FEATURES, QUICK, seed=1, threads=1).heads) == ("purchase",)


def test_a_blend_counts_its_parts_whatever_their_scales() -> None:
    """Of the usual distance by which a score moves within a list, each part makes its share."""
    blend, lists = made("blend"), taught(False)
    moved = [blend.weights[name] * part.score(lists.matrix) for name, part in blend.parts.items()]
    assert [spread_in_lists(each, lists.asker) for each in moved] == pytest.approx([0.3, 0.7])
