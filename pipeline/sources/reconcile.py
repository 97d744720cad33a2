"""Archive and source compared whole: which days differ, which rows are missing, changed or gone; and the repair.

The newest archived version of each key stands against the source's row. Rows that the source dated after the watermark
wait for the next reading, and rows without a readable cursor can only be counted: neither is a difference.
"""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources.archive import RAW, partition_file, write_partitions
from pipeline.sources.business import EARLIEST
from pipeline.sources.canonical import arrow_schema, no_rows
from pipeline.sources.daily import by_day
from pipeline.sources.intake import ONE_DAY, Intake, checksum_of, start_of
from pipeline.sources.ledger import Extraction
from pipeline.sources.repair import Day, Repaired, Repairs, repaired_days
from pipeline.sources.watermark import watermark

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from feature_store.schema import Table

log = logging.getLogger(__name__)
RECONCILE = "reconcile"


@dataclass(frozen=True)
class Side:
    """One day of a table on one side."""

    rows: int = 0
    first_key: str = ""
    last_key: str = ""
    checksum: str = ""


@dataclass(frozen=True)
class Difference:
    """A day on which archive and source were not the same."""

    table: str
    day: Day
    source: Side
    archive: Side

    def __str__(self) -> str:
        what = "keys" if self.source.rows != self.archive.rows else "values"
        return f"{self.table} {self.day}: {what} differ, source {self.source.rows} rows, archive {self.archive.rows}"


@dataclass
class Reconciliation:
    """What comparing one table found and did."""

    table: str
    rows: int = 0
    unreadable: int = 0
    differences: list[Difference] = field(default_factory=list)
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    written: list[Day] = field(default_factory=list)


def is_due(ledger: Any, table: str, every: int) -> bool:  # noqa: ANN401 -- a Ledger; its module needs none of this one's libraries
    """Whether `every` new windows of a table were read since it was last compared; 0: never."""
    kinds = [entry.kind for entry in ledger.extractions(table) if entry.kind in {"new", "binlog", RECONCILE}]
    since = kinds[::-1].index(RECONCILE) if RECONCILE in kinds else len(kinds)
    return 0 < every <= since


def reconcile_table(intake: Intake, table: Table, first: Day | None = None, last: Day | None = None) -> Reconciliation:
    """Compare one table, on the days from `first` to `last` where given, and repair what differs.

    Raises:
        SourceError: the source cannot be read.
    """
    started = time.perf_counter()
    result = Reconciliation(table.name)
    through = watermark(intake.ledger, intake.source.mapping.name, table.name)
    if through is None:
        return result
    result.unreadable = intake.source.unreadable(table.name)
    with _comparison(intake, table, through, result) as compared:
        result.differences = [each for each in compared.differences() if _within(each.day, first, last)]
        repairs = compared.repairs({each.day for each in result.differences}) if result.differences else Repairs()
    result.deleted = repairs.gone
    _repair(intake, table, repairs, result)
    _record(intake, table, through, result, time.perf_counter() - started)
    for difference in result.differences:
        log.warning("archive and source differed, repaired", extra={"difference": str(difference)})
    if result.unreadable:
        log.warning("rows without a readable cursor", extra={"table": table.name, "rows": result.unreadable})
    return result


def _within(day: Day, first: Day | None, last: Day | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)


@contextmanager
def _comparison(intake: Intake, table: Table, through: dt.datetime, result: Reconciliation) -> Iterator[Comparison]:
    """Both sides in DuckDB, which spills to disk what the memory limit does not hold."""
    import duckdb

    settings = intake.settings
    folder = settings.workspace.root / "spill" / f"reconcile-{table.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options = {
        "memory_limit": settings.compute.memory_limit,
        "threads": settings.compute.threads,
        "temp_directory": str(folder),
    }
    try:
        result.rows = _spool(intake, table, folder / "source.parquet")
        with duckdb.connect(config=options) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield Comparison(connection, intake, table, folder / "source.parquet", through)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spool(intake: Intake, table: Table, path: Path) -> int:
    """Write what the source has into one file, a batch at a time; how many rows."""
    whole = intake.settings.extract.reconcile == "rows"
    names = [name for name in table.columns if whole or name in (*table.key, table.cursor)]
    schema = pa.schema([field for field in arrow_schema(table) if field.name in names])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in (intake.source.scan if whole else intake.source.scan_keys)(table.name):
            rows = intake.forgotten.without(table.name, batch).select(names)
            count += len(rows)
            writer.write_table(rows)
    return count


