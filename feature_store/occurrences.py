"""The part of users' histories that concerns each row: their earlier events with the same item, category, brand …"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.history import SECONDS_PER_DAY, History

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.spec import Column

_DAY = int(SECONDS_PER_DAY)
_TABLE = 1 << 17
"""So many pairs of user and group fit a table of 1 MiB, and those of a request do; of more, the rows alone do."""


@dataclass(frozen=True)
class Occurrences:
    """For n rows, the events of the row's user that share the row's group, oldest first.

    Rows of one user with the same group share a slot, so that each event is looked at once.
    Sums run over a slot's events in time order: a row's value does not depend on the rows around it, to the bit.

    slot_of_row: (n,) int64, below `slots`; not every slot is in use
    slot:        (events,) int64, a user's events in time order
    age_days:    (events,) float64, from the event to the moment of asking, above 0
    first:       (events,) bool, the first of the slot's events with this time (one basket counts once)
    later:       (events,) int64, the user's baskets of anything after the event
    item:        (events,) int32, rows of the catalog
    """

    slot_of_row: NDArray[np.int64]
    slots: int
    slot: NDArray[np.int64]
    age_days: NDArray[np.float64]
    first: NDArray[np.bool_]
    later: NDArray[np.int64]
    pieces: NDArray[np.float32]
    money: NDArray[np.float32]
    item: NDArray[np.int32]
    _known: dict[tuple[str, float | None], Column] = field(default_factory=dict, init=False)
    """Sums that several features ask for, computed once."""
    _weights: dict[float, NDArray[np.float64]] = field(default_factory=dict, init=False)
    """Half-life -> (events,) what each event is worth."""
    _told: list[NDArray[np.int64]] = field(default_factory=list, init=False)
    """The clock that was asked about last, and what it showed (`_clocks`)."""

    def _sum(self, weights: NDArray[Any]) -> Column:
        as_floats = weights.astype(np.float64, copy=False)  # of anything else bincount takes twice the time
        per_slot = np.bincount(self.slot, weights=as_floats, minlength=self.slots)
        return per_slot[self.slot_of_row].astype(np.float32)

    def _within(self, values: NDArray[Any], days: float | None) -> NDArray[Any]:
        return values if days is None else values * (self.age_days <= days)

    def count(self, days: float | None = None) -> Column:
        """Baskets, in the last `days` or ever."""
        if ("count", days) not in self._known:
            self._known["count", days] = self._sum(self._within(self.first, days))
        return self._known["count", days]

    def quantity(self, days: float | None = None) -> Column:
        """Pieces, in the last `days` or ever."""
        if ("quantity", days) not in self._known:
            self._known["quantity", days] = self._sum(self._within(self.pieces, days))
        return self._known["quantity", days]

    def spent(self, days: float | None = None) -> Column:
        """Money, in the last `days` or ever."""
        return self._sum(self._within(self.money, days))

    def count_in_last(self, baskets: int) -> Column:
        """How many of the user's latest `baskets` baskets held one."""
        return self._sum(self.first & (self.later < baskets))

    def count_on_weekday(self, clock: NDArray[np.int64]) -> Column:
        """Baskets on the same day of the week as `clock` (n,) shows: seconds since 1970 on the shop's wall."""
        then, now = self._clocks(clock)
        same = (then // _DAY - now // _DAY) % 7 == 0
        return self._sum(self.first & same)

    def count_near_hour(self, clock: NDArray[np.int64], hours: int) -> Column:
        """Baskets at most `hours` before or after the time of the day that `clock` (n,) shows."""
        then, now = self._clocks(clock)
        apart = np.abs((then - now + _DAY // 2) % _DAY - _DAY // 2)
        return self._sum(self.first & (apart <= hours * 3600))

    def _clocks(self, clock: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What the shop's clock showed at each event, had it never been changed, and what it shows when asked."""
        if not self._told or self._told[0] is not clock:
            per_slot = np.zeros(self.slots, np.int64)
            per_slot[self.slot_of_row] = clock
            now = per_slot[self.slot]
            self._told[:] = clock, now - np.rint(self.age_days * SECONDS_PER_DAY).astype(np.int64), now
        return self._told[1], self._told[2]

    def decayed(self, half_life_days: float) -> Column:
        """Baskets, each worth half after every `half_life_days`."""
        if ("decayed", half_life_days) not in self._known:
            self._known["decayed", half_life_days] = self._sum(self.first * self._fading(half_life_days))
        return self._known["decayed", half_life_days]

    def decayed_lines(self, half_life_days: float, values: Column | None = None) -> Column:
        """Events, each worth half after every `half_life_days`, times what `values` (items,) say of its item; an item
        of which they say nothing counts 0.
        """
        weights = self._fading(half_life_days)
        if values is not None:
            return self._sum(weights * np.nan_to_num(values[self.item]))
        if ("decayed_lines", half_life_days) not in self._known:
            self._known["decayed_lines", half_life_days] = self._sum(weights)
        return self._known["decayed_lines", half_life_days]

    def largest(self, values: Column) -> Column:
        """The largest of what `values` (items,) say of the items; NaN where there is none."""
        per_slot = np.full(self.slots, np.nan, np.float32)
        np.fmax.at(per_slot, self.slot, values[self.item])
        return per_slot[self.slot_of_row]

    def _fading(self, half_life_days: float) -> NDArray[np.float64]:
        if half_life_days not in self._weights:
            self._weights[half_life_days] = np.exp2(-self.age_days / half_life_days)
        return self._weights[half_life_days]

    @cached_property
    def days_since_last(self) -> Column:
        """Days since the latest event; NaN where there is none."""
        return self._latest(self.age_days)

    @cached_property
    def baskets_since_last(self) -> Column:
        """Baskets of anything since the latest event; NaN where there is none."""
        return self._latest(self.later)

    @cached_property
    def last_quantity(self) -> Column:
        """Pieces of the latest event; NaN where there is none."""
        return self._latest(self.pieces)

    def _latest(self, values: NDArray[Any]) -> Column:
        per_slot = np.full(self.slots, np.nan)
        per_slot[self.slot] = values  # oldest first: the latest stays
        return per_slot[self.slot_of_row].astype(np.float32)

    @cached_property
    def days_since_first(self) -> Column:
        """Days since the earliest event; NaN where there is none."""
        per_slot = np.full(self.slots, np.nan)
        per_slot[self.slot[::-1]] = self.age_days[::-1]
        return per_slot[self.slot_of_row].astype(np.float32)

    @cached_property
    def mean_gap_days(self) -> Column:
        """Mean days between baskets; NaN below two baskets."""
        baskets = self.count()
        gaps = np.maximum(baskets - 1, np.float32(1))
        span = self.days_since_first - self.days_since_last
        return np.where(baskets >= 2, span / gaps, np.float32(np.nan)).astype(np.float32)  # noqa: PLR2004 - a gap has two ends


def ages(history: History, asked_at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Days from each event to the moment (users,) at which its user asks, shape (events,)."""
    return np.asarray((asked_at[history.user] - history.time) / SECONDS_PER_DAY, np.float64)


def occurrences(
    history: History,
    age_days: NDArray[np.float64],
    group_of_item: NDArray[np.int32],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
) -> Occurrences:
    """The occurrences of each row's group, given the users' histories before they ask and the `ages` of their events.

    group_of_item: (items,) group row; user, item: (n,) rows of history and catalog.
    """
    groups = int(group_of_item.max(initial=0)) + 1
    wanted = user.astype(np.int64) * groups + group_of_item[item]
    of_event = history.user.astype(np.int64) * groups + group_of_item[history.item]
    slot_of_row, at = _slots(wanted, of_event, history.users * groups)
    held = at >= 0
    slot, time, age = at[held], history.time[held], age_days[held]
    # An event opens a basket when the event before it in its slot has another time.
    order = np.argsort(slot.astype(np.min_scalar_type(len(item))), kind="stable")  # few bits: sorted by digits
    ordered, moment = slot[order], time[order]
    first = np.ones(len(slot), bool)
    first[order[1:]] = (ordered[1:] != ordered[:-1]) | (moment[1:] != moment[:-1])
    later, pieces, money = history.baskets_later[held], history.quantity[held], history.value[held]
    return Occurrences(slot_of_row, len(item), slot, age, first, later, pieces, money, history.item[held])


def _slots(
    wanted: NDArray[np.int64], of_event: NDArray[np.int64], keys: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The slot of each row and of each event, -1 for an event that no row asks for. A slot is one of its rows' numbers.

    wanted: (n,), of_event: (events,), both below `keys`
    """
    if keys > _TABLE:
        unique, wanted = np.unique(wanted, return_inverse=True)
        keys = len(unique) + 1
        at = np.searchsorted(unique, of_event)
        of_event = np.where(np.append(unique, -1)[at] == of_event, at, len(unique))
    row_of_key = np.full(keys, -1, np.int64)
    row_of_key[wanted] = np.arange(len(wanted))
    return row_of_key[wanted], row_of_key[of_event]
