"""Rows that no customer made: the shop's own people, test accounts, machines, and logins that nobody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ANONYMOUS, EVENTS, Table
from pipeline.cleaning.masks import UNKNOWN
from pipeline.cleaning.times import day_numbers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Mask


def internal(table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    """Rows of users that the settings name, by id or by segment."""
    if table is EVENTS:
        return frame["user_id"].isin(facts.internal_users).to_numpy(bool)
    rows = frame["order_row"].to_numpy()
    return facts.is_internal[rows] & (rows != UNKNOWN) if len(facts.is_internal) else np.zeros(len(frame), bool)


def unknown_users(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    """Events of logins that no row of `users` knows; visitors without a login are known to be unknown."""
    if facts.clean.unknown_users == "keep":
        return np.zeros(len(frame), bool)
    users = pa.array(frame["user_id"], pa.string(), from_pandas=True)
    known = pc.or_(pc.is_in(users, value_set=facts.user_ids), pc.starts_with(users, ANONYMOUS))
    return ~np.asarray(pc.fill_null(known, fill_value=True).to_numpy(zero_copy_only=False), bool)


def robots(table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    """Rows of users who ordered or did more in one day than anybody can.

    Counted within a partition, so that a day is cleaned the same way whatever arrives later; and by the day on which it
    happened, so that a table that was rewritten at one stroke does not look like one busy day.
    """
    if not len(frame):
        return np.zeros(0, bool)
    if table is EVENTS:
        users, days = frame["user_id"].factorize()[0], day_numbers(frame["time"])
        orders: NDArray[np.int64] | None = None
    else:
        orders = frame["order_row"].to_numpy()
        if not len(facts.order_user):
            return np.zeros(len(frame), bool)
        users, days = facts.order_user[orders], facts.order_day[orders]
    groups = _groups(frame["partition_day"].to_numpy(), users, days)
    busy = np.bincount(groups) > facts.clean.robot_lines_per_day
    if orders is not None:
        distinct = np.unique(groups * (len(facts.order_user) + 1) + orders)
        busy |= (
            np.bincount(distinct // (len(facts.order_user) + 1), minlength=len(busy)) > facts.clean.robot_orders_per_day
        )
        return np.asarray(busy[groups] & (orders != UNKNOWN), bool)
    return np.asarray(busy[groups], bool)


def _groups(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each combination of values, shape (n,)."""
    combined = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        _, combined = np.unique(combined * len(values) + codes, return_inverse=True)
    return combined
