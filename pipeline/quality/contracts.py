"""Pandera contracts of the canonical tables, and what breaks them in words a person can act on."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feature_store.schema import MAPPABLE_TABLES, Table
from pipeline.quality.rules import NOT_NULL, TYPE, UNIQUE, VALUE_RULES, ValueRule
from pipeline.sources.canonical import arrow_schema

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from pipeline.quality.choices import Action

DAY = "partition_day"
SHOWN_ROWS = 3
WITHHELD = "withheld"
"""Stands for a user's id in reports, errors and logs: nobody could take it out of them again."""
NO_ACTIONS: Mapping[str, Action] = MappingProxyType({})
"""Every rule blocks."""


@dataclass(frozen=True)
class Break:
    """One rule of one column that rows break; `rows` are the first of them."""

    table: str
    column: str
    rule: str
    name: str
    """As `config/quality.yaml` names it."""
    counts: Mapping[dt.date, int]
    rows: tuple[dict[str, Any], ...] = ()
    action: Action = "block"

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def days(self) -> tuple[dt.date, ...]:
        return tuple(sorted(self.counts))

    def __str__(self) -> str:
        shown = "; ".join(str(row) for row in self.rows)
        days = f"{self.days[0]}" if len(self.days) == 1 else f"{self.days[0]} to {self.days[-1]}"
        first = f", the first: {shown}" if shown else ""
        return f"column `{self.column}` ({self.rule}) in {self.count} rows, partitions {days}{first}"


def breaks(table: Table, days: dict[dt.date, pa.Table], actions: Mapping[str, Action] = NO_ACTIONS) -> list[Break]:
    """Everything in these partitions that breaks the contract of `table`, all rules at once; empty when it is kept."""
    return [replace(each, action=actions.get(each.name, "block")) for each in _breaks(table, days)]


def _breaks(table: Table, days: dict[dt.date, pa.Table]) -> list[Break]:
    import pandas as pd
    from pandera.errors import SchemaErrors

    if mistyped := list(_mistyped(table, days)):
        return mistyped
    frame = pa.concat_tables(days.values()).to_pandas()
    starts = pd.to_datetime(list(days)).tz_localize("UTC").astype("datetime64[us, UTC]")
    frame[DAY] = starts.repeat([len(rows) for rows in days.values()])
    try:
        contract(table.name).validate(frame, lazy=True)
    except SchemaErrors as error:
        return list(_broken(table, frame, error.failure_cases))
    return []


@functools.cache
def contract(name: str) -> Any:  # noqa: ANN401 -- pandera is slow to import, so its types are not named here
    """The Pandera schema of a canonical table with the column `partition_day`: nulls, keys and value rules."""
    import pandera.pandas as pandera

    table, rules = MAPPABLE_TABLES[name], VALUE_RULES[name]
    columns = {column: pandera.Column(nullable=definition.nullable) for column, definition in table.columns.items()}
    return pandera.DataFrameSchema(
        {**columns, DAY: pandera.Column()},
        checks=[_check(column, rule) for column, rule in rules.items()],
        unique=[DAY, *table.key],
        strict=True,
    )


def _check(column: str, rule: ValueRule) -> Any:  # noqa: ANN401 -- as above
    """A check of the frame, because it sees the partition's day; nulls are for the null rule to tell."""
    import pandera.pandas as pandera

    def holds(frame: pd.DataFrame) -> pd.Series:
        return rule.holds(frame[column], frame[DAY]).fillna(value=True).astype(bool) | frame[column].isna()

    return pandera.Check(holds, name=f"{column}|{rule.name}", ignore_na=False)


def _mistyped(table: Table, days: dict[dt.date, pa.Table]) -> Iterator[Break]:
    """Columns that lack or have another type; compared exactly, because Pandera's types are loose."""
    expected = arrow_schema(table)
    for day, rows in days.items():
        for field in expected:
            found = rows.schema.field(field.name).type if field.name in rows.schema.names else "no such column"
            if found != field.type:
                name = f"{table.name}.{field.name}.{TYPE}"
                yield Break(table.name, field.name, f"type {field.type}, not {found}", name, {day: len(rows)})


def _broken(table: Table, frame: pd.DataFrame, cases: pd.DataFrame) -> Iterator[Break]:
    """Pandera lists a broken frame check once per cell; each rule is told once, with its rows."""
    cases = cases.assign(check=cases["check"].astype("str"))
    for check, found in cases.groupby("check", sort=True):
        for column, rule, name, part in _told(str(check), table, found):
            bad = frame.loc[sorted({int(index) for index in part["index"].dropna()})]
            counts = dict(Counter(moment.date() for moment in bad[DAY]))
            shown = _without_users(bad[list(table.columns)].head(SHOWN_ROWS)).astype("str").to_dict("records")
            rows = tuple({str(name): value for name, value in row.items()} for row in shown)
            yield Break(table.name, column, rule, f"{table.name}.{name}", counts, rows)


def _without_users(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows to show; that a user's id is missing or empty is still to be seen."""
    if "user_id" not in rows.columns:
        return rows
    return rows.assign(user_id=rows["user_id"].where(rows["user_id"].isna() | (rows["user_id"] == ""), WITHHELD))


def _told(check: str, table: Table, found: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """(column, rule in words, name without the table, cases)"""
    if "|" in check:
        column, _, rule = check.partition("|")
        yield column, VALUE_RULES[table.name][column].says, f"{column}.{rule}", found
    elif check == "not_nullable":
        for name, part in found.groupby("column", sort=True):
            yield str(name), "not null", f"{name}.{NOT_NULL}", part
    else:
        key = ", ".join(table.key)
        yield key, "unique key in its partition" if "unique" in check else check, f"key.{UNIQUE}", found
