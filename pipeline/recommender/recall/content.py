"""Items whose title and tags are like those of what the user wants: also those that nobody has wanted yet.

The vectors are those of `feature_store/text.py`: TF-IDF over words, trigrams and tags, reduced to a few directions; or
those of a sentence encoder (`sentences.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from pipeline.recommender.recall.interest import HABIT, Decay, taste
from pipeline.recommender.recall.search import NUMPY, SearchConfig, VectorIndex, vector_index
from pipeline.recommender.recall.sentences import sentence_vectors
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class ContentConfig:
    """What the asker's own vector is made of, what reads texts, and who searches."""

    decay: Decay = HABIT
    embedding: Literal["tfidf", "sentence"] = "tfidf"
    model: str = ""
    """Of `sentence`: the folder of the encoder."""
    dimensions: int = 64
    """Of `sentence`: numbers kept of a vector, 4 bytes each in a release; searching takes as long as there are."""
    search: SearchConfig = NUMPY


@dataclass(frozen=True)
class Content(RecallSource):
    """The items nearest to the mean of the asker's.

    index: all items with a text; decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "content"
    config: ClassVar[type[ContentConfig]] = ContentConfig
    index: VectorIndex
    decay: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,  # noqa: ARG003 - what was wanted says nothing of texts
        catalog: Catalog,
        as_of: int,  # noqa: ARG003
        config: ContentConfig = ContentConfig(),
    ) -> Self:
        sentence = config.embedding == "sentence"
        text = sentence_vectors(catalog, config.model, config.dimensions) if sentence else catalog.text
        told = np.flatnonzero(text.any(axis=1))
        return cls(vector_index(told, text[told], catalog.available, config.search), config.decay.array())

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The nearest items by cosine, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        return self.index.nearest(self.index.profile(items, interest), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {**self.index.arrays(), "decay": self.decay}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(VectorIndex.from_arrays(arrays), np.asarray(arrays["decay"], np.float64))
