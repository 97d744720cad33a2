"""The ranker learns an order, and the same lessons make the same ranker, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.recommender.ranker.choices import LightGBMChoices, TrainingChoices
from tests.pipeline.recommender.ranker.lessons import FEATURES, TRAINING, digest, fitted, lessons

FEWER_LEAVES = TrainingChoices(lightgbm=LightGBMChoices(trees=30, leaves=4, min_rows_per_leaf=5))
REPOSITORY = Path(__file__).resolve().parents[4]


def text(booster) -> str:
    return booster.booster.model_to_string(importance_type="gain")


@pytest.fixture(scope="module")
def booster():
    return fitted()


def test_the_same_lessons_make_the_same_bytes(booster) -> None:
    assert text(fitted()) == text(booster)


def test_a_fresh_process_makes_the_same_bytes(booster) -> None:
    command = [sys.executable, "-m", "tests.pipeline.recommender.ranker.lessons"]
    made = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert made.stdout == digest(text(booster))


def test_both_files_are_the_same_when_saved_twice(booster, tmp_path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        booster.save(tmp_path / name)
    for file in ("model.txt", "model.onnx"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_another_seed_or_other_settings_make_another_ranker(booster) -> None:
    """The seed chooses the features that each tree may use."""
    for other in (
        fitted(seed=2),
        fitted(
            training=TRAINING.model_copy(update={"lightgbm": LightGBMChoices(trees=30, leaves=4, min_rows_per_leaf=5)})
        ),
    ):
        assert other.score(lessons().matrix).tolist() != booster.score(lessons().matrix).tolist()


def test_it_puts_what_is_bought_first(booster) -> None:
    """On askers it has not seen, the best of 30 by its score is bought four times in five; by chance one in five."""
    unseen = lessons(seed=9)
    best = booster.score(unseen.matrix).reshape(-1, 30).argmax(axis=1)
    assert unseen.label.reshape(-1, 30)[np.arange(60), best].mean() > 0.8


def test_askers_are_compared_within_themselves_only() -> None:
    """Askers who each bought everything or nothing teach no order: every row has the same score."""
    plain = lessons()
    everything = replace(plain, label=np.repeat(np.arange(60) % 2, 30).astype(np.int8))
    assert len(set(fitted(examples=everything).score(plain.matrix).tolist())) == 1


def test_importance_names_every_feature_once_highest_first_and_adds_up(booster) -> None:
    shares = booster.explain(lessons().matrix[:10]).importance
    assert set(shares) == set(FEATURES)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(list(shares)[:2]) == {"user_item_basket_count", "user_item_due"}


def test_it_has_as_many_trees_as_the_settings_say_and_knows_its_columns(booster) -> None:
    assert booster.booster.num_trees() == TRAINING.lightgbm.trees
    assert tuple(booster.booster.feature_name()) == FEATURES
