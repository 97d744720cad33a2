"""What users did, as flat arrays: the form in which matrix, recall and online store all read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

from feature_store.schema import EVENT_KINDS

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class History:
    """Events of several users: the events of user `u` are `offsets[u]:offsets[u + 1]`, oldest first.

    offsets:  (users + 1,) int64
    item:     (events,) int32, row in the catalog; events of items outside it are not held
    time:     (events,) int64, seconds since 1970 UTC; events of one basket share their time
    kind:     (events,) uint8, index in `schema.EVENT_KINDS`
    quantity: (events,) float32, pieces
    value:    (events,) float32, money paid
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    kind: NDArray[np.uint8]
    quantity: NDArray[np.float32]
    value: NDArray[np.float32]

    @property
    def users(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def user(self) -> NDArray[np.int32]:
        """The user row of each event, shape (events,)."""
        return np.repeat(np.arange(self.users, dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def baskets_later(self) -> NDArray[np.int64]:
        """How many baskets (moments) of the same user lie after each event's own, shape (events,)."""
        opens = np.ones(len(self.item), bool)
        opens[1:] = (self.time[1:] != self.time[:-1]) | (self.user[1:] != self.user[:-1])
        number = np.cumsum(opens)
        last = np.maximum(self.offsets[1:] - 1, 0)
        return (number[last][self.user] - number) if len(number) else number

    def of(self, user: int) -> History:
        """The history of one user, as views."""
        return self.between(user, user + 1)

    def between(self, first: int, last: int) -> History:
        """The histories of the users from `first` to before `last`, as views."""
        start, end = int(self.offsets[first]), int(self.offsets[last])
        return History(
            self.offsets[first : last + 1] - start,
            self.item[start:end],
            self.time[start:end],
            self.kind[start:end],
            self.quantity[start:end],
            self.value[start:end],
        )

    def take(self, users: NDArray[np.integer]) -> History:
        """The histories of some users, in the order given."""
        counts = np.diff(self.offsets)[users]
        starts = np.repeat(self.offsets[:-1][users] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        events = (starts + np.arange(counts.sum())).astype(np.int64)
        return History(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            self.item[events],
            self.time[events],
            self.kind[events],
            self.quantity[events],
            self.value[events],
        )

    def of_kind(self, kind: str) -> History:
        """The events of one kind (`schema.EVENT_KINDS`)."""
        wanted = self.kind == EVENT_KINDS.index(kind)
        return self if wanted.all() else self.select(wanted)

    def select(self, keep: NDArray[np.bool_]) -> History:
        """The events for which `keep` (events,) is true; every user stays, perhaps without events."""
        counts = np.bincount(self.user[keep], minlength=self.users)
        return History(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            self.item[keep],
            self.time[keep],
            self.kind[keep],
            self.quantity[keep],
            self.value[keep],
        )

    def latest(self, events: Mapping[str, int]) -> History:
        """At most so many last events of each kind of each user: what a bounded online store keeps.

        Every kind has a bound of its own, so that what was merely shown never pushes out what was bought; a kind
        without a bound is not kept.
        """
        keep = np.zeros(len(self.item), bool)
        for kind, most in events.items():
            own = np.flatnonzero(self.kind == EVENT_KINDS.index(kind))
            counts = np.bincount(self.user[own], minlength=self.users)
            keep[own] = np.repeat(np.cumsum(counts), counts) - np.arange(len(own)) <= most
        return self if keep.all() else self.select(keep)

    def before(self, time: int) -> History:
        """The events strictly before `time` (seconds since 1970 UTC)."""
        return self.select(self.time < time)


def empty_history(users: int = 1) -> History:
    """Histories of users who have done nothing yet."""
    return History(
        np.zeros(users + 1, np.int64),
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.empty(0, np.uint8),
        np.empty(0, np.float32),
        np.empty(0, np.float32),
    )


def build_history(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    time: NDArray[np.integer],
    kind: NDArray[np.integer],
    quantity: NDArray[np.floating],
    value: NDArray[np.floating],
    *,
    users: int,
) -> History:
    """A history from events in any order; all arrays have shape (events,), `user` holds rows below `users`.

    Events of one user at one time are ordered by item, then by what is kept of the rest, so that equal sets of events
    give equal arrays, and a history that was packed and unpacked is the history it was.
    """
    kept_kind, kept_quantity, kept_value = kind.astype(np.uint8), quantity.astype(np.float32), value.astype(np.float32)
    order = np.lexsort((kept_value, kept_quantity, kept_kind, item, time, user))
    counts = np.bincount(user, minlength=users)
    return History(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        item[order].astype(np.int32),
        time[order].astype(np.int64),
        kept_kind[order],
        kept_quantity[order],
        kept_value[order],
    )
