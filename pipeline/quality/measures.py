"""What is measured of a day and of the days before it: one row a day, one column a measure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from feature_store.schema import EVENTS, EXPOSURE, ITEMS, MAPPABLE_TABLES, ORDER_ITEMS, ORDERS, SHOWN
from pipeline.cleaning.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.quality.choices import Part
    from pipeline.sources.ledger import Partition

DAILY = (ORDERS.name, ORDER_ITEMS.name, EVENTS.name)
"""Tables that have rows every day; the others change when the shop changes them."""
FEWEST_ROWS = 30
"""Shares of fewer rows jump: they are not judged."""
FAULTS: tuple[Part, ...] = ("validity", "uniqueness", "references")


@dataclass(frozen=True)
class Measure:
    """One column. Bound `range`: too little is as bad as too much, judged as a ratio; `most`: only too much is bad."""

    name: str
    part: Part
    table: str
    says: str
    bound: Literal["range", "most"]
    slack: float = 0.0
    """What is usual whatever the days before say (bound `most`)."""
    lost_at: float = 1.0
    """So far beyond the bound nothing of the part is left (bound `most`)."""


def measure(
    days: list[dt.date],
    known: Mapping[str, Mapping[dt.date, Partition]],
    events: Mapping[dt.date, pa.Table],
    nullable: Mapping[tuple[str, str], Mapping[dt.date, float]],
    categories: Mapping[str, str],
    freshness_hours: float,
) -> tuple[list[Measure], pd.DataFrame]:
    """(measures, their values: one row for each of `days`, NaN where there is nothing to measure).

    known: clean partitions by table and day
    events: time, kind, item_id, quantity, value of the clean events of each day
    nullable: by (table, column) and day, the share of rows that lack it
    categories: item -> category
    """
    found = [
        *_volume(days, known),
        *_faults(days, known),
        *_nulls(days, nullable),
        _freshness(days, events, freshness_hours),
        *_distribution(days, known, events, categories),
    ]
    measures = [each for each, _ in found]
    return measures, pd.DataFrame({each.name: values for each, values in found}, index=days, dtype=float)


Column = tuple[Measure, "NDArray[np.float64]"]


def _volume(days: list[dt.date], known: Mapping[str, Mapping[dt.date, Partition]]) -> list[Column]:
    return [
        (
            Measure(f"{name}.rows", "volume", name, "rows of the day", "range"),
            np.array([known[name][day].rows if day in known[name] else 0 for day in days], float),
        )
        for name in DAILY
    ]


def _faults(days: list[dt.date], known: Mapping[str, Mapping[dt.date, Partition]]) -> list[Column]:
    """Shares of the day's rows in which cleaning found a fault, by the part of the score that each rule speaks to."""
    columns: list[Column] = []
    for name, partitions in known.items():
        for part in FAULTS:
            rules = [rule.name for rule in RULES[name] if rule.fault == part]
            if not rules:
                continue
            values = [_share(partitions[day].counts, rules) if day in partitions else np.nan for day in days]
            says = f"share of rows that cleaning repaired or took out: {', '.join(rules)}"
            columns.append((Measure(f"{name}.{part}_faults", part, name, says, "most", 0.02, 0.2), np.array(values)))
    return columns


def _share(counts: Mapping[str, int], rules: list[str]) -> float:
    rows = counts.get("rows_in", 0)
    return sum(counts.get(rule, 0) for rule in rules) / rows if rows >= FEWEST_ROWS else np.nan


def _nulls(days: list[dt.date], nullable: Mapping[tuple[str, str], Mapping[dt.date, float]]) -> list[Column]:
    return [
        (
            Measure(
                f"{name}.{column}_missing", "completeness", name, f"share of rows without `{column}`", "most", 0.1, 0.5
            ),
            np.array([shares.get(day, np.nan) for day in days]),
        )
        for (name, column), shares in nullable.items()
    ]


def _freshness(days: list[dt.date], events: Mapping[dt.date, pa.Table], hours: float) -> Column:
    values = []
    for day in days:
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
        times = events[day]["time"].to_pandas() if day in events else pd.Series(dtype="datetime64[us, UTC]")
        values.append((end - times.max()).total_seconds() / 3600 if len(times) else 48.0)
    says = "hours from the last event to the end of the day"
    return Measure("events.quiet_hours", "freshness", EVENTS.name, says, "most", hours, hours), np.array(values)