class Comparison:
    """Two tables, `source` and `held`: key columns, `moment`, `day`, `digest` of the row; `live` is the newest held."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, intake: Intake, table: Table, spooled: Path, through: dt.datetime
    ) -> None:
        self.connection, self.table = connection, table
        self.key = ", ".join(table.key)
        names = pq.ParquetFile(spooled).schema_arrow.names
        bounds = f"TIMESTAMPTZ '{EARLIEST.isoformat()}'", f"TIMESTAMPTZ '{through.isoformat()}'"
        row = f"hash(row({', '.join(sorted(names))}))"
        others = ", ".join(f"{name} DESC NULLS FIRST" for name in names if name not in table.key)
        # Of several rows of one key the one with a readable cursor, then the newest: as `merge` decides.
        connection.execute(
            f"CREATE TABLE source AS SELECT {self.key}, {table.cursor} AS moment, {table.cursor}::DATE AS day,"
            f" {row} AS digest, coalesce({table.cursor} >= {bounds[0]}, false) AS readable,"
            f" coalesce({table.cursor} < {bounds[1]}, false) AND readable AS due"
            f" FROM read_parquet('{spooled}') QUALIFY row_number() OVER (PARTITION BY {self.key}"
            f" ORDER BY due DESC, readable DESC, {table.cursor} DESC, {others}) = 1"
        )
        workspace, known = intake.settings.workspace, intake.ledger.partitions(RAW, table.name)
        files = [str(partition_file(workspace, RAW, table.name, day)) for day in known]
        rows = (
            f"FROM read_parquet({files}, hive_partitioning=false, filename=true)"
            if files
            else f"FROM (SELECT *, '' AS filename FROM read_parquet('{spooled}') LIMIT 0)"
        )
        connection.execute(
            f"CREATE TABLE held AS SELECT {self.key}, {table.cursor} AS moment,"
            f" regexp_extract(filename, 'day=([0-9-]+)', 1)::DATE AS day, {row} AS digest {rows}"
        )
        connection.execute(
            f"CREATE VIEW live AS SELECT * FROM held QUALIFY row_number() OVER"
            f" (PARTITION BY {self.key} ORDER BY moment DESC, day DESC) = 1"
        )

    def differences(self) -> list[Difference]:
        """Days whose number of rows, first and last key, or checksum of keys, cursors and values are not the same."""
        pending = f"SELECT 1 FROM source AS s WHERE {self._same('s', 'live')} AND NOT s.due"
        sides = (
            self._side("SELECT * FROM source WHERE due"),
            self._side(f"SELECT * FROM live WHERE NOT EXISTS ({pending})"),
        )
        days = sorted(day for day in sides[0].keys() | sides[1].keys() if sides[0].get(day) != sides[1].get(day))
        return [Difference(self.table.name, day, *(side.get(day, Side()) for side in sides)) for day in days]

    def _side(self, rows: str) -> dict[Day, Side]:
        key = f"concat_ws(' ', {self.key})"
        found = self.connection.execute(
            f"SELECT day, count(*), min({key}), max({key}), bit_xor(hash(row({self.key}, moment, digest)))"
            f" FROM ({rows}) GROUP BY day"
        ).fetchall()
        return {day: Side(rows, first, last, f"{checksum:016x}") for day, rows, first, last, checksum in found}

    def repairs(self, days: set[Day]) -> Repairs:
        """What makes `days` the same, by comparing key sets."""
        listed = ", ".join(f"DATE '{day}'" for day in sorted(days))
        missing = self.connection.execute(
            f"SELECT DISTINCT s.day FROM source AS s WHERE s.due AND s.day IN ({listed}) AND NOT EXISTS"
            f" (SELECT 1 FROM live WHERE {self._same('s', 'live')}"
            " AND live.moment = s.moment AND live.digest = s.digest)"
        ).fetchall()
        self.connection.execute(
            f"CREATE TABLE gone AS SELECT {self.key} FROM live WHERE day IN ({listed}) AND NOT EXISTS"
            f" (SELECT 1 FROM source AS s WHERE {self._same('s', 'live')})"
        )
        untrue = self.connection.sql(
            f"SELECT {self.key}, day FROM held WHERE EXISTS (SELECT 1 FROM gone WHERE {self._same('gone', 'held')})"
            f" OR day IN ({listed}) AND EXISTS (SELECT 1 FROM source AS s WHERE {self._same('s', 'held')}"
            f" AND s.due AND held.moment > s.moment)"
        ).to_arrow_table()
        remove = {day: untrue.filter(pa.compute.equal(untrue["day"], day)) for day in set(untrue["day"].to_pylist())}
        (gone,) = self.connection.execute("SELECT count(*) FROM gone").fetchall()[0]
        return Repairs(frozenset(day for (day,) in missing), remove, int(gone))

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in self.table.key)


def _repair(intake: Intake, table: Table, repairs: Repairs, result: Reconciliation) -> None:
    done, empty = Repaired(), no_rows(arrow_schema(table))

    def rows_of(day: Day) -> pa.Table:
        return dict(by_day(_read(intake, table, day), table)).get(day, empty)

    repaired = repaired_days(intake, table, repairs, rows_of, done)
    written = write_partitions(intake.settings.workspace, RAW, table.name, repaired)
    result.written, result.inserted, result.updated = sorted(written), done.inserted, done.updated
    with intake.ledger.transaction():
        intake.ledger.record_partitions(RAW, table.name, written)
        intake.ledger.bury(table.name, done.buried)
        intake.forgotten.record(intake.ledger)


def _read(intake: Intake, table: Table, day: Day) -> Iterator[pa.Table]:
    for batch in intake.source.read(table.name, start_of(day), start_of(day + ONE_DAY)):
        rows = intake.forgotten.without(table.name, batch)
        if len(rows):
            yield rows


def _record(intake: Intake, table: Table, through: dt.datetime, result: Reconciliation, seconds: float) -> None:
    known = intake.ledger.partitions(RAW, table.name)
    start = start_of(min(known, default=through.date()))
    entry = Extraction(
        intake.source.mapping.name,
        table.name,
        intake.run_day,
        start,
        through,
        result.rows,
        round(seconds, 3),
        through,
        through,
        RECONCILE,
        result.inserted,
        result.updated,
        result.deleted,
        unreadable=result.unreadable,
        checksum=checksum_of(known, start, through),
        note="; ".join(map(str, result.differences)),
    )
    with intake.ledger.transaction():
        intake.ledger.record_extraction(entry)
