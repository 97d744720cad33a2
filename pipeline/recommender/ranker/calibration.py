"""Scores read as probabilities: a table from score to the part of such rows that were bought.

The table never falls, and lists are ordered by the score itself, so no list changes through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.recommender.probability import ScoreTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["isotonic", "platt", "none"]
_POINTS = 64
"""Of the table: between them it is a straight line."""
_DIGITS = 7


def calibrated(scores: NDArray[np.floating], label: NDArray[np.integer], method: Method) -> ScoreTable | None:
    """The table of rows that the ranker was not trained on; None where all were bought, or none, or nobody asks.

    isotonic: the never falling step function nearest to the labels (Zadrozny & Elkan, KDD 2002);
    platt: a sigmoid of the score (Platt, 1999), for when there are few rows
    """
    if method == "none" or not 0 < label.sum() < len(label):
        return None
    found = np.asarray(scores, np.float64)
    points = np.unique(np.quantile(found, np.linspace(0, 1, _POINTS) ** 0.25))  # most where scores are high
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        curve = IsotonicRegression(y_min=0, y_max=1).fit(found, label).predict(points)
    else:
        from sklearn.linear_model import LogisticRegression

        centre, spread = found.mean(), found.std() or 1.0
        model = LogisticRegression(C=1e6).fit(((found - centre) / spread)[:, None], label)
        curve = model.predict_proba(((points - centre) / spread)[:, None])[:, 1]
    rising = np.maximum.accumulate(np.round(curve, _DIGITS))
    return ScoreTable(points, rising)


def reliability(
    probability: NDArray[np.floating], label: NDArray[np.integer], bins: int = 10
) -> list[dict[str, float]]:
    """What a reliability plot draws: bins of equally many rows by probability, each with the mean `expected`, the part
    that `happened`, and its `rows`.
    """
    order = np.argsort(probability, kind="stable")
    return [
        {
            "expected": float(np.round(probability[rows].mean(), _DIGITS)),
            "happened": float(np.round(label[rows].mean(), _DIGITS)),
            "rows": len(rows),
        }
        for rows in np.array_split(order, min(bins, len(order)))
    ]


def expected_error(bins: list[dict[str, float]]) -> float:
    """Expected calibration error: the mean distance of what is expected from what happened, by rows."""
    rows = np.array([b["rows"] for b in bins])
    distance = np.array([abs(b["expected"] - b["happened"]) for b in bins])
    return float((rows * distance).sum() / rows.sum())


def calibration_report(
    scores: NDArray[np.floating], label: NDArray[np.integer], asker: NDArray[np.integer], method: Method
) -> dict[str, Any] | None:
    """The table of all rows, and how far to trust it: what one made from every other asker says of the rest.

    asker: (n,) number of the row's asker
    """
    whole, even = calibrated(scores, label, method), asker % 2 == 0
    half = calibrated(scores[even], label[even], method)
    if whole is None or half is None or even.all():
        return None
    bins = reliability(half.probability(scores[~even]), label[~even])
    return {
        "method": method,
        "askers": len(np.unique(asker)),
        "rows": len(label),
        "bought": int(label.sum()),
        "expected_calibration_error": float(f"{expected_error(bins):.4g}"),
        "reliability": bins,
        "table": whole.as_json(),
    }
