"""One UTC day of Matomo, read whole and put in the place of what was archived of it."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from feature_store.errors import ArchiveError
from pipeline.sources.archive import RAW, read_partition, write_partitions
from pipeline.sources.canonical import arrow_schema, no_rows
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import ONE_DAY, Taken, checksum_of, start_of
from pipeline.sources.ledger import Extraction, Ledger, Partition
from pipeline.sources.matomo.reconcile import Held, held_by_day, remember
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.sources.merge import merge
from pipeline.sources.watermark import watermark

if TYPE_CHECKING:
    import datetime as dt

    from feature_store.schema import Table
    from pipeline.sources.matomo.reader import MatomoSource
    from pipeline.workspace import Workspace

log = logging.getLogger(__name__)


def take_day(
    source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date, day: dt.date, kind: str
) -> dict[str, Taken]:
    """Put one day in place, in all tables at once as far as the ledger tells; `written` holds what became another."""
    started, (start, end) = time.perf_counter(), (start_of(day), start_of(day + ONE_DAY))
    forgotten = Forgotten(ledger)
    pages, held = _read(source, start, end)
    partitions: dict[str, Partition] = {}
    read: dict[str, Taken] = {}
    for name, table in MATOMO_TABLES.items():
        rows = _ordered([forgotten.without(name, page) for page in pages.pop(name)], table)
        known = ledger.partitions(RAW, name).get(day)
        read[name] = _change(_held(workspace, table, day, known), rows, table)
        partitions[name] = write_partitions(workspace, RAW, name, [(day, rows)])[day]
        if known is None or known.checksum != partitions[name].checksum:
            read[name].written[day] = partitions[name]
    seconds = round(time.perf_counter() - started, 3)
    with ledger.transaction():
        remember(ledger, source, day, held)
        for name, taken in read.items():
            before = watermark(ledger, source.mapping.name, name)
            numbers = taken.rows, seconds, before, before, kind, taken.inserted, taken.updated, taken.deleted
            entry = Extraction(source.mapping.name, name, run_day, start, end, *numbers, duplicates=taken.duplicates)
            ledger.record_partitions(RAW, name, {day: partitions[name]})
            checksum = checksum_of({day: partitions[name]}, start, end)
            ledger.record_extraction(dataclasses.replace(entry, checksum=checksum))
    return read


def _read(source: MatomoSource, start: dt.datetime, end: dt.datetime) -> tuple[dict[str, list[pa.Table]], Held]:
    """The rows of a day, and what the source held of it at their moment, or a difference would never be seen.

    A lost connection costs one page, unless the day became another meanwhile: then it is read from its beginning.
    """
    while True:
        opened, held = source.session.reopened, source.at_once(lambda: held_by_day(source, start, end))
        pages: dict[str, list[pa.Table]] = {name: [] for name in MATOMO_TABLES}
        for table, page in source.read(start, end):
            pages[table.name].append(page)
        if source.session.reopened == opened or source.at_once(lambda: held_by_day(source, start, end)) == held:
            return pages, held
        log.warning("Matomo's day changed while the connection was lost, reading it again", extra={"day": start.date()})


def _held(workspace: Workspace, table: Table, day: dt.date, known: Partition | None) -> pa.Table:
    """What is archived of a day; nothing where that is damaged or has the columns of an earlier version."""
    nothing = no_rows(arrow_schema(table))
    try:
        rows = nothing if known is None else read_partition(workspace, RAW, table.name, day, known)
    except ArchiveError:
        return nothing
    return rows if rows.schema.equals(nothing.schema) else nothing


def _change(held: pa.Table, rows: pa.Table, table: Table) -> Taken:
    """What replacing `held` by `rows` does."""
    merged = merge(held, rows, table)
    deleted = len(merged.rows) + merged.duplicates - len(rows)
    return Taken(
        rows=len(rows),
        inserted=merged.inserted,
        updated=merged.updated,
        deleted=deleted,
        duplicates=merged.duplicates,
    )


def _ordered(pages: list[pa.Table], table: Table) -> pa.Table:
    """The same rows in the same order, however they came."""
    rows = pa.concat_tables([no_rows(arrow_schema(table)), *pages])
    return rows.sort_by([(name, "ascending") for name in (table.cursor, *table.key)])
