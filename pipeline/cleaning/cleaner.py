"""Rules applied to many days of a table at once, with counts for each day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_store.schema import EVENTS, MAPPABLE_TABLES, PURCHASE, Table
from pipeline.cleaning.rules import RULES
from pipeline.sources.canonical import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Rows
    from pipeline.cleaning.rule import Rule

EPOCH = dt.date(1970, 1, 1)
Counts = Mapping[dt.date, Mapping[str, int]]


@dataclass(frozen=True)
class Cleaned:
    """What is left of a block of days: the rows (helper columns included) and, by day, what each rule did."""

    frame: pd.DataFrame
    counts: Counts
    waiting: pd.DataFrame
    """Rows that lie in quarantine; `reason` is the rule that put them there."""


class DataCleaner:
    """The rules of every table, applied in the order in which `RULES` lists them."""

    def __init__(self, facts: Facts, rules: dict[str, tuple[Rule, ...]] = RULES) -> None:
        self.facts, self.rules = facts, rules

    def clean(self, name: str, days: dict[dt.date, pa.Table]) -> Cleaned:
        """The rows that are left of `days`, in their order, and the counts of each day: rows in, then rule by rule."""
        return apply_rules(MAPPABLE_TABLES[name], self.rules[name], self.frame(name, days), list(days), self.facts)

    def frame(self, name: str, days: dict[dt.date, pa.Table]) -> pd.DataFrame:
        """Days of a table as one frame with the helper columns that rules look at."""
        rows = pa.concat_tables(days.values())
        frame = with_partition_day(rows.to_pandas(), days)
        if "order_id" in MAPPABLE_TABLES[name].columns:
            frame["order_row"] = self.facts.order_rows(rows["order_id"])
        if "item_id" in MAPPABLE_TABLES[name].columns:
            frame["item_row"] = self.facts.item_rows(rows["item_id"])
        return frame


def apply_rules(
    table: Table, rules: tuple[Rule, ...], frame: pd.DataFrame, days: list[dt.date], facts: Facts
) -> Cleaned:
    counts: dict[dt.date, dict[str, int]] = {
        day: {"rows_in": count} for day, count in _per_day(frame["partition_day"].to_numpy(), days).items()
    }
    waiting = [frame.iloc[:0].assign(reason="")]
    for rule in rules:
        found = rule.find(table, frame, facts)
        for day, count in _per_day(frame["partition_day"].to_numpy()[found], days).items():
            counts[day][rule.name] = count
        if not found.any():
            continue
        if rule.waits:
            waiting.append(frame[found].assign(reason=rule.name))
        frame = rule.mend(table, frame, found, facts) if rule.mend else frame[~found]
    return Cleaned(frame, counts, pd.concat(waiting) if len(waiting) > 1 else waiting[0])


def with_partition_day(frame: pd.DataFrame, days: dict[dt.date, pa.Table]) -> pd.DataFrame:
    numbers = np.array([day_number(day) for day in days], dtype=np.int64)
    return frame.assign(partition_day=np.repeat(numbers, [len(rows) for rows in days.values()]))


def purchases(lines: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Clean order lines as events: who bought what when, told by the order each belongs to."""
    orders = facts.orders.iloc[lines["order_row"].to_numpy()]
    return pd.DataFrame(
        {
            "event_id": lines["order_id"] + ":" + lines["line_number"].astype("str"),
            "kind": PURCHASE,
            "time": orders["created_at"].array,
            "user_id": orders["user_id"].array,
            "item_id": lines["item_id"],
            "basket_id": lines["order_id"],
            "quantity": lines["quantity"],
            "value": lines["amount"],
            "discount": lines["discount"],
            "slot": pd.Series(index=lines.index, dtype="str"),
            "position": pd.Series(index=lines.index, dtype="float64"),
            "request_id": pd.Series(index=lines.index, dtype="str"),
            "updated_at": lines["updated_at"],
            "partition_day": lines["partition_day"],
        },
        columns=[*EVENTS.columns, "partition_day"],
    )


def split_days(table: Table, frame: pd.DataFrame, days: list[dt.date]) -> Iterator[tuple[dt.date, pa.Table]]:
    """Each day's rows in the canonical schema; a day of which nothing is left is empty."""
    schema = arrow_schema(table)
    rows = pa.table([_arrow(frame[field.name], field.type) for field in schema], schema=schema)
    offset = 0
    for day, count in _per_day(frame["partition_day"].to_numpy(), days).items():
        yield day, rows.slice(offset, count)
        offset += count


def _arrow(column: pd.Series, target: pa.DataType) -> pa.Array:
    """Times lose their zone, which is UTC, on the way: Arrow's own road for them is one that pandas is closing."""
    if pa.types.is_timestamp(target):
        return pa.array(column.dt.tz_convert(None).to_numpy("datetime64[us]")).cast(target)
    return pa.array(column, target, from_pandas=True)


def rows_per_day(frame: pd.DataFrame, days: list[dt.date], name: str) -> Counts:
    """The rows of each of `days` (ascending) in `frame`, under a name."""
    return {day: {name: count} for day, count in _per_day(frame["partition_day"].to_numpy(), days).items()}


def day_number(day: dt.date) -> int:
    return (day - EPOCH).days


def _per_day(numbers: Rows, days: list[dt.date]) -> dict[dt.date, int]:
    """Rows of each of `days` (ascending)."""
    first = day_number(days[0])
    counted = np.bincount(np.asarray(numbers, np.int64) - first, minlength=day_number(days[-1]) - first + 1)
    return {day: int(counted[day_number(day) - first]) for day in days}
