"""What cleaning reads of the raw archive beside the days at hand, and which days new rows change behind them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ITEMS, ORDER_ITEMS, ORDERS, PRICES, SOURCE_TABLES
from pipeline.cleaning.cleaner import EPOCH, with_partition_day
from pipeline.cleaning.facts import Facts, build_facts
from pipeline.cleaning.rules import repair_times
from pipeline.sources.archive import CLEAN, RAW, read_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.settings import Clean
    from pipeline.sources.ledger import Ledger, Partition
    from pipeline.workspace import Workspace

Day = dt.date
Work = dict[str, set[Day]]
"""Days to clean, by table."""


@dataclass(frozen=True)
class RawArchive:
    """The raw partitions that the ledger knows."""

    workspace: Workspace
    known: Mapping[str, Mapping[Day, Partition]]

    @classmethod
    def of(cls, workspace: Workspace, ledger: Ledger) -> RawArchive:
        return cls(workspace, {name: ledger.partitions(RAW, name) for name in SOURCE_TABLES})

    def read(self, name: str, days: Iterable[Day], columns: list[str] | None = None) -> dict[Day, pa.Table]:
        """The rows of each day; damaged files are an ArchiveError."""
        known = self.known[name]
        return {day: read_partition(self.workspace, RAW, name, day, known[day], columns) for day in days}


@dataclass(frozen=True)
class Lookups:
    """The facts, and on which days each order has lines."""

    facts: Facts
    line_days: pd.DataFrame
    """(order_id, partition_day), one row per order and day on which it has lines."""


def read_lookups(raw: RawArchive, clean: Clean) -> Lookups:
    days = raw.read(ORDERS.name, raw.known[ORDERS.name])
    orders = repair_times(ORDERS, with_partition_day(pa.concat_tables(days.values()).to_pandas(), days))
    newest = orders.drop_duplicates("order_id", keep="last").reset_index(drop=True)
    versions = raw.read(ITEMS.name, raw.known[ITEMS.name], ["item_id", "department"]).values()
    line_days = _line_days(raw)
    items = pa.concat_tables(versions).to_pandas()
    return Lookups(build_facts(newest, items, _newest_lines(raw, line_days), clean), line_days)


def _line_days(raw: RawArchive) -> pd.DataFrame:
    days = raw.read(ORDER_ITEMS.name, raw.known[ORDER_ITEMS.name], ["order_id"])
    ids = {day: pa.table({"order_id": pc.unique(rows["order_id"])}) for day, rows in days.items()}
    return with_partition_day(pa.concat_tables(ids.values()).to_pandas(), ids)


def _newest_lines(raw: RawArchive, line_days: pd.DataFrame) -> pd.DataFrame:
    """Where the newest version is of each line of orders that have lines on several days: nearly always none."""
    shared = line_days[line_days["order_id"].duplicated(keep=False)]
    ids, columns = pa.array(shared["order_id"], pa.string()), ["order_id", "line_number"]
    days = raw.read(ORDER_ITEMS.name, sorted(_days(shared["partition_day"])), columns)
    if not days:
        return pd.DataFrame({"order_id": [], "line_number": [], "partition_day": []})
    kept = {day: rows.filter(pc.is_in(rows["order_id"], value_set=ids)) for day, rows in days.items()}
    lines = with_partition_day(pa.concat_tables(kept.values()).to_pandas(), kept)
    return lines.drop_duplicates(columns, keep="last")


def changed_behind(work: Work, raw: RawArchive, lookups: Lookups, ledger: Ledger) -> Work:
    """Days cleaned before that must be cleaned again, because rows of the days in `work` say something new about them:
    a newer version of an order or a line, an order that its lines waited for, an item that was unknown or moved.
    """
    again: Work = {name: set() for name in SOURCE_TABLES}
    cleaned = {name: ledger.partitions(CLEAN, name) for name in SOURCE_TABLES}
    orders = _ids(raw, ORDERS.name, "order_id", work)
    by_order = _ids(raw, ORDER_ITEMS.name, "order_id", work) | orders
    index = lookups.line_days
    again[ORDER_ITEMS.name] |= _days(index.loc[index["order_id"].isin(by_order), "partition_day"])
    again[ORDERS.name] |= _holding(raw, ORDERS.name, "order_id", orders, set(cleaned[ORDERS.name]))
    items = _ids(raw, ITEMS.name, "item_id", work)
    for name in (ORDER_ITEMS.name, PRICES.name):
        waiting = {day for day, partition in cleaned[name].items() if partition.counts.get("unknown_items")}
        again[name] |= _holding(raw, name, "item_id", items, waiting)
    if earlier := _holding(raw, ITEMS.name, "item_id", items, set(cleaned[ITEMS.name]) - work[ITEMS.name]):
        again[ITEMS.name] |= earlier
        for name in (ORDER_ITEMS.name, PRICES.name):
            again[name] |= _holding(raw, name, "item_id", items, set(cleaned[name]))
    return {name: (days & set(cleaned[name])) - work[name] for name, days in again.items()}


def _ids(raw: RawArchive, name: str, column: str, work: Work) -> set[str]:
    tables = raw.read(name, sorted(work[name]), [column]).values()
    return {each for rows in tables for each in pc.unique(rows[column]).to_pylist()}


def _holding(raw: RawArchive, name: str, column: str, ids: set[str], days: set[Day]) -> set[Day]:
    """Those of `days` that hold any of `ids`."""
    if not ids or not days:
        return set()
    sought = pa.array(sorted(ids), pa.string())
    rows = raw.read(name, sorted(days & set(raw.known[name])), [column])
    return {day for day, found in rows.items() if pc.any(pc.is_in(found[column], value_set=sought)).as_py()}


def _days(numbers: pd.Series) -> set[Day]:
    return {EPOCH + dt.timedelta(days=int(number)) for number in numbers.unique()}
