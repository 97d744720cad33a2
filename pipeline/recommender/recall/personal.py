"""What the user has wanted before, most and latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from pipeline.recommender.recall.interest import Decay, taste
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History

_WHIM_TO_HABIT = Decay(half_lives_days=(14.0, 60.0, 365.0), shares=(0.2, 0.4, 0.4))


@dataclass(frozen=True)
class PersonalConfig:
    """How fast an old habit fades."""

    decay: Decay = _WHIM_TO_HABIT
    """The mixture orders the whole history: 90 days alone is as good among the first 20 (recall 0.193 and 0.192),
    but loses below (0.390 and 0.393 at 200), where old habits all fade to the same nothing."""


@dataclass(frozen=True)
class Personal(RecallSource):
    """The asker's own items by decayed frequency; the index is the decay, and what is on sale.

    decay: (2, half-lives), as `Decay.array`; available: (items,), empty where the release does not know
    """

    name: ClassVar[str] = "personal"
    config: ClassVar[type[PersonalConfig]] = PersonalConfig
    decay: NDArray[np.float64]
    available: NDArray[np.bool_]

    @classmethod
    def fit(
        cls,
        history: History,  # noqa: ARG003 - what others did says nothing of a habit
        catalog: Catalog,
        as_of: int,  # noqa: ARG003
        config: PersonalConfig = PersonalConfig(),
    ) -> Self:
        return cls(config.decay.array(), catalog.available)

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """The asker's own items, none without history. Scores are baskets, each worth less the older it is."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        if len(self.available):
            interest = interest * self.available[items]
        return best(items, interest, k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"decay": self.decay, "available": self.available}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        available = arrays.get("available", np.empty(0, bool))
        return cls(np.asarray(arrays["decay"], np.float64), np.asarray(available, bool))
