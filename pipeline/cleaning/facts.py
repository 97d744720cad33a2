"""What cleaning must know beyond the rows at hand: newest orders and items, refunds, who is no customer, bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cleaning.masks import UNKNOWN, Mask, Rows
from pipeline.cleaning.outliers import Bounds, no_bounds
from pipeline.cleaning.refunds import Refunds, no_refunds
from pipeline.cleaning.times import day_numbers

if TYPE_CHECKING:
    from pipeline.settings import Clean


@dataclass(frozen=True)
class Facts:
    """Look-ups over the whole raw archive, so that a day is cleaned the same way whenever it is cleaned."""

    clean: Clean
    order_ids: pa.Array
    orders: pd.DataFrame
    """The newest version of each order, in the order of `order_ids`; repaired times."""
    is_cancelled: Mask
    """By order."""
    is_internal: Mask
    """By order: its user is no customer."""
    order_user: Rows
    """By order: a number of its user."""
    order_day: Rows
    """By order: the UTC day on which it was made, since 1970."""
    internal_users: frozenset[str]
    user_ids: pa.Array
    item_ids: pa.Array
    is_excluded: Mask
    """By item: its department sells no articles."""
    categories: list[str]
    item_category: Rows
    """By item, and last for an item that is not known: its row in `categories`, -1 for none."""
    newest_lines: pd.DataFrame
    """(order_id, line_number, partition_day) of lines that have versions in several partitions: where the newest is."""
    refunds: Refunds
    bounds: Bounds

    def order_rows(self, order_ids: pa.ChunkedArray) -> Rows:
        """The row of each order in `orders`, UNKNOWN where there is none."""
        return _rows(order_ids, self.order_ids)

    def item_rows(self, item_ids: pa.ChunkedArray) -> Rows:
        """The row of each item in `is_excluded`, UNKNOWN where there is none."""
        return _rows(item_ids, self.item_ids)

    def bounded(self, bounds: Bounds) -> Facts:
        """The same facts with bounds of outliers."""
        return replace(self, bounds=bounds)


def build_facts(
    orders: pd.DataFrame,
    items: pd.DataFrame,
    newest_lines: pd.DataFrame,
    clean: Clean,
    *,
    internal_users: frozenset[str] = frozenset(),
    user_ids: pa.Array | None = None,
    refunds: Refunds | None = None,
) -> Facts:
    """Facts from orders (newest versions, repaired) and versions of items (id, department, category), oldest first.

    Nothing is an outlier yet: bounds depend on the days to be cleaned (`Facts.bounded`).
    """
    newest, categories = items.drop_duplicates("item_id", keep="last"), sorted(items["category"].dropna().unique())
    category = pd.Index(categories, dtype=object).get_indexer(newest["category"].astype(object))
    return Facts(
        clean=clean,
        order_ids=pa.array(orders["order_id"], pa.string()),
        orders=orders,
        is_cancelled=orders["status"].str.lower().isin(clean.cancelled_statuses).to_numpy(bool),
        is_internal=orders["user_id"].isin(internal_users).to_numpy(bool),
        order_user=np.asarray(pd.factorize(orders["user_id"])[0], np.int64),
        order_day=day_numbers(orders["created_at"]),
        internal_users=internal_users,
        user_ids=pa.array([], pa.string()) if user_ids is None else user_ids,
        item_ids=pa.array(newest["item_id"], pa.string()),
        is_excluded=newest["department"].isin(clean.excluded_departments).to_numpy(bool),
        categories=categories,
        item_category=np.append(np.asarray(category, np.int64), -1),
        newest_lines=newest_lines,
        refunds=refunds or no_refunds(),
        bounds=no_bounds(len(categories)),
    )


def _rows(values: pa.ChunkedArray, known: pa.Array) -> Rows:
    found = pc.fill_null(pc.index_in(values, value_set=known), UNKNOWN)
    return np.asarray(found.to_numpy(), np.int64)
