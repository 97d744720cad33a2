"""What the user has wanted before, most and latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from pipeline.recommender.recall.interest import Decay, taste
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History


@dataclass(frozen=True)
class PersonalConfig:
    """How fast an old habit fades."""

    decay: Decay = Decay(half_lives_days=(14.0, 90.0), shares=(0.3, 0.7))
    """90 days orders habits best on next-week purchases; a part of two weeks lifts what the user has just taken up."""


@dataclass(frozen=True)
class Personal(RecallSource):
    """The asker's own items by decayed frequency; the index is nothing but the decay.

    decay: (2, half-lives), as `Decay.array`
    """

    name: ClassVar[str] = "personal"
    decay: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        history: History,  # noqa: ARG003 - what others did says nothing of a habit
        catalog: Catalog,  # noqa: ARG003
        as_of: int,  # noqa: ARG003
        config: PersonalConfig = PersonalConfig(),
    ) -> Self:
        return cls(config.decay.array())

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The asker's own items; none without history. Scores are baskets, each worth less the older it is."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        return best(items, interest, k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"decay": self.decay}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(arrays["decay"])
