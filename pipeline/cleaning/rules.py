"""The rules of cleaning: each finds rows, and drops or repairs them. Why is written on it and in the report.

A rule sees the rows of a table with three helper columns: `partition_day` (days since 1970), and for tables that refer
to them `order_row` and `item_row` (row in the facts, UNKNOWN where there is none).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from feature_store.schema import ITEMS, ORDER_ITEMS, ORDERS, PRICES, USERS, Table
from pipeline.cleaning.facts import UNKNOWN, Facts, Mask

if TYPE_CHECKING:
    from collections.abc import Callable

EARLIEST = pd.Timestamp("1990-01-01", tz="UTC")
"""No web shop is older; what is before it is a zero date or an unset clock."""
VERSION = 1
"""Raise it when a rule changes what it does: partitions cleaned by another version are cleaned again."""


@dataclass(frozen=True)
class Rule:
    """One rule: `find` gives the rows it applies to; `mend` repairs them, without it they are dropped."""

    name: str
    why: str
    find: Callable[[Table, pd.DataFrame, Facts], Mask]
    mend: Callable[[Table, pd.DataFrame, Mask], pd.DataFrame] | None = None

    @property
    def effect(self) -> Literal["changed", "dropped"]:
        return "changed" if self.mend else "dropped"


def _repeated_rows(table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    """Only rows whose key repeats can be equal, and those are few."""
    suspects = frame.duplicated(["partition_day", *table.key], keep=False).to_numpy(bool)
    repeated = np.zeros(len(frame), bool)
    repeated[suspects] = frame.loc[suspects, ["partition_day", *table.columns]].duplicated().to_numpy(bool)
    return repeated


def _repeated_keys(table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    """Rows come ordered by cursor, so the last one is the newest."""
    return frame.duplicated(["partition_day", *table.key], keep="last").to_numpy(bool)


def _superseded_orders(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    newest = facts.orders["partition_day"].to_numpy()[frame["order_row"].to_numpy()]
    return np.asarray(newest > frame["partition_day"].to_numpy(), bool)


def _superseded_lines(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    if facts.newest_lines.empty:
        return np.zeros(len(frame), bool)
    keys = ["order_id", "line_number"]
    newest = frame[keys].merge(facts.newest_lines, on=keys, how="left")["partition_day"].to_numpy(float)
    return np.asarray(newest > frame["partition_day"].to_numpy(), bool)


def repair_times(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the cursor's time in place of impossible ones."""
    return _use_cursor(table, frame, _wrong_times(table, frame))


def _wrong_times(table: Table, frame: pd.DataFrame, _facts: Facts | None = None) -> Mask:
    """A row cannot have been made after the day on which it was last changed; a price may begin later."""
    times = frame[_time_column(table)]
    wrong = (times.isna() | (times < EARLIEST)).to_numpy(bool)
    if table is not PRICES:
        days = times.dt.tz_localize(None).to_numpy("datetime64[D]").astype(np.int64)
        wrong = wrong | (days > frame["partition_day"].to_numpy())
    return wrong


def _use_cursor(table: Table, frame: pd.DataFrame, wrong: Mask) -> pd.DataFrame:
    column = _time_column(table)
    return frame.assign(**{column: frame[column].where(~wrong, frame[table.cursor])})


def _time_column(table: Table) -> str:
    return "valid_from" if table is PRICES else "created_at"


def _unknown_orders(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return np.asarray(frame["order_row"] == UNKNOWN, bool)


def _cancelled_orders(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    rows = frame["order_row"].to_numpy()
    return facts.is_cancelled[rows] & (rows != UNKNOWN) if len(facts.is_cancelled) else np.zeros(len(frame), bool)


def _excluded_departments(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    rows = frame["item_row"].to_numpy()
    return facts.is_excluded[rows] & (rows != UNKNOWN) if len(facts.is_excluded) else np.zeros(len(frame), bool)


def _unknown_items(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return np.asarray(frame["item_row"] == UNKNOWN, bool)


def _not_positive(column: str) -> Callable[[Table, pd.DataFrame, Facts], Mask]:
    return lambda _table, frame, _facts: ~(frame[column] > 0).to_numpy(bool)


EXACT = Rule("exact_duplicates", "the same row delivered twice counts once", _repeated_rows)
KEYS = Rule("key_duplicates", "of several versions of one key in a day the newest wins", _repeated_keys)
TIMES = Rule(
    "time_repair",
    "a missing time, one before 1990 or one in the future becomes the cursor's",
    _wrong_times,
    _use_cursor,
)
EXCLUDED = Rule(
    "excluded_departments", "fuel, coupons and fees are no articles (settings.clean)", _excluded_departments
)
STRANGERS = Rule(
    "unknown_items", "an item that the catalogue lacks cannot be shown; kept when it arrives", _unknown_items
)

RULES: dict[str, tuple[Rule, ...]] = {
    USERS.name: (EXACT, KEYS, TIMES),
    ITEMS.name: (EXACT, KEYS, TIMES, EXCLUDED),
    PRICES.name: (
        EXACT,
        KEYS,
        TIMES,
        EXCLUDED,
        Rule("no_price", "a price of nothing is none", _not_positive("price")),
        STRANGERS,
    ),
    ORDERS.name: (
        EXACT,
        KEYS,
        Rule("superseded", "of several versions of one order the newest wins, whatever its day", _superseded_orders),
        TIMES,
        Rule("cancelled", "a cancelled order was not bought after all (settings.clean)", _cancelled_orders),
    ),
    ORDER_ITEMS.name: (
        EXACT,
        KEYS,
        Rule("superseded", "of several versions of one line the newest wins, whatever its day", _superseded_lines),
        TIMES,
        Rule("unknown_orders", "nobody knows who bought it; kept when the order arrives", _unknown_orders),
        Rule("cancelled_orders", "a cancelled order was not bought after all (settings.clean)", _cancelled_orders),
        EXCLUDED,
        Rule("no_quantity", "a line of nothing, or a return, shows no taste", _not_positive("quantity")),
        Rule("no_amount", "a line that cost nothing was given, not chosen", _not_positive("amount")),
        STRANGERS,
    ),
}
