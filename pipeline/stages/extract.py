"""Bring the raw archive up to the last day that a run reads: each table from its watermark to that UTC day's end."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from feature_store.schema import MAPPABLE_TABLES, ORDER_ITEMS, ORDERS, Table
from pipeline.demo.shop import ensure_demo_shop
from pipeline.errors import DayOutsideDataError, EmptyDayError, SourceError, UnreachableError
from pipeline.sources.archive import archive_lock
from pipeline.sources.binlog.extraction import bring_up_from_binlog
from pipeline.sources.binlog.reading import read_binlog
from pipeline.sources.business import open_source
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import MEND, ONE_DAY, Intake, start_of
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.extraction import bring_up_matomo
from pipeline.sources.reconcile import is_due, reconcile_table
from pipeline.sources.windows import damaged_windows, new_windows
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings
    from pipeline.sources.binlog.reading import Reading
    from pipeline.sources.source import Source


@stage
def extract(day: dt.date, settings: Settings) -> StageResult:
    """New and damaged days of every mapped table, one Parquet file per table and UTC day of the cursor.

    A little behind the watermark is read again and merged by key, so that rows committed late are found; every n-th
    run compares archive and source whole. With `mode: binlog` the events since the last run say which rows to read.
    What is archived and unchanged keeps its bytes.

    Raises:
        SourceError: the source cannot be reached, or tables are not as the mapping or the ledger says; the others are
            extracted all the same.
        DayOutsideDataError: the run would read days that the source does not have, or that are not over.
        EmptyDayError: nobody ordered anything on `day`.
    """
    ensure_demo_shop(settings)
    workspace, last_day = settings.workspace, settings.last_judged(day)
    counts: dict[str, float] = {"days_written": 0, "days_mended": 0, "deleted": 0}
    failures: list[SourceError] = []
    with open_source(settings) as source:
        tables = [table for name, table in MAPPABLE_TABLES.items() if name in source.mapping.tables]
        check_day(source, day, last_day, settings.timezone)
        with archive_lock(settings), open_ledger(workspace.ledger) as ledger:
            intake = Intake(source, ledger, settings, day, Forgotten(ledger))
            reading = read_binlog(intake, tables)
            for table in tables:
                with _collected(failures):
                    if reading is not None and table.name in reading.changes:
                        _follow(intake, table, last_day, reading, counts)
                    else:
                        _bring_up(intake, table, last_day, counts)
            with _collected(failures):
                counts |= bring_up_matomo(settings, source.mapping, ledger, day, last_day)
    if failures:
        raise _failed(failures)
    rows = int(sum(counts[table.name] for table in tables))
    return StageResult(tuple(workspace.raw / table.name for table in tables), rows, counts)


@contextmanager
def _collected(failures: list[SourceError]) -> Iterator[None]:
    """One table's trouble does not stop the others, unless the database is gone for all."""
    try:
        yield
    except UnreachableError:
        raise
    except SourceError as error:
        failures.append(error)


def _failed(failures: list[SourceError]) -> SourceError:
    """The one failure, or all of them in one."""
    if len(failures) == 1:
        return failures[0]
    return SourceError(
        f"{len(failures)} tables",
        expected="every table as the mapping says",
        found="; ".join(f"{error.where}: expected {error.expected}, found {error.found}" for error in failures),
        remedy=f"{failures[0].remedy} The other tables are extracted.",
    )


def _bring_up(intake: Intake, table: Table, last_day: dt.date, counts: dict[str, float]) -> None:
    """Read what is damaged and what is new of one table; compare it whole when that is due."""
    counts[table.name] = 0
    for window in [*damaged_windows(intake, table), *new_windows(intake, table, last_day)]:
        taken = intake.take(table, window)
        counts[table.name] += taken.inserted + taken.updated
        counts["days_mended" if window.kind == MEND else "days_written"] += len(taken.written)
    _compare_when_due(intake, table, counts)


def _follow(intake: Intake, table: Table, last_day: dt.date, reading: Reading, counts: dict[str, float]) -> None:
    """The same from the binlog."""
    brought = bring_up_from_binlog(intake, table, last_day, reading)
    counts[table.name] = brought.rows
    counts["days_written"] += brought.days_written
    counts["days_mended"] += brought.days_mended
    counts["deleted"] += brought.deleted
    if not brought.was_compared:
        _compare_when_due(intake, table, counts)


def _compare_when_due(intake: Intake, table: Table, counts: dict[str, float]) -> None:
    if is_due(intake.ledger, table.name, intake.settings.extract.reconcile_every):
        counts["deleted"] += reconcile_table(intake, table).deleted


def check_day(source: Source, day: dt.date, last_day: dt.date, timezone: str = "UTC") -> None:
    """The source has orders on `day`, and all days that a run of it reads; they are over in UTC and in the shop."""
    today = min(now.date() for now in (dt.datetime.now(dt.UTC), dt.datetime.now(ZoneInfo(timezone))))
    if not _has_shape(source, ORDERS.name):  # the tables beside it are worth having; what it lacks is told later
        bounds: tuple[dt.datetime, dt.datetime] | None = start_of(day), start_of(min(last_day, today - ONE_DAY))
    else:
        bounds = source.bounds(ORDERS.name)
    first, last = (bounds[0].date(), bounds[1].date()) if bounds else (None, None)
    if first is None or last is None or day < first or last_day > min(last, today - ONE_DAY):
        latest = None if last is None else min(last, today - ONE_DAY) - (last_day - day)
        raise DayOutsideDataError(
            f"day {day}",
            expected=f"orders from {day} to {last_day}, the last day that this run reads",
            found=f"orders from {first} to {last}" if first else "no orders at all",
            remedy=f"Choose a day from {first} to {latest}." if first else "Fill the shop, or mend the mapping.",
        )
    for table in (ORDERS, ORDER_ITEMS):
        if _has_shape(source, table.name) and not source.has_rows(table.name, start_of(day), start_of(day + ONE_DAY)):
            raise EmptyDayError(
                f"day {day}, table `{table.name}`",
                expected="rows on this day",
                found=f"none, though there are orders from {first} to {last}",
                remedy="Was the shop closed, or did a load fail? Choose another day, or load the day and run again.",
            )


def _has_shape(source: Source, name: str) -> bool:
    try:
        source.shape(name)
    except SourceError:
        return False
    return True
