"""What an online store promises, whichever server keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class UserRecord:
    """Everything serving knows of one user, as of the end of a day.

    values:  (stored user features,) float32
    item, time, kind, quantity, value: (events,) the user's latest events, oldest first; `item` holds stable item keys
    """

    as_of: int
    values: NDArray[np.float32]
    item: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: NDArray[np.uint8]
    quantity: NDArray[np.float32]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class Version:
    """The version that readers see."""

    feature_set: str
    name: str
    as_of: int
    users: int


class OnlineWriter(Protocol):
    """Fills the store; used by the sync stage only."""

    def write(self, version: Version, records: Iterable[tuple[str, UserRecord]]) -> int:
        """Write a whole version under its own keys, verify a sample by reading back, then move the pointer to it.

        Returns the bytes written. Readers see the old version until the pointer moves; a version that was being
        written when the process died is never seen. The version before stays readable for a grace period.

        Raises:
            OnlineStoreError: the store cannot be reached, is read-only or out of memory, or reads back something else.
        """


class OnlineReader(Protocol):
    """Answers serving; every call is bounded by the timeout given when it was opened."""

    async def read(self, user_id: str) -> UserRecord | None:
        """The user's record in the current version, None for an unknown user; one round trip.

        Raises:
            OnlineStoreError: unreachable or too slow.
            FeatureSetMismatchError: the current version was made by another feature set than this code's.
        """

    async def version(self) -> Version | None:
        """The current version, None when nothing was ever synced."""

    async def close(self) -> None: ...
