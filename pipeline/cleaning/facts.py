"""What cleaning must know beyond the rows at hand: the newest state of every order, and which items are articles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings import Clean

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
UNKNOWN = -1
"""Row number of an order or item that the archive does not have."""


@dataclass(frozen=True)
class Facts:
    """Look-ups over the whole raw archive, so that a day is cleaned the same way whenever it is cleaned."""

    order_ids: pa.Array
    orders: pd.DataFrame
    """The newest version of each order, in the order of `order_ids`; repaired times."""
    is_cancelled: Mask
    """By order."""
    item_ids: pa.Array
    is_excluded: Mask
    """By item: its department sells no articles."""
    newest_lines: pd.DataFrame
    """(order_id, line_number, partition_day) of lines that have versions in several partitions: where the newest is."""

    def order_rows(self, order_ids: pa.ChunkedArray) -> Rows:
        """The row of each order in `orders`, UNKNOWN where there is none."""
        return _rows(order_ids, self.order_ids)

    def item_rows(self, item_ids: pa.ChunkedArray) -> Rows:
        """The row of each item in `is_excluded`, UNKNOWN where there is none."""
        return _rows(item_ids, self.item_ids)


def build_facts(orders: pd.DataFrame, items: pd.DataFrame, newest_lines: pd.DataFrame, clean: Clean) -> Facts:
    """Facts from orders (newest versions, repaired) and versions of items (`item_id`, `department`), oldest first."""
    newest = items.drop_duplicates("item_id", keep="last")
    return Facts(
        order_ids=pa.array(orders["order_id"], pa.string()),
        orders=orders,
        is_cancelled=orders["status"].str.lower().isin(clean.cancelled_statuses).to_numpy(bool),
        item_ids=pa.array(newest["item_id"], pa.string()),
        is_excluded=newest["department"].isin(clean.excluded_departments).to_numpy(bool),
        newest_lines=newest_lines,
    )


def _rows(values: pa.ChunkedArray, known: pa.Array) -> Rows:
    found = pc.fill_null(pc.index_in(values, value_set=known), UNKNOWN)
    return np.asarray(found.to_numpy(), np.int64)
