"""Bring the raw archive up to the last day that a run reads: each table from its watermark to that UTC day's end."""

from __future__ import annotations

import datetime as dt
import logging
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from feature_store.schema import MAPPABLE_TABLES, ORDER_ITEMS, ORDERS, Table
from pipeline.demo.shop import ensure_demo_shop
from pipeline.errors import DayOutsideDataError, EmptyDayError
from pipeline.progress import track
from pipeline.sources.archive import RAW, archive_lock, damaged_days, remove_unknown, write_partitions
from pipeline.sources.business import BusinessSource, open_source
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.daily import by_day
from pipeline.sources.ledger import Extraction, Ledger, Partition, open_ledger
from pipeline.sources.watermark import move_watermark, watermark
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.workspace import Workspace

log = logging.getLogger(__name__)
ONE_DAY = dt.timedelta(days=1)
Window = tuple[dt.datetime, dt.datetime]


@stage
def extract(day: dt.date, settings: Settings) -> StageResult:
    """New and damaged days of every mapped table, one Parquet file per table and UTC day of the cursor.

    A day that is archived and whole is not read again; reading a window twice gives the same files.

    Raises:
        SourceError: the source cannot be reached, or lacks a table or a column of the mapping.
        DayOutsideDataError: the run would read days that the source does not have, or that are not over.
        EmptyDayError: nobody ordered anything on `day`.
    """
    ensure_demo_shop(settings)
    workspace, last_day = settings.workspace, settings.last_judged(day)
    counts: dict[str, float] = {"days_written": 0, "days_mended": 0}
    with open_source(settings) as source:
        tables = [table for name, table in MAPPABLE_TABLES.items() if name in source.mapping.tables]
        check_day(source, day, last_day)
        with archive_lock(settings), open_ledger(workspace.ledger) as ledger:
            for table in tables:
                counts[table.name] = 0
                for window, mends in _windows(source, ledger, table, workspace, last_day):
                    written = _archive(source, ledger, table, workspace, day, window, mends=mends)
                    counts[table.name] += sum(partition.rows for partition in written.values())
                    counts["days_mended" if mends else "days_written"] += len(written)
    rows = int(sum(counts[table.name] for table in tables))
    return StageResult(tuple(workspace.raw / table.name for table in tables), rows, counts)


def check_day(source: BusinessSource, day: dt.date, last_day: dt.date) -> None:
    """The source has orders on `day`, and all days that a run of it reads."""
    bounds = source.bounds(ORDERS.name)
    first, last = (bounds[0].date(), bounds[1].date()) if bounds else (None, None)
    today = dt.datetime.now(dt.UTC).date()
    if first is None or last is None or day < first or last_day > min(last, today - ONE_DAY):
        latest = None if last is None else min(last, today - ONE_DAY) - (last_day - day)
        raise DayOutsideDataError(
            f"day {day}",
            expected=f"orders from {day} to {last_day}, the last day that this run reads",
            found=f"orders from {first} to {last}" if first else "no orders at all",
            remedy=f"Choose a day from {first} to {latest}." if first else "Fill the shop, or mend the mapping.",
        )
    for table in (ORDERS, ORDER_ITEMS):
        if not source.has_rows(table.name, _start_of(day), _start_of(day + ONE_DAY)):
            raise EmptyDayError(
                f"day {day}, table `{table.name}`",
                expected="rows on this day",
                found=f"none, though there are orders from {first} to {last}",
                remedy="Was the shop closed, or did a load fail? Choose another day, or load the day and run again.",
            )


def _windows(
    source: BusinessSource, ledger: Ledger, table: Table, workspace: Workspace, last_day: dt.date
) -> list[tuple[Window, bool]]:
    """What must be read, as (window, mends): stretches of damaged days, then what is new."""
    known = ledger.partitions(RAW, table.name)
    remove_unknown(workspace, RAW, table.name, known)
    damaged = _stretches(damaged_days(workspace, RAW, table.name, known))
    windows = [((_start_of(first), _start_of(last + ONE_DAY)), True) for first, last in damaged]
    through, end = watermark(ledger, source.mapping.name, table.name), _start_of(last_day + ONE_DAY)
    if through is None:
        bounds = source.bounds(table.name)
        through = min(_start_of(bounds[0].date()), end) if bounds else end
    elif through >= end:
        return windows
    return [*windows, ((through, end), False)]


def _stretches(days: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Runs of days that follow each other, as (first, last)."""
    starts = days[:1] + [b for a, b in pairwise(days) if b - a > ONE_DAY]
    ends = [a for a, b in pairwise(days) if b - a > ONE_DAY] + days[-1:]
    return list(zip(starts, ends, strict=True))


def _archive(
    source: BusinessSource,
    ledger: Ledger,
    table: Table,
    workspace: Workspace,
    run_day: dt.date,
    window: Window,
    *,
    mends: bool,
) -> dict[dt.date, Partition]:
    """Read one window of one table into its day files; then enter files, reading and watermark at once."""
    started, (start, end) = time.perf_counter(), window
    days = by_day(source.read(table.name, start, end), table)
    expected = (end - start).days
    written = write_partitions(workspace, RAW, table.name, track(days, f"extracting {table.name}", total=expected))
    if mends:  # a day that the source no longer has becomes an empty file
        empty = arrow_schema(table).empty_table()
        gone = {start.date() + index * ONE_DAY for index in range(expected)} - set(written)
        written |= write_partitions(workspace, RAW, table.name, [(day, empty) for day in sorted(gone)])
    before = watermark(ledger, source.mapping.name, table.name)
    after = before if mends else end
    rows, seconds = sum(partition.rows for partition in written.values()), time.perf_counter() - started
    entry = Extraction(source.mapping.name, table.name, run_day, start, end, rows, round(seconds, 3), before, after)
    with ledger.transaction():
        ledger.record_partitions(RAW, table.name, written)
        ledger.record_extraction(entry)
        if not mends:
            move_watermark(ledger, source.mapping.name, table.name, end)
    log.info("table extracted", extra={"table": table.name, "rows": rows, "start": str(start), "end": str(end)})
    return written


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
