"""Make the clean archive from the raw one: rows a model may learn from, and `events`, who did what when."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from feature_store.errors import ArchiveError
from feature_store.schema import EVENTS, MAPPABLE_TABLES, ORDER_ITEMS, ORDERS, REFUNDS, SOURCE_TABLES, TABLES
from pipeline.atomic import sweep, write_text
from pipeline.cleaning.cleaner import Cleaned, DataCleaner, apply_rules, purchases, rows_per_day, split_days
from pipeline.cleaning.contract_rules import all_rules, quarantining
from pipeline.cleaning.lookups import Work, changed_behind, read_lookups, with_bounds
from pipeline.cleaning.planning import Names, days_to_clean, names_of_input, together
from pipeline.cleaning.quarantine import COUNT, write_quarantine
from pipeline.cleaning.raw_archive import RawArchive
from pipeline.cleaning.refunds import refund_events
from pipeline.cleaning.report import bounds_report, cleaning_page, cleaning_report
from pipeline.progress import track
from pipeline.sources.archive import CLEAN, archive_lock, write_partitions
from pipeline.sources.ledger import Ledger, Partition, open_ledger
from pipeline.sources.watermark import archived_through
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pipeline.settings import Settings

log = logging.getLogger(__name__)
BLOCK_DAYS = 61
"""Days in memory at a time."""
Written = dict[str, dict[dt.date, Partition]]


@stage
def clean(day: dt.date, settings: Settings) -> StageResult:
    """The clean partitions up to the last day that a run of `day` reads; only new and changed ones are made.

    Needs the raw archive alone, no source. The report, `clean.json` and `clean.html`, covers every partition, not only
    this run's. Rows that wait for an item or an order lie in `quarantine/` until it arrives.

    Raises:
        ArchiveError: the raw archive does not reach that day, or a file of it is missing or damaged.
    """
    workspace, last_day = settings.workspace, settings.last_judged(day)
    with archive_lock(settings), open_ledger(workspace.ledger) as ledger:
        sweep(workspace.quarantine)
        require_archive(ledger, day, last_day)
        raw = RawArchive.of(workspace, ledger)
        made_from = names_of_input(raw, settings, last_day)
        work = days_to_clean(ledger, raw, made_from, settings)
        needed = any(work.values()) or ledger.has_fresh_tombstones()
        written = _clean(work, made_from, raw, ledger, settings) if needed else {}
        report = cleaning_report(ledger, day, last_day, all_rules(settings.quality.actions))
        report["outliers"] = bounds_report(raw, last_day, settings.clean)
    folder = workspace.reports(day)
    write_text(folder / "clean.json", json.dumps(report, indent=2) + "\n")
    write_text(folder / "clean.html", cleaning_page(report))
    rows = {name: sum(partition.rows for partition in days.values()) for name, days in written.items()}
    counts = {"partitions_written": sum(map(len, written.values())), **rows}
    totals = {f"total_{what}": count for what, count in report["total"].items()}
    paths = tuple(workspace.clean / name for name in TABLES)
    reports = (folder / "clean.json", folder / "clean.html")
    return StageResult((*paths, *reports), sum(rows.values()), {**counts, **totals})


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


def _clean(work: Work, made_from: Names, raw: RawArchive, ledger: Ledger, settings: Settings) -> Written:
    """Clean the days in `work` and those they change; the ledger hears of it when all files are in place."""
    lookups = read_lookups(raw, settings.clean)
    again = changed_behind(work, raw, lookups, ledger)
    work = together({name: days | again[name] for name, days in work.items()}, raw)
    rules = all_rules(settings.quality.actions)
    cleaner = DataCleaner(with_bounds(lookups, raw, work[ORDER_ITEMS.name]), rules)
    written: Written = {name: {} for name in MAPPABLE_TABLES}
    lead = {**work, ORDER_ITEMS.name: work[EVENTS.name], EVENTS.name: set()}
    blocks = [(name, block) for name in MAPPABLE_TABLES for block in _blocks(sorted(lead[name]))]
    for name, block in track(blocks, "cleaning"):
        for output, partitions in _clean_block(cleaner, raw, name, block, settings).items():
            written[output] |= {
                day: dataclasses.replace(partition, made_from=made_from[output][day])
                for day, partition in partitions.items()
            }
    with ledger.transaction():
        for name, partitions in written.items():
            ledger.record_partitions(CLEAN, name, partitions)
        ledger.mark_tombstones_cleaned()
    return written


def _blocks(days: list[dt.date]) -> list[list[dt.date]]:
    return [days[start : start + BLOCK_DAYS] for start in range(0, len(days), BLOCK_DAYS)]


def _clean_block(cleaner: DataCleaner, raw: RawArchive, name: str, days: list[dt.date], settings: Settings) -> Written:
    """A block of days of one table; order lines and refunds become events too, beside those that the shop wrote."""
    if name != ORDER_ITEMS.name:
        return {name: _write(name, cleaner.clean(name, raw.read(name, days)), days, settings)}
    written: Written = {}
    parts: list[Cleaned] = []
    if of_lines := [day for day in days if day in raw.known[name]]:
        lines = cleaner.clean(name, raw.read(name, of_lines))
        written[name] = _write(name, lines, of_lines, settings)
        parts.append(_as_events(purchases(lines.frame, cleaner.facts), "purchases", cleaner, of_lines, settings))
    if of_refunds := [day for day in days if day in raw.known[REFUNDS.name]]:
        refunds = cleaner.clean(REFUNDS.name, raw.read(REFUNDS.name, of_refunds))
        parts.append(_as_events(refund_events(refunds.frame, cleaner.facts), "refunds", cleaner, of_refunds, settings))
    if of_events := [day for day in days if day in raw.known[EVENTS.name]]:
        parts.append(cleaner.clean(EVENTS.name, raw.read(EVENTS.name, of_events)))
    written[EVENTS.name] = _write(EVENTS.name, _joined(parts, days), days, settings)
    return written


def _as_events(
    frame: pd.DataFrame, what: str, cleaner: DataCleaner, days: list[dt.date], settings: Settings
) -> Cleaned:
    """Events that cleaning made; those that the contract of events sets aside are counted like rows of any other."""
    rules = quarantining(settings.quality.actions)[EVENTS.name]
    kept = apply_rules(EVENTS, rules, frame, days, cleaner.facts)
    counts = rows_per_day(kept.frame, days, what)
    held = {day: {rule.name: kept.counts[day][rule.name] for rule in rules} for day in days}
    return dataclasses.replace(kept, counts={day: {**counts[day], **held[day]} for day in days})


def _joined(parts: list[Cleaned], days: list[dt.date]) -> Cleaned:
    """Purchases, returns and other events of the same days as one table, purchases of a day first."""
    if len(parts) == 1:
        return parts[0]
    frames = [part.frame[[*EVENTS.columns, "partition_day"]] for part in parts]
    counts: dict[dt.date, Counter[str]] = {day: Counter() for day in days}
    for part in parts:
        for day, of_day in part.counts.items():
            counts[day].update(of_day)
    waiting = pd.concat([part.waiting for part in parts])
    return Cleaned(pd.concat(frames).sort_values("partition_day", kind="stable"), {**counts}, waiting)


def _write(name: str, cleaned: Cleaned, days: list[dt.date], settings: Settings) -> dict[dt.date, Partition]:
    table = MAPPABLE_TABLES[name]
    write_quarantine(settings.workspace, table, cleaned.waiting, days)
    waiting = rows_per_day(cleaned.waiting, days, COUNT)
    written = write_partitions(settings.workspace, CLEAN, name, split_days(table, cleaned.frame, days))
    return {
        day: dataclasses.replace(partition, counts={**cleaned.counts[day], **waiting[day]})
        for day, partition in written.items()
    }
