"""A table of the raw archive at the end of the binlog: what events name is read again, or it is compared whole.

The first reading notes the end of the log, then reads everything. A later one takes the keys of the events since, reads
those rows again through the mapping, and takes out what is gone. The position moves only in a transaction after which
the archive holds everything before it, so a run that is killed is simply run again.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.sources.archive import RAW, write_partitions
from pipeline.sources.binlog.landing import TooManyRowsError, ids_of_gone, inserted, land, repaired
from pipeline.sources.binlog.position import move_position
from pipeline.sources.binlog.reading import BINLOG
from pipeline.sources.drift import check_shape, record_shape
from pipeline.sources.intake import BACKFILL, ONE_DAY, Window, checksum_of, start_of
from pipeline.sources.ledger import Extraction
from pipeline.sources.reconcile import reconcile_table
from pipeline.sources.repair import Repaired
from pipeline.sources.watermark import move_watermark, watermark
from pipeline.sources.windows import damaged_windows, new_windows

if TYPE_CHECKING:
    from feature_store.schema import Table
    from pipeline.sources.binlog.landing import Landing
    from pipeline.sources.binlog.reading import Reading
    from pipeline.sources.intake import Intake

log = logging.getLogger(__name__)
_LATEST = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""Cursors after it are slips; a day must have a day after it."""


@dataclass
class Brought:
    """What one table's reading did."""

    rows: int = 0
    days_written: int = 0
    days_mended: int = 0
    deleted: int = 0
    was_compared: bool = False


def bring_up_from_binlog(intake: Intake, table: Table, last_day: dt.date, reading: Reading) -> Brought:
    """One table as it is at the end of the log; rows that are dated after `last_day` lie in their days already.

    Raises:
        SourceError: it cannot be read, or is not what it was.
    """
    brought, started = Brought(), time.perf_counter()
    for window in damaged_windows(intake, table):
        brought.days_mended += len(intake.take(table, window).written)
    changes, most = reading.changes[table.name], intake.settings.extract.binlog_keys
    through = start_of(last_day + ONE_DAY)
    if not changes.whole:
        try:
            landing = land(intake, reading.source, table, reading.watched[table.name], changes, most)
        except TooManyRowsError:
            changes.compare_whole(f"more than {most:,} rows are joined to look-up rows that changed")
        else:
            _enter(intake, table, reading, landing, _entry(intake, table, reading, through, started), brought)
            return brought
    _compare_whole(intake, table, last_day, brought)
    entry = _entry(intake, table, reading, through, started)
    with intake.ledger.transaction():
        _record(intake, table, reading, replace(entry, note=f"{entry.note}; compared whole: {changes.whole}"))
    return brought


def _enter(
    intake: Intake, table: Table, reading: Reading, landing: Landing, entry: Extraction, brought: Brought
) -> None:
    """The changed days on disk; then days, tombstones, reading and position in the ledger at once."""
    note, result, new = check_shape(intake.ledger, reading.source, table.name), Repaired(), inserted(table, landing)
    repairs, days = repaired(intake, table, landing, result)
    written = write_partitions(intake.settings.workspace, RAW, table.name, days)
    brought.rows, brought.days_written = result.inserted + result.updated, len(written)
    brought.deleted = repairs.gone
    with intake.ledger.transaction():
        intake.ledger.record_partitions(RAW, table.name, written)
        intake.ledger.bury(table.name, [*result.buried, *ids_of_gone(intake, table, landing)])
        intake.forgotten.record(intake.ledger)
        record_shape(intake.ledger, reading.source, table.name)
        entry = replace(
            entry,
            start=min(entry.end, start_of(min(written, default=entry.end.date()))),
            rows=len(landing.rows) + landing.unreadable,
            inserted=new,
            updated=brought.rows - new,
            deleted=repairs.gone,
            unreadable=landing.unreadable,
            note="; ".join(filter(None, [entry.note, note])),
        )
        _record(intake, table, reading, entry)
    log.info("table followed", extra={"table": table.name, "rows": brought.rows, "deleted": repairs.gone})


def _compare_whole(intake: Intake, table: Table, last_day: dt.date, brought: Brought) -> None:
    """Everything that the source has, whatever its cursor: what is new, what is dated later, and the rest compared."""
    was_empty = not intake.ledger.partitions(RAW, table.name)
    for window in new_windows(intake, table, last_day):
        taken = intake.take(table, window)
        brought.rows, brought.days_written = taken.inserted + taken.updated, len(taken.written)
    for window in _later_windows(intake, table):
        taken = intake.take(table, window)
        brought.rows, brought.days_written = brought.rows + taken.rows, brought.days_written + len(taken.written)
        brought.deleted += taken.deleted
    if not was_empty:
        brought.deleted += reconcile_table(intake, table).deleted
        brought.was_compared = True


def _later_windows(intake: Intake, table: Table) -> list[Window]:
    """From the watermark to the last day that source or archive have; comparing goes up to the watermark only."""
    through, bounds = _through(intake, table), intake.source.bounds(table.name)
    last = min(bounds[1], _LATEST).date() if bounds else through.date() - ONE_DAY
    after = max([last, *intake.ledger.partitions(RAW, table.name)]) + ONE_DAY
    return [Window(through, start_of(after), BACKFILL)] if start_of(after) > through else []


def _through(intake: Intake, table: Table) -> dt.datetime:
    through = watermark(intake.ledger, intake.source.mapping.name, table.name)
    assert through is not None  # noqa: S101 -- the window before has moved it
    return through


def _entry(intake: Intake, table: Table, reading: Reading, through: dt.datetime, started: float) -> Extraction:
    """What is known of the reading before it is done."""
    before = watermark(intake.ledger, intake.source.mapping.name, table.name)
    after, since = max(through, before or through), reading.since[table.name]
    return Extraction(
        source=intake.source.mapping.name,
        table=table.name,
        run_day=intake.run_day,
        start=after,
        end=after,
        rows=0,
        seconds=round(time.perf_counter() - started, 3),
        cursor_before=before,
        cursor_after=after,
        kind=BINLOG,
        note=f"{since or 'nothing'} → {reading.head}",
    )


def _record(intake: Intake, table: Table, reading: Reading, entry: Extraction) -> None:
    """Reading, watermark and position; inside a transaction."""
    move_watermark(intake.ledger, entry.source, table.name, entry.end)
    move_position(intake.ledger, entry.source, table.name, reading.head)
    checksum = checksum_of(intake.ledger.partitions(RAW, table.name), entry.start, entry.end)
    intake.ledger.record_extraction(replace(entry, checksum=checksum))
