"""What cleaning reads of the raw archive beside the days at hand, and which days new rows change behind them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import (
    EVENTS,
    ITEMS,
    MAPPABLE_TABLES,
    ORDER_ITEMS,
    ORDERS,
    PRICES,
    PROMOTIONS,
    REFUNDS,
    USERS,
)
from pipeline.cleaning.cleaner import EPOCH, with_partition_day
from pipeline.cleaning.facts import Facts, build_facts
from pipeline.cleaning.history import bounds_of_months
from pipeline.cleaning.outliers import month_of
from pipeline.cleaning.raw_archive import Day, RawArchive
from pipeline.cleaning.refunds import Refunds, no_refunds, sum_refunds
from pipeline.cleaning.times import repair_times
from pipeline.sources.archive import CLEAN
from pipeline.sources.canonical import arrow_schema, no_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.settings import Clean
    from pipeline.sources.ledger import Ledger

Work = dict[str, set[Day]]
"""Days to clean, by table."""


@dataclass(frozen=True)
class Lookups:
    """The facts, the versions of all items, and on which days each order has lines."""

    facts: Facts
    items: pd.DataFrame
    line_days: pd.DataFrame
    """(order_id, partition_day), one row per order and day on which it has lines."""


def read_lookups(raw: RawArchive, clean: Clean) -> Lookups:
    items, line_days = read_items(raw), _line_days(raw)
    facts = build_facts(
        _newest_orders(raw),
        items,
        _newest_lines(raw, line_days),
        clean,
        internal_users=_internal_users(raw, clean),
        user_ids=_user_ids(raw),
        refunds=_refunds(raw, line_days),
    )
    return Lookups(facts, items, line_days)


def read_items(raw: RawArchive) -> pd.DataFrame:
    """Id, department and category of every version of every item, oldest first, with its partition's day."""
    versions = raw.read(ITEMS.name, raw.known[ITEMS.name], ["item_id", "department", "category"])
    return with_partition_day(pa.concat_tables(versions.values()).to_pandas(), versions)


def with_bounds(lookups: Lookups, raw: RawArchive, days: Iterable[Day]) -> Facts:
    """The facts with the bounds that the months of `days` need."""
    months = sorted({month_of(day) for day in days})
    return lookups.facts.bounded(bounds_of_months(raw, lookups.items, months, lookups.facts.clean))


def _newest_orders(raw: RawArchive) -> pd.DataFrame:
    days = raw.read(ORDERS.name, raw.known[ORDERS.name])
    orders = repair_times(ORDERS, with_partition_day(pa.concat_tables(days.values()).to_pandas(), days))
    return orders.drop_duplicates("order_id", keep="last").reset_index(drop=True)


def _user_ids(raw: RawArchive) -> pa.Array:
    days = raw.read(USERS.name, raw.known[USERS.name], ["user_id"])
    ids = pa.chunked_array([each["user_id"].combine_chunks() for each in days.values()], pa.string())
    return pc.unique(ids)


def _internal_users(raw: RawArchive, clean: Clean) -> frozenset[str]:
    """Users named by the settings; one who was in an internal segment once is none of the customers ever."""
    named = set(clean.internal_users)
    if clean.internal_segments:
        segments = pa.array(clean.internal_segments, pa.string())
        for rows in raw.read(USERS.name, raw.known[USERS.name], ["user_id", "segment"]).values():
            named |= set(rows.filter(pc.is_in(rows["segment"], value_set=segments))["user_id"].to_pylist())
    return frozenset(named)


def _refunds(raw: RawArchive, line_days: pd.DataFrame) -> Refunds:
    days = raw.read(REFUNDS.name, raw.known[REFUNDS.name])
    if not days:
        return no_refunds()
    refunds = with_partition_day(pa.concat_tables(days.values()).to_pandas(), days)
    newest = refunds.drop_duplicates("refund_id", keep="last")
    return sum_refunds(newest, _bought(raw, line_days[line_days["order_id"].isin(newest["order_id"])]))


