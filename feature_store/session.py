"""The visit that is still going on when a user asks: what they did in it, and how long they stayed with what."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history import empty_history
from feature_store.schema import EVENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.history import History
    from feature_store.spec import Column

GAP_SECONDS = 1800
"""Half an hour in which nothing happens ends a visit, as in Matomo and other web analytics."""
_OF_THE_SHOP = EVENT_KINDS.index("impression")
"""What the shop showed is nothing that the user did."""


@dataclass(frozen=True)
class Session:
    """For n rows, the events of the row's user in the visit that goes on when they ask, oldest first.

    A visit is the run of a user's own events with gaps below half an hour that ends at the moment of asking.
    Most users have none; then counts are 0 and everything else is NaN.

    visits:  how many of the users have one
    of_row:  (n,) int64, the visit of the row's user, -1 where there is none
    visit:   (events,) int64; item: (events,) int32; kind: (events,) uint8
    ago:     (events,) int64, seconds from the event to the moment of asking
    stayed:  (events,) int64, seconds from the event to the user's next one, or to the moment of asking
    groups:  level -> (items,) group row, and "item" -> the item's own row; row_item: (n,) int32
    """

    visits: int
    of_row: NDArray[np.int64]
    visit: NDArray[np.int64]
    item: NDArray[np.int32]
    kind: NDArray[np.uint8]
    ago: NDArray[np.int64]
    stayed: NDArray[np.int64]
    groups: Mapping[str, NDArray[np.int32]]
    row_item: NDArray[np.int32]
    _found: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = field(default_factory=dict, init=False)

    @cached_property
    def depth(self) -> Column:
        """Events of the visit."""
        return self._per_row(np.bincount(self.visit, minlength=self.visits), 0.0)

    @cached_property
    def seconds_since_first(self) -> Column:
        """Seconds since the visit began; NaN where there is none."""
        return self._latest(self.ago[::-1], self.visit[::-1])

    @cached_property
    def seconds_since_last(self) -> Column:
        """Seconds since the user last did something; NaN where there is no visit."""
        return self._latest(self.ago, self.visit)

    def count(self, level: str, *kinds: str) -> Column:
        """Events of the visit, of these kinds or of any, with the row's item, or with its group of a `level`."""
        wanted = np.zeros(len(EVENT_KINDS))
        wanted[[EVENT_KINDS.index(kind) for kind in kinds or EVENT_KINDS]] = 1.0
        return self._with_group(level, wanted[self.kind])

    def seconds_with(self, level: str) -> Column:
        """Seconds of the visit that the user stayed with the row's item, or with its group of a `level`."""
        return self._with_group(level, self.stayed.astype(np.float64))

    def mean(self, of_event: Column) -> Column:
        """The mean of a value (events,) over the visit, leaving NaN out; NaN where nothing is left."""
        known = ~np.isnan(of_event)
        total = np.bincount(self.visit[known], of_event[known], self.visits)
        count = np.bincount(self.visit[known], minlength=self.visits)
        return self._per_row(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.nan)

    def last_is(self, level: str) -> Column:
        """1 where the last event had the row's group of a `level`, 0 where another; NaN where there is no visit."""
        group = self.groups[level]
        last = self._latest(group[self.item], self.visit)
        return np.where(np.isnan(last), last, last == group[self.row_item]).astype(np.float32)

    def _with_group(self, level: str, weights: NDArray[np.float64]) -> Column:
        """The sum of whole numbers over the events that share the row's visit and group."""
        if not self.visits:
            return np.zeros(len(self.of_row), np.float32)
        of_event, of_row = self._places(level)
        return np.append(np.bincount(of_event, weights), 0.0).astype(np.float32)[of_row]

    def _places(self, level: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of the distinct pairs of visit and group each event has, and each row; -1 for a row whose is none."""
        if level not in self._found:
            group, groups = self.groups[level], len(self.groups["item"])
            pairs, of_event = np.unique(self.visit * groups + group[self.item], return_inverse=True)
            wanted = self.of_row * groups + group[self.row_item]
            at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
            self._found[level] = of_event, np.where((pairs[at] == wanted) & (self.of_row >= 0), at, -1)
        return self._found[level]

    def _latest(self, values: NDArray[np.integer], visit: NDArray[np.int64]) -> Column:
        per_visit = np.empty(self.visits)
        per_visit[visit] = values  # the last of several stays
        return self._per_row(per_visit, np.nan)

    def _per_row(self, per_visit: NDArray[np.floating] | NDArray[np.integer], without: float) -> Column:
        if not self.visits:
            return np.full(len(self.of_row), without, np.float32)
        return np.append(per_visit, without).astype(np.float32)[self.of_row]


def session(
    history: History,
    asked_at: NDArray[np.int64],
    groups: Mapping[str, NDArray[np.int32]],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
) -> Session:
    """The visit of each row's user, given the users' histories before `asked_at` (users,).

    groups: level -> (items,) group row; user, item: (n,) rows of history and catalog.
    """
    people = _lately_here(history, asked_at)
    past = history.take(people) if len(people) else empty_history(0)
    past, asked = past.select(past.kind != _OF_THE_SHOP) if len(people) else past, asked_at[people]
    of_user = np.full(history.users, -1, np.int64)
    if not len(past.item):
        nothing = np.empty(0, np.int64)
        return Session(0, of_user[user], nothing, past.item, past.kind, nothing, nothing, groups, item)
    last = np.append(past.user[1:] != past.user[:-1], True)[: len(past.item)]
    ago = asked[past.user] - past.time
    stayed = np.where(last, ago, np.append(past.time[1:], 0)[: len(past.item)] - past.time)
    # An event belongs to the visit when no long gap lies between it and the moment of asking.
    long = stayed >= GAP_SECONDS
    gaps: NDArray[np.int64] = np.cumsum(long)
    by_now = gaps[np.maximum(past.offsets[1:] - 1, 0)][past.user]
    inside: NDArray[np.bool_] = by_now == gaps - long
    visitors, visit = np.unique(past.user[inside], return_inverse=True)
    of_user[people[visitors]] = np.arange(len(visitors))
    events = past.item[inside], past.kind[inside], ago[inside], stayed[inside]
    return Session(len(visitors), of_user[user], visit, *events, groups, item)


def _lately_here(history: History, asked_at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the users whose latest event lies within the gap: nearly always none, and found at once."""
    active = np.flatnonzero(np.diff(history.offsets))
    latest = history.time[history.offsets[1:][active] - 1]
    return active[asked_at[active] - latest < GAP_SECONDS]