def _distribution(
    days: list[dt.date],
    known: Mapping[str, Mapping[dt.date, Partition]],
    events: Mapping[dt.date, pa.Table],
    categories: Mapping[str, str],
) -> list[Column]:
    prices, mixes, kinds = [], [], []
    for day in days:
        frame = events[day].to_pandas() if day in events else pd.DataFrame({"item_id": [], "kind": []})
        bought = frame[frame["kind"] == "purchase"]
        price = bought["value"] / bought["quantity"] if len(bought) >= FEWEST_ROWS else pd.Series([np.nan])
        prices.append(float(price.median()))
        mixes.append(bought["item_id"].map(categories).fillna("").value_counts(normalize=True))
        kinds.append(frame["kind"].value_counts(normalize=True))
    lines, orders = (np.array([_rows(known[name], day) for day in days]) for name in (ORDER_ITEMS.name, ORDERS.name))
    basket = np.divide(lines, orders, out=np.full(len(days), np.nan), where=orders > 0)
    says = "how far the day's purchases lie from the usual mix of categories, 0 to 1 (total variation)"
    return [
        (
            Measure("events.price", "distribution", EVENTS.name, "median price paid for a piece", "range"),
            np.array(prices),
        ),
        (Measure("orders.lines", "distribution", ORDERS.name, "order lines per order", "range"), basket),
        (Measure("events.category_mix", "distribution", EVENTS.name, says, "most", 0.05, 0.5), _distances(mixes)),
        (
            Measure(
                "events.kind_mix",
                "distribution",
                EVENTS.name,
                says.replace("purchases", "events").replace("categories", "kinds"),
                "most",
                0.05,
                0.5,
            ),
            _distances(kinds),
        ),
    ]


def _rows(partitions: Mapping[dt.date, Partition], day: dt.date) -> float:
    return float(partitions[day].rows) if day in partitions else np.nan


def _distances(mixes: list[pd.Series]) -> NDArray[np.float64]:
    """The total variation between each day's mix and the mean mix of all days but the last, shape (days,)."""
    table = pd.DataFrame(mixes).fillna(0.0).to_numpy(float)
    there = table.sum(axis=1) > 0
    usual = table[:-1][there[:-1]]
    if not len(usual):
        return np.full(len(mixes), np.nan)
    distance = np.abs(table - usual.mean(axis=0)).sum(axis=1) / 2
    return np.where(there, distance, np.nan)


def missing_shares(name: str, days: Mapping[dt.date, pa.Table]) -> dict[tuple[str, str], dict[dt.date, float]]:
    """By (table, nullable column) and day, the share of rows that lack it; days with few rows are left out."""
    return {
        (name, column): {
            day: rows[column].null_count / len(rows)
            for day, told in days.items()
            if len(rows := _with_column(name, column, told)) >= FEWEST_ROWS
        }
        for column in nullable_columns(name)
    }


def _with_column(name: str, column: str, rows: pa.Table) -> pa.Table:
    """Rows that can have the column at all: only what was shown or clicked was anywhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name != EVENTS.name or column not in EXPOSURE:
        return rows
    return rows.filter(pc.is_in(rows["kind"], value_set=pa.array(SHOWN)))


def nullable_columns(name: str) -> list[str]:
    return [column for column, definition in MAPPABLE_TABLES[name].columns.items() if definition.nullable]


def read_for_nulls(name: str) -> list[str]:
    """The columns that `missing_shares` looks at; none: nothing of the table may be missing."""
    nullable = nullable_columns(name)
    return [*nullable, "kind"] if nullable and name == EVENTS.name else nullable


def categories_of(items: Mapping[dt.date, pa.Table]) -> dict[str, str]:
    """Item -> its newest category."""
    import pyarrow as pa

    rows = pa.concat_tables(items.values()).select([ITEMS.key[0], "category"])
    return dict(zip(rows["item_id"].to_pylist(), (each or "" for each in rows["category"].to_pylist()), strict=True))
