"""What a ranker is: to whoever asks for a list, and to whoever trains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.recommender.ranker.choices import TrainingChoices

MODEL = "model.onnx"
"""What every ranker exports; `served.py` says what evaluation judges and serving runs."""


class Ranker(Protocol):
    """Scores rows of features; higher is better, comparable within one request only."""

    def score(self, matrix: NDArray[np.float32], worth: Mapping[str, float] | None = None) -> NDArray[np.float32]:
        """(n, features) float32 -> (n,) float32. `worth`: what each target counts, to a ranker of several targets."""


@dataclass(frozen=True)
class Explanation:
    """Why rows have their scores.

    importance: feature -> its part of what the whole model learned, highest first, together 1
    contributions: (n, features), what each feature adds to a row's score against the model's usual one
    """

    importance: Mapping[str, float]
    contributions: NDArray[np.float32]


class TrainedRanker(Protocol):
    """A ranker in the hands of the pipeline; one file of this package each, `choice.RANKERS` names them all."""

    name: ClassVar[str]
    native: ClassVar[str]
    """Its own file beside `model.onnx`, from which it is loaded again; never a pickle."""

    @classmethod
    def fit(
        cls, examples: Examples, features: Sequence[str], training: TrainingChoices, *, seed: int, threads: int
    ) -> Self:
        """The same examples, choices, seed and number of threads give the same bytes.

        Raises:
            PipelineError: a package of its extra is not installed.
        """

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, features) float32 -> (n,): what `model.onnx` says too, within rounding and for equal worths."""

    def save(self, folder: Path) -> None:
        """Write the native file and `model.onnx`."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From the native file."""

    def explain(self, matrix: NDArray[np.float32]) -> Explanation:
        """Of the rows (n, features) float32."""
