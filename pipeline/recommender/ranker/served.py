"""What a trained ranker is scored with: by evaluation, by calibration and by serving."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from pipeline.recommender.ranker.blend import BlendScorer, parts_of
from pipeline.recommender.ranker.model import MODEL
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.ranker.tree_text import read_trees

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.recommender.ranker.model import Ranker


def served(folder: Path) -> Ranker:
    """The ranker of a folder, as its `schema.json` names it; a folder without one has an ONNX file."""
    schema = folder / "schema.json"
    told = json.loads(schema.read_text(encoding="utf-8")) if schema.is_file() else {}
    return scorer(folder, told.get("ranker"), told.get("native", ""))


def scorer(folder: Path, name: str | None, native: str) -> Ranker:
    """LightGBM's own trees where this code can read them, to the bit what LightGBM says (decision 11); else
    `model.onnx`, which every ranker has. A blend is scored part by part.
    """
    if name == "blend":
        return BlendScorer(
            tuple(
                (scorer(folder / part.ranker, part.ranker, part.native), np.float32(part.weight))
                for part in parts_of(folder)
            )
        )
    trees = read_trees((folder / native).read_text(encoding="utf-8")) if name == "lightgbm" else None
    return trees or OnnxRanker(folder / MODEL)
