"""The bounds of outliers as the raw archive of earlier days gives them, month by month."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ITEMS, ORDER_ITEMS
from pipeline.cleaning.cleaner import day_number
from pipeline.cleaning.outliers import COLUMNS, Bounds, bounds_of, month_of, no_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.cleaning.raw_archive import RawArchive
    from pipeline.settings import Clean

Lines = tuple["NDArray[np.int64]", "NDArray[np.float64]"]
"""(row in the items, (n, 2) numbers of COLUMNS) of a day's lines that could be purchases."""


def bounds_of_months(raw: RawArchive, items: pd.DataFrame, months: list[dt.date], clean: Clean) -> Bounds:
    """The bounds of each of `months` (first days, ascending).

    items: versions of all items, oldest first, with `partition_day`
    """
    categories = sorted(items["category"].dropna().unique())
    if not months or not clean.clip_share:
        return no_bounds(len(categories))
    ids = pa.array(items["item_id"].unique(), pa.string())
    read: dict[dt.date, Lines] = {}
    values = []
    for month in months:
        window = window_of(month, raw, clean)
        new = _lines(raw, [day for day in window if day not in read], ids, clean)
        read = {day: read[day] if day in read else new[day] for day in window}
        codes = _codes_then(items, ids, categories, month, clean)
        values.append(_bounds(list(read.values()), codes, len(categories), clean))
    return Bounds(np.array([day_number(month) for month in months]), np.array(values))


def window_of(month: dt.date, raw: RawArchive, clean: Clean) -> list[dt.date]:
    """The archived days of order lines that give a month its bounds."""
    first = month - dt.timedelta(days=clean.clip_days)
    return [day for day in raw.known[ORDER_ITEMS.name] if first <= day < month]


def bounds_made_from(raw: RawArchive, days: list[dt.date], clean: Clean) -> dict[dt.date, str]:
    """By day, a name of the raw files that its bounds come from."""
    names: dict[dt.date, str] = {}
    for month in {month_of(day) for day in days}:
        lines, items = raw.known[ORDER_ITEMS.name], raw.known[ITEMS.name]
        files = [lines[day].checksum for day in window_of(month, raw, clean)]
        files += [partition.checksum for day, partition in items.items() if day < month]
        names[month] = hashlib.sha256(" ".join(files).encode()).hexdigest()
    return {day: names[month_of(day)] for day in days}


def _lines(raw: RawArchive, days: list[dt.date], ids: pa.Array, clean: Clean) -> dict[dt.date, Lines]:
    """Looked up all at once: each look-up hashes every id of the catalogue anew."""
    if not days:
        return {}
    tables = raw.read(ORDER_ITEMS.name, days, ["item_id", *COLUMNS])
    rows = pa.concat_tables(tables.values())
    item = np.asarray(pc.fill_null(pc.index_in(rows["item_id"], value_set=ids), -1).to_numpy(), np.int64)
    numbers = np.column_stack([rows[name].to_numpy().astype(float) for name in COLUMNS])
    largest = np.array([clean.largest_quantity, clean.largest_money])
    kept = ((numbers > 0) & (numbers <= largest)).all(axis=1) & (item >= 0)
    ends = np.cumsum([len(each) for each in tables.values()])
    starts = ends - [len(each) for each in tables.values()]
    parts = [np.flatnonzero(kept[start:end]) + start for start, end in zip(starts, ends, strict=True)]
    return {day: (item[part], numbers[part]) for day, part in zip(tables, parts, strict=True)}


def _codes_then(
    items: pd.DataFrame, ids: pa.Array, categories: list[str], month: dt.date, clean: Clean
) -> NDArray[np.int64]:
    """By item, its category as it was before `month`: -1 for none, -2 for what was no article or not there."""
    then = items[items["partition_day"] < day_number(month)].drop_duplicates("item_id", keep="last")
    codes = np.full(len(ids), -2, np.int64)
    rows = np.asarray(pc.index_in(pa.array(then["item_id"], pa.string()), value_set=ids).to_numpy())
    found = pd.Index(categories, dtype=object).get_indexer(pd.Index(then["category"], dtype=object))
    codes[rows] = np.where(then["department"].isin(clean.excluded_departments), -2, found)
    return codes


def _bounds(days: list[Lines], codes: NDArray[np.int64], categories: int, clean: Clean) -> NDArray[np.float64]:
    """Shape (categories + 1, 2, 2)."""
    item = np.concatenate([np.empty(0, np.int64), *(item for item, _ in days)])
    numbers = np.concatenate([np.empty((0, len(COLUMNS))), *(numbers for _, numbers in days)])
    article = codes[item] >= -1
    category, numbers = codes[item][article], numbers[article]
    found = [
        bounds_of(category, numbers[:, at], categories, clean.clip_share, clean.clip_min_lines)
        for at in range(len(COLUMNS))
    ]
    return np.stack(found, axis=1)
