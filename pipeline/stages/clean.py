"""Make the clean archive from the raw one: rows a model may learn from, and `events`, who did what when."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError
from feature_store.schema import EVENTS, ORDER_ITEMS, ORDERS, SOURCE_TABLES, TABLES
from pipeline.atomic import write_text
from pipeline.cleaning.cleaner import DataCleaner, purchases, split_days
from pipeline.cleaning.lookups import RawArchive, Work, changed_behind, read_lookups
from pipeline.cleaning.report import cleaning_report
from pipeline.cleaning.rules import VERSION
from pipeline.progress import track
from pipeline.sources.archive import CLEAN, archive_lock, damaged_days, remove_unknown, write_partitions
from pipeline.sources.ledger import Ledger, Partition, open_ledger
from pipeline.sources.watermark import archived_through
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
BLOCK_DAYS = 61
"""Days in memory at a time."""
Written = dict[str, dict[dt.date, Partition]]


@stage
def clean(day: dt.date, settings: Settings) -> StageResult:
    """The clean partitions up to the last day that a run of `day` reads; only new and changed ones are made.

    Needs the raw archive alone, no source. The report, `clean.json`, covers every partition, not only this run's.

    Raises:
        ArchiveError: the raw archive does not reach that day, or a file of it is missing or damaged.
    """
    workspace, last_day = settings.workspace, settings.last_judged(day)
    with archive_lock(settings), open_ledger(workspace.ledger) as ledger:
        require_archive(ledger, day, last_day)
        raw = RawArchive.of(workspace, ledger)
        work = {
            name: _to_clean(ledger, raw, name, settings) & _up_to(last_day, raw.known[name]) for name in SOURCE_TABLES
        }
        written = _clean(work, raw, ledger, settings) if any(work.values()) else {}
        report = cleaning_report(ledger, day, last_day)
    write_text(workspace.reports(day) / "clean.json", json.dumps(report, indent=2) + "\n")
    rows = {name: sum(partition.rows for partition in days.values()) for name, days in written.items()}
    counts = {"partitions_written": sum(map(len, written.values())), **rows}
    totals = {f"total_{what}": count for what, count in report["total"].items()}
    paths = tuple(workspace.clean / name for name in TABLES)
    return StageResult((*paths, workspace.reports(day) / "clean.json"), sum(rows.values()), {**counts, **totals})


def require_archive(ledger: Ledger, day: dt.date, last_day: dt.date) -> None:
    """Every source table is archived through `last_day`, and there are orders on `day`."""
    end = dt.datetime.combine(last_day + dt.timedelta(days=1), dt.time(), dt.UTC)
    for name in SOURCE_TABLES:
        through = archived_through(ledger, name)
        if through is None or through < end:
            raise _not_archived(
                name, f"everything up to {last_day}", f"rows before {through}" if through else "nothing"
            )
    for table in (ORDERS, ORDER_ITEMS):
        if day not in ledger.partitions("raw", table.name):
            raise _not_archived(table.name, f"rows on {day}", "none")


def _not_archived(name: str, expected: str, found: str) -> ArchiveError:
    return ArchiveError(
        f"raw archive, table `{name}`",
        expected=expected,
        found=found,
        remedy="Run `vitrine stage extract` for this day.",
    )


def _up_to(last_day: dt.date, days: Iterable[dt.date]) -> set[dt.date]:
    return {day for day in days if day <= last_day}


def _outputs(name: str) -> tuple[str, ...]:
    """The clean tables made from a raw one."""
    return (name, EVENTS.name) if name == ORDER_ITEMS.name else (name,)


def _made_from(partition: Partition, settings: Settings) -> str:
    """Names what a clean partition is made of: the raw file, the rules, and the shop's choices."""
    choices = settings.clean.model_dump_json()
    return hashlib.sha256(f"{VERSION} {choices} {partition.checksum}".encode()).hexdigest()


def _to_clean(ledger: Ledger, raw: RawArchive, name: str, settings: Settings) -> set[dt.date]:
    """Days that were never cleaned, or from another input, or whose clean file is damaged."""
    days: set[dt.date] = set()
    for output in _outputs(name):
        known = ledger.partitions(CLEAN, output)
        remove_unknown(settings.workspace, CLEAN, output, known)
        stale = {
            day
            for day, partition in raw.known[name].items()
            if day not in known or known[day].made_from != _made_from(partition, settings)
        }
        days |= stale | set(damaged_days(settings.workspace, CLEAN, output, known))
    return days


def _clean(work: Work, raw: RawArchive, ledger: Ledger, settings: Settings) -> Written:
    """Clean the days in `work` and those they change; the ledger hears of it when all files are in place."""
    lookups = read_lookups(raw, settings.clean)
    again = changed_behind(work, raw, lookups, ledger)
    cleaner = DataCleaner(lookups.facts)
    written: Written = {name: {} for name in TABLES}
    blocks = [(name, block) for name in SOURCE_TABLES for block in _blocks(sorted(work[name] | again[name]))]
    for name, block in track(blocks, "cleaning"):
        for output, partitions in _clean_block(cleaner, raw, name, block, settings).items():
            written[output] |= partitions
    with ledger.transaction():
        for name, partitions in written.items():
            ledger.record_partitions(CLEAN, name, partitions)
    return written


def _blocks(days: list[dt.date]) -> list[list[dt.date]]:
    return [days[start : start + BLOCK_DAYS] for start in range(0, len(days), BLOCK_DAYS)]


def _clean_block(cleaner: DataCleaner, raw: RawArchive, name: str, days: list[dt.date], settings: Settings) -> Written:
    cleaned = cleaner.clean(name, raw.read(name, days))
    frames = {name: cleaned.frame}
    if name == ORDER_ITEMS.name:
        frames[EVENTS.name] = purchases(cleaned.frame, cleaner.facts)
    made_from = {day: _made_from(raw.known[name][day], settings) for day in days}
    written = {
        output: write_partitions(settings.workspace, CLEAN, output, split_days(TABLES[output], frame, days))
        for output, frame in frames.items()
    }
    return {
        output: {
            day: dataclasses.replace(partition, made_from=made_from[day], counts=cleaned.counts[day])
            for day, partition in partitions.items()
        }
        for output, partitions in written.items()
    }
