"""Rows read again are laid on the rows of their day: by primary key, with an effect as if each had been read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.sources.daily import ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.schema import Table

_ROW = "vitrine row"
"""Name of the helper column; no canonical column has a blank in its name."""


@dataclass(frozen=True)
class Merged:
    """A day's rows afterwards, one per key, and what the reading did to them."""

    rows: pa.Table
    inserted: int
    updated: int
    duplicates: int


def merge(held: pa.Table, read: pa.Table, table: Table) -> Merged:
    """`held` with the rows of `read` in place of those of the same key; of several in `read` the newest counts.

    Both are of one day and `ordered`. A held row whose key was not read stays: it may be a version that the source has
    left behind.
    """
    newest = newest_of_key(read, table)
    duplicates = len(read) - len(newest)
    if not len(held):
        return Merged(newest, len(newest), 0, duplicates)
    rows = newest_of_key(pa.concat_tables([held, newest]), table)
    inserted = len(rows) - len(newest_of_key(held, table))
    unchanged = len(held) + len(newest) - _distinct(pa.concat_tables([held, newest]))
    return Merged(ordered([rows], table), inserted, max(len(newest) - inserted - unchanged, 0), duplicates)


def newest_of_key(rows: pa.Table, table: Table) -> pa.Table:
    """The last row of each key, in the order in which they came."""
    numbers = _key_numbers(rows, table)
    in_order = np.sort(numbers)
    if (in_order[1:] != in_order[:-1]).all():
        return rows
    return rows.take(np.sort(len(rows) - 1 - np.unique(numbers[::-1], return_index=True)[1]))


def _key_numbers(rows: pa.Table, table: Table) -> NDArray[np.int64]:
    """A number for each row; rows have the same one when they have the same key. Grouping by texts takes ten times as
    long. Keys have three columns at most: two million rows of a day, all of them new in each, still fit.
    """
    numbers = np.zeros(len(rows), np.int64)
    for name in table.key:
        values = rows[name].combine_chunks().dictionary_encode("encode")
        numbers = numbers * len(values.dictionary) + np.asarray(np.from_dlpack(values.indices), np.int64)
    return numbers


def without_keys(rows: pa.Table, keys: pa.Table, table: Table) -> pa.Table:
    """The rows whose key is not among `keys`, in their order."""
    names = list(table.key)
    numbered = rows.select(names).append_column(_ROW, pa.array(range(len(rows)), pa.int64()))
    wanted = keys.select(names).cast(rows.select(names).schema)
    left = numbered.join(wanted, names, join_type="left anti", use_threads=False)
    return rows.take(left[_ROW].combine_chunks().sort())


def _distinct(rows: pa.Table) -> int:
    return int(rows.group_by(rows.column_names, use_threads=False).aggregate([]).num_rows)
