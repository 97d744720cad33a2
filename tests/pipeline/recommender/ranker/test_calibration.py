"""A score read as a probability: right on rows nobody trained on, and never another order."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.recommender.probability import ScoreTable
from pipeline.recommender.ranker.calibration import (
    calibrated,
    calibration_report,
    expected_error,
    reliability,
)


def judged(seed: int = 0, rows: int = 20_000):
    """Scores, and labels that are bought with the chance 1 / (1 + exp(2 - 3 score))."""
    random = np.random.default_rng(seed)
    scores = random.normal(-0.5, 0.7, rows)
    return scores, (random.random(rows) < 1 / (1 + np.exp(2 - 3 * scores))).astype(np.int8)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_what_is_expected_happens_on_other_rows(method) -> None:
    table, (scores, label) = calibrated(*judged(), method), judged(seed=1)
    assert expected_error(reliability(table.probability(scores), label)) < 0.01
    assert table.probability(np.array([0.0]))[0] == pytest.approx(1 / (1 + np.exp(2)), abs=0.02)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_no_list_changes_its_order(method) -> None:
    scores, label = judged()
    probability = calibrated(scores, label, method).probability(np.sort(scores))
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_the_table_is_the_same_after_json() -> None:
    table = calibrated(*judged(), "isotonic")
    again = ScoreTable.from_json(table.as_json())
    assert again.probability(judged()[0]).tobytes() == table.probability(judged()[0]).tobytes()


def test_the_report_trusts_only_askers_it_was_not_made_from() -> None:
    """Every other asker makes the table that is measured; labels without sense in the rest are seen as an error."""
    scores, label = judged()
    asker = np.arange(len(scores)) // 100
    fair = calibration_report(scores, label, asker, "isotonic")
    odd = calibration_report(scores, np.where(asker % 2, 1, label), asker, "isotonic")
    assert fair["expected_calibration_error"] < 0.02
    assert odd["expected_calibration_error"] > 0.5
    assert sum(row["rows"] for row in fair["reliability"]) == len(scores) / 2


def test_without_purchases_or_rows_there_is_no_table() -> None:
    scores, label = judged(rows=10)
    assert calibrated(scores, 0 * label, "isotonic") is None
    assert calibrated(scores, label, "none") is None
    assert calibration_report(scores[:0], label[:0], label[:0], "isotonic") is None
