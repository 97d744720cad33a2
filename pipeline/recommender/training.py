"""A ranker fitted to examples, and everything that is written beside it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from feature_store.registry import feature_set_id
from pipeline.recommender.ranker.calibration import calibration_report
from pipeline.recommender.ranker.choice import ranker_class
from pipeline.recommender.ranker.explanation import some_rows, summary
from pipeline.recommender.ranker.served import scorer
from pipeline.recommender.recall import recall_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import TrainingChoices
    from pipeline.recommender.ranker.model import TrainedRanker
    from pipeline.settings import Settings

NOTEBOOK = "notebook"
"""Folder of what is for notebooks only: it is in no release, and nothing here reads it."""


def fitted(examples: Examples, features: Sequence[str], settings: Settings) -> TrainedRanker:
    """The ranker that the settings choose."""
    training = settings.training
    known = examples if training.position == "feature" else _without_position(examples)
    chosen = ranker_class(training.ranker)
    return chosen.fit(known, features, training, seed=settings.seed, threads=settings.compute.threads)


def write_ranker(
    folder: Path,
    ranker: TrainedRanker,
    features: Sequence[str],
    examples: Examples,
    held_out: Examples,
    *,
    training: TrainingChoices,
    worth: Mapping[str, float],
) -> dict[str, Any]:
    """Write the ranker, `schema.json`, `explanation.json`, `calibration.json` and `notebook/rank_model.pkl` into
    `folder`; returns what calibration found, nothing where there is none.

    held_out: rows that the ranker was not trained on, with every candidate of their askers
    """
    ranker.save(folder)
    rows = some_rows(examples.matrix)
    explained = ranker.explain(rows)
    scores = scorer(folder, ranker.name, ranker.native).score(held_out.matrix, worth)
    calibration = calibration_report(scores, held_out.label, held_out.asker, training.calibration)
    schema = {
        "feature_set": feature_set_id(),
        "recall_code": recall_code(),
        "ranker": ranker.name,
        "native": ranker.native,
        "features": list(features),
        "importance": explained.importance,
        "calibration": calibration and calibration["table"],
    }
    write_json(folder / "schema.json", schema)
    write_json(folder / "explanation.json", summary(explained, features, rows))
    write_json(folder / "calibration.json", calibration)
    (folder / NOTEBOOK).mkdir()
    with (folder / NOTEBOOK / "rank_model.pkl").open("wb") as file:
        pickle.dump(ranker, file)
    return calibration or {}


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _without_position(examples: Examples) -> Examples:
    return replace(examples, position=None)