def _bought(raw: RawArchive, line_days: pd.DataFrame) -> pd.DataFrame:
    """The newest versions of the lines of these orders."""
    ids = pa.array(line_days["order_id"], pa.string())
    columns = ["order_id", "line_number", "item_id", "quantity", "amount"]
    days = raw.read(ORDER_ITEMS.name, sorted(_days(line_days["partition_day"])), columns)
    kept = [rows.filter(pc.is_in(rows["order_id"], value_set=ids)) for rows in days.values()]
    empty = no_rows(arrow_schema(ORDER_ITEMS)).select(columns)
    lines = pa.concat_tables([empty, *kept]).to_pandas()
    newest: pd.DataFrame = lines.drop_duplicates(["order_id", "line_number"], keep="last")
    return newest


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
    a newer version of an order or a line, an order that its lines waited for, an item that was unknown or moved,
    a user whose events waited, a newer version of a refund;
    or because rows that they speak of are gone from the shop.
    """
    again: Work = {name: set() for name in MAPPABLE_TABLES}
    cleaned = {
        name: {day: each for day, each in ledger.partitions(CLEAN, name).items() if day not in work[name]}
        for name in MAPPABLE_TABLES
    }
    orders = _ids(raw, ORDERS.name, "order_id", work) | ledger.gone_ids("order_id")
    by_order = _ids(raw, ORDER_ITEMS.name, "order_id", work) | orders | _ids(raw, REFUNDS.name, "order_id", work)
    if lookups.facts.clean.internal_segments:
        users, ordered = _ids(raw, USERS.name, "user_id", work), lookups.facts.orders
        by_user = set(ordered.loc[ordered["user_id"].isin(users), "order_id"])
        orders, by_order = orders | by_user, by_order | by_user
        again[EVENTS.name] |= _holding(raw, EVENTS.name, "user_id", users, set(cleaned[EVENTS.name]))
    index = lookups.line_days
    again[ORDER_ITEMS.name] |= _days(index.loc[index["order_id"].isin(by_order), "partition_day"])
    again[ORDERS.name] |= _holding(raw, ORDERS.name, "order_id", orders, set(cleaned[ORDERS.name]))
    told, refunds = set(cleaned[EVENTS.name]), _ids(raw, REFUNDS.name, "refund_id", work)
    again[EVENTS.name] |= _holding(raw, REFUNDS.name, "order_id", by_order, told)
    again[EVENTS.name] |= _holding(raw, REFUNDS.name, "refund_id", refunds, told)
    items = _ids(raw, ITEMS.name, "item_id", work)
    of_items = (ORDER_ITEMS.name, PRICES.name, PROMOTIONS.name, EVENTS.name)
    for name in of_items:
        waiting = {day for day, partition in cleaned[name].items() if partition.counts.get("unknown_items")}
        again[name] |= _holding(raw, name, "item_id", items, waiting)
    if earlier := _holding(raw, ITEMS.name, "item_id", items, set(cleaned[ITEMS.name])):
        again[ITEMS.name] |= earlier
        for name in of_items:
            again[name] |= _holding(raw, name, "item_id", items, set(cleaned[name]))
    users = _ids(raw, USERS.name, "user_id", work)
    strange = {day for day, partition in cleaned[EVENTS.name].items() if partition.counts.get("unknown_users")}
    again[EVENTS.name] |= _holding(raw, EVENTS.name, "user_id", users, strange)
    left = ledger.gone_ids("user_id", USERS.name)
    again[EVENTS.name] |= _holding(raw, EVENTS.name, "user_id", left, set(cleaned[EVENTS.name]))
    gone = ledger.gone_ids("item_id", ITEMS.name)
    for name in of_items:
        again[name] |= _holding(raw, name, "item_id", gone, set(cleaned[name]))
    return {name: days & set(cleaned[name]) for name, days in again.items()}


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
