"""Matomo in the raw archive: whole UTC days, each replaced by what the source holds of it now."""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from feature_store.schema import EVENTS
from pipeline.errors import SettingsError
from pipeline.progress import track
from pipeline.sources.archive import RAW, damaged_days, remove_unknown, write_partitions
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import MEND, NEW
from pipeline.sources.ledger import Extraction, Ledger, Partition
from pipeline.sources.matomo.changes import ONE_DAY, Reached, days_to_read, highest_ids
from pipeline.sources.matomo.joining import join_events
from pipeline.sources.matomo.mapping import load_matomo_mapping
from pipeline.sources.matomo.reader import matomo_url, open_matomo
from pipeline.sources.matomo.reconcile import changed_days, held_by_day, prepare, remember
from pipeline.sources.matomo.tables import EVENTS as MATOMO_EVENTS
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.sources.reconcile import RECONCILE, is_due
from pipeline.sources.watermark import move_watermark, watermark

if TYPE_CHECKING:
    from feature_store.schema import Table
    from pipeline.settings import Settings
    from pipeline.sources.mapping import SourceMapping
    from pipeline.sources.matomo.reader import MatomoSource
    from pipeline.workspace import Workspace

log = logging.getLogger(__name__)
_IDS = """
CREATE TABLE IF NOT EXISTS matomo_ids (source TEXT PRIMARY KEY, action INTEGER NOT NULL, visit INTEGER NOT NULL)
"""


def bring_up_matomo(
    settings: Settings, shop: SourceMapping, ledger: Ledger, run_day: dt.date, last_day: dt.date
) -> dict[str, int]:
    """Raw `matomo_*` and raw `events` up to `last_day`, where the settings name a Matomo; rows and what was left out.

    Raises:
        SettingsError: the shop's own mapping fills `events` too.
        SourceError: Matomo cannot be reached, or lacks a table, a column or a site.
    """
    url = matomo_url(settings)
    if url is None:
        return {}
    if EVENTS.name in shop.tables:
        raise SettingsError(
            f"mapping `{shop.name}`, table `{EVENTS.name}`",
            expected="one source of events",
            found="one in the shop's database and Matomo",
            remedy="Take `events` out of the mapping, or unset VITRINE_MATOMO_DATABASE_URL.",
        )
    mapping = load_matomo_mapping(settings)
    with open_matomo(url, mapping) as source:
        counts = extract_matomo(source, ledger, settings.workspace, run_day, last_day)
        if is_due(ledger, MATOMO_EVENTS.name, settings.extract.reconcile_every):
            counts["matomo_days_repaired"] = len(reconcile_matomo(source, ledger, settings.workspace, run_day))
    return counts | join_events(ledger, settings.workspace, mapping)


def extract_matomo(
    source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date, last_day: dt.date
) -> dict[str, int]:
    """Days up to `last_day` that are new, may have changed or are damaged; rows written per table.

    A day is replaced whole, so reading again changes nothing, and what vanished at the source vanishes here: a cart
    that became an order, a line that was taken out, a visit that was erased.

    Raises:
        SourceError: the database fails; days that were written stay, the watermark does not move.
    """
    _prepare(ledger)
    end = _start_of(last_day + ONE_DAY)
    days = set(days_to_read(source, _reached(ledger, source.mapping.name), end))
    for name in MATOMO_TABLES:
        known = ledger.partitions(RAW, name)
        remove_unknown(workspace, RAW, name, known)
        days |= set(damaged_days(workspace, RAW, name, known))
    ids = highest_ids(source)
    counts = dict.fromkeys(MATOMO_TABLES, 0)
    for day in track(sorted(days), "extracting Matomo"):
        for name, rows in _read_day(source, ledger, workspace, run_day, day).items():
            counts[name] += rows
    if days:
        _move(ledger, source, min(end, _start_of(max(days) + ONE_DAY)), ids, run_day, counts[MATOMO_EVENTS.name])
    log.info("Matomo extracted", extra={"days": len(days), **counts})
    return counts


def reconcile_matomo(source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date) -> list[dt.date]:
    """Read again the days of which Matomo holds something else than when they were read; which they were."""
    _prepare(ledger)
    days = changed_days(ledger, source)
    for day in track(days, "repairing Matomo"):
        _read_day(source, ledger, workspace, run_day, day)
    if through := watermark(ledger, source.mapping.name, MATOMO_EVENTS.name):
        entry = Extraction(
            source.mapping.name, MATOMO_EVENTS.name, run_day, through, through, 0, 0.0, through, through, RECONCILE
        )
        with ledger.transaction():
            ledger.record_extraction(entry)
    if days:
        log.warning("Matomo had changed behind the overlap, repaired", extra={"days": [str(day) for day in days]})
    return days


def _prepare(ledger: Ledger) -> None:
    ledger.connection.execute(_IDS)
    prepare(ledger)


def _read_day(
    source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date, day: dt.date
) -> dict[str, int]:
    """Put one day in place, in all tables at once as far as the ledger tells."""
    started, (start, end) = time.perf_counter(), (_start_of(day), _start_of(day + ONE_DAY))
    pages: dict[str, list[pa.Table]] = {name: [] for name in MATOMO_TABLES}
    forgotten = Forgotten(ledger)
    for table, page in source.read(start, end):
        pages[table.name].append(forgotten.without(table.name, page))
    written: dict[str, dict[dt.date, Partition]] = {}
    for name, table in MATOMO_TABLES.items():
        written[name] = write_partitions(workspace, RAW, name, [(day, _ordered(pages.pop(name), table))])
    seconds = round(time.perf_counter() - started, 3)
    held = held_by_day(source, start, end)
    with ledger.transaction():
        remember(ledger, source, day, held)
        for name, partitions in written.items():
            rows, before = partitions[day].rows, watermark(ledger, source.mapping.name, name)
            ledger.record_partitions(RAW, name, partitions)
            ledger.record_extraction(
                Extraction(source.mapping.name, name, run_day, start, end, rows, seconds, before, before, MEND)
            )
    return {name: partitions[day].rows for name, partitions in written.items()}


def _ordered(pages: list[pa.Table], table: Table) -> pa.Table:
    """The same rows in the same order, however they came."""
    rows = pa.concat_tables([arrow_schema(table).empty_table(), *pages])
    return rows.sort_by([(name, "ascending") for name in (table.cursor, *table.key)])


def _reached(ledger: Ledger, name: str) -> Reached | None:
    through = [watermark(ledger, name, table) for table in MATOMO_TABLES]
    ids = ledger.connection.execute("SELECT action, visit FROM matomo_ids WHERE source = ?", (name,)).fetchone()
    known = [moment for moment in through if moment is not None]
    return Reached(min(known), *ids) if ids and len(known) == len(through) else None


def _move(
    ledger: Ledger, source: MatomoSource, through: dt.datetime, ids: tuple[int, int], run_day: dt.date, events: int
) -> None:
    """Everything before `through` is archived; a run of an earlier day does not move it back."""
    name, events_name = source.mapping.name, MATOMO_EVENTS.name
    before = watermark(ledger, name, events_name)
    after = through if before is None else max(before, through)
    entry = Extraction(name, events_name, run_day, before or after, after, events, 0.0, before, after, NEW)
    with ledger.transaction():
        ledger.record_extraction(entry)
        for table in MATOMO_TABLES:
            move_watermark(ledger, name, table, after)
        ledger.connection.execute("INSERT OR REPLACE INTO matomo_ids VALUES (?, ?, ?)", (name, *ids))


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
