"""Keys that changed become days that change: rows are read again through the mapping, those that are gone taken out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.business import EARLIEST
from pipeline.sources.canonical import arrow_schema, no_rows
from pipeline.sources.daily import by_day, ordered
from pipeline.sources.intake import ids_of
from pipeline.sources.mapping import Constant
from pipeline.sources.merge import newest_of_key, without_keys
from pipeline.sources.repair import Day, Repaired, Repairs, repaired_days
from pipeline.sources.selection import reference_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from feature_store.schema import Table
    from pipeline.sources.binlog.changes import Changes, Values
    from pipeline.sources.binlog.watched import Watched
    from pipeline.sources.business import BusinessSource
    from pipeline.sources.intake import Intake
    from pipeline.sources.mapping import TableMapping

_KEYS_A_QUERY = 1_000


@dataclass(frozen=True)
class Landing:
    """What the changes of one table mean for its archive.

    rows: as the source has them now, of those that have a cursor and belong to nobody forgotten. unreadable: others.
    gone: keys that the source has no more. held: archived rows of all these keys, as (key, day, is gone, is later).
    """

    rows: pa.Table
    unreadable: int
    gone: pa.Table
    held: pa.Table


def land(
    intake: Intake, source: BusinessSource, table: Table, watched: Watched, changes: Changes, most: int
) -> Landing:
    """The changed rows of a table, read again, and what the archive holds of them.

    Raises:
        TooManyRowsError: more than `most` rows.
        SourceError: the source cannot be read.
    """
    read = [no_rows(arrow_schema(table))]
    for batch in _read(source, watched, changes):
        read.append(batch)
        if sum(map(len, read)) > most:
            raise TooManyRowsError
    found = newest_of_key(ordered(read, table), table)
    affected = _canonical_keys(source, watched, changes.keys)
    gone = without_keys(affected, found, table)
    rows = intake.forgotten.without(table.name, found)
    readable = rows.filter(pc.fill_null(pc.greater_equal(rows[table.cursor], EARLIEST), False))
    return Landing(readable, len(rows) - len(readable), gone, _held(intake, table, readable, gone))


class TooManyRowsError(Exception):
    """More rows changed than may be in memory."""


def repaired(
    intake: Intake, table: Table, landing: Landing, result: Repaired
) -> tuple[Repairs, Iterator[tuple[Day, pa.Table]]]:
    """The days that change, with their rows; what the rows named that are gone is told when all are done."""
    days = dict(by_day([landing.rows.sort_by(table.cursor)], table)) if len(landing.rows) else {}
    untrue = landing.held.filter(pc.or_(landing.held["gone"], landing.held["later"]))
    remove = {day: untrue.filter(pc.equal(untrue["day"], day)) for day in set(untrue["day"].to_pylist())}
    gone = landing.held.filter(landing.held["gone"])
    repairs = Repairs(frozenset(days), remove, _distinct(gone, table))
    return repairs, repaired_days(intake, table, repairs, days.__getitem__, result)


def inserted(table: Table, landing: Landing) -> int:
    """How many rows have a key that was never archived."""
    return len(without_keys(landing.rows, landing.held, table))


def ids_of_gone(intake: Intake, table: Table, landing: Landing) -> list[dict[str, str]]:
    """What keys name that the source has no more and no day holds: a killed run may have taken them out untold."""
    return ids_of(intake.forgotten.without(table.name, without_keys(landing.gone, landing.held, table)))


def _read(source: BusinessSource, watched: Watched, changes: Changes) -> Iterator[pa.Table]:
    mapping = source.mapping.tables[watched.name]
    yield from _matching(source, mapping, watched.name, tuple(watched.key.values()), changes.keys)
    for alias, values in changes.lookups.items():
        yield from _matching(source, mapping, watched.name, tuple(mapping.joins[alias].by), values)


def _matching(
    source: BusinessSource, mapping: TableMapping, name: str, references: Sequence[str], values: Iterable[Values]
) -> Iterator[pa.Table]:
    """Rows whose columns have one of the values, a bounded list at a time."""
    columns = [reference_column(mapping, reference) for reference in references]
    waiting = iter(values)
    while chunk := list(islice(waiting, _KEYS_A_QUERY)):
        # The first column alone bounds the index range: MariaDB scans a whole table for a long list of pairs.
        condition: sa.ColumnElement[bool] = columns[0].in_({value[0] for value in chunk})
        if len(columns) > 1:
            condition = sa.and_(condition, sa.tuple_(*columns).in_(chunk))
        yield from source.where(name, condition)


def _canonical_keys(source: BusinessSource, watched: Watched, keys: Iterable[Values]) -> pa.Table:
    values = list(keys)
    columns = {part: [key[index] for key in values] for index, part in enumerate(watched.key)}
    for part, each in source.mapping.tables[watched.name].columns.items():
        if isinstance(each, Constant):
            columns[part] = [each.constant] * len(values)
    return source.canonical_keys(watched.name, columns)


def _held(intake: Intake, table: Table, rows: pa.Table, gone: pa.Table) -> pa.Table:
    """Every archived version of the keys: its day, whether the key is gone, whether it is later than the row now."""
    import duckdb

    moment = pa.field("moment", arrow_schema(table).field(table.cursor).type)
    keys = [arrow_schema(table).field(part) for part in table.key]
    schema = pa.schema([*keys, moment])
    now = pa.table([*(rows[part] for part in table.key), rows[table.cursor]], schema=schema)
    never = pa.table([*(gone[part] for part in table.key), pa.nulls(len(gone), moment.type)], schema=schema)
    changed = pa.concat_tables([now, never])
    empty = no_rows(pa.schema([*keys, ("day", pa.date32()), ("gone", pa.bool_()), ("later", pa.bool_())]))
    workspace, known = intake.settings.workspace, intake.ledger.partitions(RAW, table.name)
    files = [str(partition_file(workspace, RAW, table.name, day)) for day, partition in known.items() if partition.rows]
    if not files or not len(changed):
        return empty
    with duckdb.connect(config={"threads": intake.settings.compute.threads}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("changed", changed)
        found = connection.sql(
            f"SELECT {', '.join(f'h.{part}' for part in table.key)},"
            " regexp_extract(h.filename, 'day=([0-9-]+)', 1)::DATE AS day, c.moment IS NULL AS gone,"
            f" coalesce(h.{table.cursor} > c.moment, false) AS later"
            f" FROM read_parquet({files}, hive_partitioning=false, filename=true) AS h"
            f" JOIN changed AS c ON {' AND '.join(f'h.{part} = c.{part}' for part in table.key)}"
        ).to_arrow_table()
    return found.cast(empty.schema)


def _distinct(rows: pa.Table, table: Table) -> int:
    return int(rows.group_by(list(table.key), use_threads=False).aggregate([]).num_rows)
