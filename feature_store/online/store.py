"""What an online store promises, whichever server keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from feature_store.online.recent import Event


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


@dataclass(frozen=True)
class Found:
    """What the store holds of a user.

    version: name of the version that readers see
    record:  as of the snapshot, and after it what the user did since; None for somebody of whom nothing is known
    recent:  the events of `record` that the snapshot does not know, rows of `recent.RECENT`
    """

    version: str
    record: UserRecord | None
    recent: bytes


class OnlineWriter(Protocol):
    """Fills the store; used by the sync stage only."""

    def require_room(self, sizes: NDArray[np.integer]) -> None:
        """Return when packed records of these `sizes` (users,) fit beside what is there; what dead writers left is
        deleted first.

        Raises:
            OnlineStoreError: they do not; nothing was written.
        """

    def write(self, version: Version, records: Iterable[tuple[str, UserRecord]]) -> int:
        """Write a whole version under its own keys, verify a sample by reading back, then move the pointer to it.

        Returns the bytes written. Readers see the old version until the pointer moves; a version that was being
        written when the process died is never seen. The version before stays readable for a grace period.

        Raises:
            OnlineStoreError: the store cannot be reached, is read-only or out of memory, or reads back something else.
        """


class OnlineReader(Protocol):
    """Answers serving; every call is bounded by the timeout given when it was opened."""

    async def read(self, user_id: str) -> Found:
        """What the current version holds of the user, and what they did since; one round trip.

        Raises:
            OnlineStoreError: unreachable or too slow.
            FeatureSetMismatchError: the current version was made by another feature set than this code's.
        """

    async def version(self) -> Version | None:
        """The current version, None when nothing was ever synced."""

    async def close(self) -> None: ...


class OnlineHistory(Protocol):
    """Takes what users do between two syncs; readers see it at once, and a sync leaves it where it is."""

    async def append(self, events: Sequence[Event]) -> int:
        """Keep the events that are not there yet (by `event_id`), of each kind the user's latest; how many were new.

        Raises:
            OnlineStoreError: unreachable, too slow or full, or an event of an unknown kind; sending them again is safe.
        """

    async def close(self) -> None: ...
