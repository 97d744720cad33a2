"""Several rankers' scores added up, each in its own usual distance between the items of one list.

Trees and networks err differently; their sum ranks better than either (docs/results.md).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.ranker.choice import ranker_class
from pipeline.recommender.ranker.explanation import shares
from pipeline.recommender.ranker.model import MODEL, Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import PartName, TrainingChoices
    from pipeline.recommender.ranker.model import Ranker, TrainedRanker

NATIVE = "blend.json"


@dataclass(frozen=True)
class Part:
    """One ranker of a saved blend. native: its own file; weight: what one unit of its score counts"""

    ranker: PartName
    native: str
    weight: float


@dataclass(frozen=True)
class Blend:
    """parts: name -> ranker; weights: name -> what one unit of its score counts"""

    name: ClassVar[str] = "blend"
    native: ClassVar[str] = NATIVE
    parts: Mapping[PartName, TrainedRanker]
    weights: Mapping[PartName, float]

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        parts = {
            name: ranker_class(name).fit(examples, features, training, seed=seed, threads=threads)
            for name in training.blend.parts
        }
        return cls.weighed(parts, training.blend.parts, examples)

    @classmethod
    def weighed(
        cls, parts: Mapping[PartName, TrainedRanker], shares: Mapping[PartName, float], examples: Examples
    ) -> Self:
        """Fitted parts that count by `shares`, each in its usual spread within the lists of `examples`."""
        weights = {}
        for name, share in shares.items():
            spread = spread_in_lists(parts[name].score(examples.matrix), examples.asker)
            weights[name] = share / spread if spread else 0.0
        return cls({name: parts[name] for name in shares}, weights)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        scores = [self.weights[name] * part.score(matrix) for name, part in self.parts.items()]
        return np.asarray(np.sum(scores, axis=0), np.float64)

    def save(self, folder: Path) -> None:
        """`blend.json`, each part whole in a folder of its name, and `model.onnx`, which is their sum."""
        from pipeline.recommender.ranker.graph import added_up, write

        for name, part in self.parts.items():
            (folder / name).mkdir()
            part.save(folder / name)
        told = [asdict(Part(name, part.native, self.weights[name])) for name, part in self.parts.items()]
        (folder / self.native).write_text(json.dumps({"parts": told}, indent=1) + "\n", encoding="utf-8")
        write(added_up({folder / name / MODEL: weight for name, weight in self.weights.items()}), folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        told = parts_of(folder)
        parts = {part.ranker: ranker_class(part.ranker).load(folder / part.ranker) for part in told}
        return cls(parts, {part.ranker: part.weight for part in told})

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Each part's contributions times its weight; importance is the mean of theirs."""
        explained = {name: part.explain(matrix) for name, part in self.parts.items()}
        added = np.sum([self.weights[name] * each.contributions for name, each in explained.items()], axis=0)
        names = sorted(next(iter(explained.values())).importance)
        importance = np.sum([[each.importance[name] for name in names] for each in explained.values()], axis=0)
        return Explanation(shares(names, importance), added.astype(np.float32))


@dataclass(frozen=True)
class BlendScorer:
    """The blend as serving scores it: each part by its own quickest scorer."""

    parts: Sequence[tuple[Ranker, np.float32]]

    def score(self, matrix: NDArray[np.float32], worth: Mapping[str, float] | None = None) -> NDArray[np.float32]:
        total = np.zeros(len(matrix), np.float32)
        for part, weight in self.parts:
            total += weight * part.score(matrix, worth)
        return total


def parts_of(folder: Path) -> list[Part]:
    """The parts of a saved blend, each whole in the folder of its name."""
    return [Part(**part) for part in json.loads((folder / NATIVE).read_text(encoding="utf-8"))["parts"]]


def spread_in_lists(scores: NDArray[np.float64], asker: NDArray[np.int64]) -> float:
    """The usual distance of a score (n,) from the mean of its list; a ranker's scale says nothing else."""
    rows = np.maximum(np.bincount(asker), 1)
    mean = np.bincount(asker, scores) / rows
    return float(np.sqrt(np.mean((scores - mean[asker]) ** 2)))
