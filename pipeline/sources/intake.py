"""A window of a source table on its way into the raw archive: partitions, ledger and watermark change together."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.progress import track
from pipeline.sources.archive import RAW, read_partition, write_partitions
from pipeline.sources.canonical import arrow_schema, no_rows
from pipeline.sources.daily import by_day
from pipeline.sources.drift import check_shape, record_shape
from pipeline.sources.ledger import Extraction, Partition
from pipeline.sources.merge import merge, without_keys
from pipeline.sources.watermark import move_watermark, watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from feature_store.schema import Table
    from pipeline.settings import Settings
    from pipeline.sources.forgotten import Forgotten
    from pipeline.sources.ledger import Ledger
    from pipeline.sources.source import Source

log = logging.getLogger(__name__)
ONE_DAY = dt.timedelta(days=1)
NEW, MEND, BACKFILL = "new", "mend", "backfill"


@dataclass(frozen=True)
class Window:
    """What is read: [start, end) of the cursor. A new window merges into its days, the others replace theirs."""

    start: dt.datetime
    end: dt.datetime
    kind: str = NEW


@dataclass
class Taken:
    """What a reading did, counted while it goes on."""

    written: dict[dt.date, Partition] = field(default_factory=dict)
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    duplicates: int = 0
    lost: int = 0
    """Rows of damaged days that the source did not give again."""
    days: set[dt.date] = field(default_factory=set)
    """Those of which there were rows."""
    gone: list[dict[str, str]] = field(default_factory=list)
    """What the rows named that were taken away."""


@dataclass(frozen=True)
class Intake:
    """The open archive of one shop, and the run that fills it."""

    source: Source
    ledger: Ledger
    settings: Settings
    run_day: dt.date
    forgotten: Forgotten

    def take(self, table: Table, window: Window) -> Taken:
        """Read one window of one table into its day files; then enter files, reading and watermark at once."""
        started, taken = time.perf_counter(), Taken()
        note = check_shape(self.ledger, self.source, table.name)
        days = by_day(self._read(table, window, taken), table)
        expected = (window.end - window.start) // ONE_DAY
        changed = self._changed(table, window, track(days, f"extracting {table.name}", total=expected), taken)
        with _system_memory():
            taken.written = write_partitions(self.settings.workspace, RAW, table.name, changed)
        before = watermark(self.ledger, self.source.mapping.name, table.name)
        after = window.end if window.kind == NEW else before
        with self.ledger.transaction():
            self.ledger.record_partitions(RAW, table.name, taken.written)
            self.ledger.bury(table.name, taken.gone)
            self.forgotten.record(self.ledger)
            record_shape(self.ledger, self.source, table.name)
            if window.kind == NEW:
                move_watermark(self.ledger, self.source.mapping.name, table.name, window.end)
            self.ledger.record_extraction(
                Extraction(
                    self.source.mapping.name,
                    table.name,
                    self.run_day,
                    window.start,
                    window.end,
                    taken.rows,
                    round(time.perf_counter() - started, 3),
                    before,
                    after,
                    window.kind,
                    taken.inserted,
                    taken.updated,
                    taken.deleted,
                    taken.duplicates,
                    checksum=checksum_of(self._known(table), window.start, window.end),
                    note="; ".join(filter(None, [note, _lost_rows(taken.lost)])),
                )
            )
        log.info("table extracted", extra={"table": table.name, "rows": taken.rows, "start": str(window.start)})
        return taken

    def _read(self, table: Table, window: Window, taken: Taken) -> Iterator[pa.Table]:
        for batch in self.source.read(table.name, window.start, window.end):
            rows = self.forgotten.without(table.name, batch)
            taken.rows += len(rows)
            if len(rows):
                yield rows

    def _changed(
        self, table: Table, window: Window, days: Iterable[tuple[dt.date, pa.Table]], taken: Taken
    ) -> Iterator[tuple[dt.date, pa.Table]]:
        """Days whose content is another now; a day that the source no longer has becomes an empty file."""
        known, empty = self._known(table), no_rows(arrow_schema(table))
        for day, rows in days:
            taken.days.add(day)
            held = empty if day not in known else self._held(table, day, known, window)
            merged = merge(held, rows, table)
            after = merged.rows if window.kind == NEW else merge(empty, rows, table).rows
            taken.duplicates += merged.duplicates
            if len(merged.rows) > len(after):
                taken.deleted += len(merged.rows) - len(after)
                taken.gone += ids_of(without_keys(merged.rows, after, table))
            taken.inserted += merged.inserted
            taken.updated += merged.updated
            if window.kind == MEND:
                taken.lost += max(known[day].rows - len(after), 0) if day in known else 0
            if day not in known or window.kind == MEND or not after.equals(held):
                yield day, after
        if window.kind != NEW:
            within = {day for day in known if window.start.date() <= day < window.end.date()}
            for day in sorted(within - taken.days):
                if window.kind == MEND:
                    taken.lost += known[day].rows
                else:
                    taken.deleted += known[day].rows
                    taken.gone += ids_of(self._held(table, day, known, window))
                yield day, empty

    def _held(self, table: Table, day: dt.date, known: Mapping[dt.date, Partition], window: Window) -> pa.Table:
        if day not in known or window.kind == MEND:
            return no_rows(arrow_schema(table))
        return read_partition(self.settings.workspace, RAW, table.name, day, known[day])

    def _known(self, table: Table) -> dict[dt.date, Partition]:
        return self.ledger.partitions(RAW, table.name)


def _lost_rows(count: int) -> str:
    """What a mend could not bring back: a source has the newest version of a row, in the day of that version."""
    return f"{count} superseded or deleted rows could not be read again" if count else ""


@contextmanager
def _system_memory() -> Iterator[None]:
    """Arrow on the system's allocator: its own keeps a heap for each writing thread, a third more at the peak."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def ids_of(rows: pa.Table) -> list[dict[str, str]]:
    """What rows name: orders, items, users, refunds. Cleaning looks at others that name the same."""
    named: list[dict[str, str]] = rows.select([name for name in rows.column_names if name.endswith("_id")]).to_pylist()
    return named


def checksum_of(known: Mapping[dt.date, Partition], start: dt.datetime, end: dt.datetime) -> str:
    """One name for the content of all partitions of a window."""
    last = (end - dt.timedelta(microseconds=1)).date()
    lines = (f"{day} {known[day].checksum}" for day in sorted(known) if start.date() <= day <= last)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
