"""Matomo in the raw archive: whole UTC days, each replaced by what the source holds of it now."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from feature_store.schema import EVENTS
from pipeline.errors import SettingsError
from pipeline.progress import track
from pipeline.sources.archive import RAW, remove_unknown
from pipeline.sources.damaged import set_aside_damaged
from pipeline.sources.intake import BACKFILL, MEND, NEW, Taken, checksum_of, start_of
from pipeline.sources.ledger import Extraction, Ledger
from pipeline.sources.matomo.changes import ONE_DAY, Reached, days_of_visits, days_to_read, highest_ids
from pipeline.sources.matomo.day import take_day
from pipeline.sources.matomo.joining import join_events
from pipeline.sources.matomo.mapping import load_matomo_mapping
from pipeline.sources.matomo.reader import matomo_url, open_matomo
from pipeline.sources.matomo.reconcile import changed_days, prepare
from pipeline.sources.matomo.tables import EVENTS as MATOMO_EVENTS
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.sources.reconcile import RECONCILE, Reconciliation, is_due
from pipeline.sources.watermark import move_watermark, site_watermarks, watermark

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from pipeline.settings import Settings
    from pipeline.sources.mapping import SourceMapping
    from pipeline.sources.matomo.reader import MatomoSource
    from pipeline.workspace import Workspace

log = logging.getLogger(__name__)
Found = TypeVar("Found")
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
    with open_matomo(url, mapping, settings.extract) as source:
        counts = extract_matomo(source, ledger, settings.workspace, run_day, last_day)
        if is_due(ledger, MATOMO_EVENTS.name, settings.extract.reconcile_every):
            found = reconcile_matomo(source, ledger, settings.workspace, run_day)
            counts["matomo_days_repaired"] = len(found.written)
    return counts | join_events(ledger, settings.workspace, mapping)


def mend_matomo(settings: Settings, ledger: Ledger, mend: Callable[[MatomoSource], Found]) -> Found | None:
    """What `mend` does to the archive of the Matomo that the settings name; raw `events` follow. None: there is none.

    Raises:
        SourceError: Matomo cannot be reached, or lacks a table, a column or a site.
    """
    url = matomo_url(settings)
    if url is None:
        return None
    mapping = load_matomo_mapping(settings)
    with open_matomo(url, mapping, settings.extract) as source:
        found = mend(source)
    join_events(ledger, settings.workspace, mapping)
    return found


def extract_matomo(
    source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date, last_day: dt.date
) -> dict[str, int]:
    """Days up to `last_day` that are new, may have changed or are damaged; rows written per table.

    A day is replaced whole, so reading again changes nothing, and what vanished at the source vanishes here: a cart
    that became an order, a line that was taken out, a visit that was erased.

    Raises:
        SourceError: the database fails; days that were written stay, the watermark does not move.
    """
    started, end = time.perf_counter(), start_of(last_day + ONE_DAY)
    _prepare(ledger)
    reached = _reached(ledger, source)
    # Both of one moment: of a later one, ids would be too high for rows that nobody was told to read.
    to_read, ids = source.at_once(lambda: (days_to_read(source, reached, end), highest_ids(source)))
    days = set(to_read)
    for name in MATOMO_TABLES:
        known = ledger.partitions(RAW, name)
        remove_unknown(workspace, RAW, name, known)
        days |= set(set_aside_damaged(workspace, RAW, name, known))
    totals = {name: Taken() for name in MATOMO_TABLES}
    for day in track(sorted(days), "extracting Matomo"):
        _add(totals, take_day(source, ledger, workspace, run_day, day, MEND))
    if days:
        through = max([min(end, start_of(max(days) + ONE_DAY)), *reached.through.values()])
        after = Reached(dict.fromkeys(source.mapping.sites, through), *ids)
        _move(ledger, source, reached, after, run_day, totals[MATOMO_EVENTS.name], time.perf_counter() - started)
    counts = {name: taken.rows for name, taken in totals.items()}
    log.info("Matomo extracted", extra={"days": len(days), **counts})
    return counts


def backfill_matomo(
    source: MatomoSource, ledger: Ledger, workspace: Workspace, run_day: dt.date, first: dt.date, last: dt.date
) -> dict[str, Taken]:
    """Read the days `first` to `last` again and replace them; per table what that changed. No watermark moves."""
    _prepare(ledger)
    totals = {name: Taken() for name in MATOMO_TABLES}
    days = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    for day in track(days, "extracting Matomo"):
        _add(totals, take_day(source, ledger, workspace, run_day, day, BACKFILL))
    return totals


def reconcile_matomo(
    source: MatomoSource,
    ledger: Ledger,
    workspace: Workspace,
    run_day: dt.date,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> Reconciliation:
    """Compare every day, or those from `first` to `last`, with what it held when it was read; read again what differs.

    Rows are those of Matomo's log tables; inserted, updated and deleted are those of the archive.
    """
    started = time.perf_counter()
    _prepare(ledger)
    compared, differences = changed_days(ledger, source, first, last)
    result = Reconciliation(source.mapping.name, rows=compared, differences=differences)
    differ, known = {difference.day for difference in differences}, ledger.partitions(RAW, MATOMO_EVENTS.name)
    # Whom a visit belongs to is said by its own row, on its last day, and counts for what it did before midnight too.
    result.written = sorted(differ | source.at_once(lambda: days_of_visits(source, differ)) & known.keys())
    totals = {name: Taken() for name in MATOMO_TABLES}
    for day in track(result.written, "repairing Matomo"):
        _add(totals, take_day(source, ledger, workspace, run_day, day, RECONCILE))
    for taken in totals.values():
        result.inserted, result.updated = result.inserted + taken.inserted, result.updated + taken.updated
        result.deleted += taken.deleted
    _record_comparison(ledger, source, run_day, result, time.perf_counter() - started)
    if differences:
        found = list(map(str, differences))
        log.warning("Matomo had changed behind the overlap, repaired", extra={"differences": found})
    return result


def _record_comparison(
    ledger: Ledger, source: MatomoSource, run_day: dt.date, result: Reconciliation, seconds: float
) -> None:
    name = source.mapping.name
    through, note = watermark(ledger, name, MATOMO_EVENTS.name), "; ".join(map(str, result.differences))
    if through is None:
        return
    changes = result.inserted, result.updated, result.deleted
    numbers = result.rows, round(seconds, 3), through, through, RECONCILE, *changes
    entry = Extraction(name, MATOMO_EVENTS.name, run_day, through, through, *numbers, note=note)
    with ledger.transaction():
        ledger.record_extraction(entry)


def _add(totals: dict[str, Taken], read: dict[str, Taken]) -> None:
    for name, taken in read.items():
        total = totals[name]
        total.written |= taken.written
        for number in ("rows", "inserted", "updated", "deleted", "duplicates"):
            setattr(total, number, getattr(total, number) + getattr(taken, number))


def _prepare(ledger: Ledger) -> None:
    ledger.connection.execute(_IDS)
    prepare(ledger)


def _reached(ledger: Ledger, source: MatomoSource) -> Reached:
    """How far all four tables are, of each of the mapping's sites; a site that it did not name before is read whole."""
    name = source.mapping.name
    found = [site_watermarks(ledger, name, table, source.mapping.sites) for table in MATOMO_TABLES]
    ids = ledger.connection.execute("SELECT action, visit FROM matomo_ids WHERE source = ?", (name,)).fetchone()
    known = set.intersection(*map(set, found)) if ids else set()
    return Reached({site: min(each[site] for each in found) for site in known}, *(ids or (0, 0)))


def _move(
    ledger: Ledger,
    source: MatomoSource,
    before: Reached,
    after: Reached,
    run_day: dt.date,
    events: Taken,
    seconds: float,
) -> None:
    """Enter what is archived of every site now; numbers are of all days of events that were read. A site that left the
    mapping loses its watermark, because days that are read again lose its rows: should it come back, it begins anew.
    """
    name = source.mapping.name
    began, through = min(before.through.values(), default=None), max(after.through.values())
    known = ledger.partitions(RAW, MATOMO_EVENTS.name)
    start = began or start_of(min(known))
    changes = events.inserted, events.updated, events.deleted, events.duplicates
    entry = Extraction(
        name,
        MATOMO_EVENTS.name,
        run_day,
        start,
        through,
        events.rows,
        round(seconds, 3),
        began,
        through,
        NEW,
        *changes,
        checksum=checksum_of(known, start, through),
        note=_joined(source, before),
    )
    with ledger.transaction():
        ledger.record_extraction(entry)
        for table in MATOMO_TABLES:
            move_watermark(ledger, name, table, through, source.mapping.sites)
        ledger.connection.execute(
            "INSERT OR REPLACE INTO matomo_ids VALUES (?, ?, ?)", (name, after.action, after.visit)
        )


def _joined(source: MatomoSource, before: Reached) -> str:
    """Which sites joined others that were read before."""
    new = [str(site) for site in source.mapping.sites if site not in before.through] if before.through else []
    return f"read from its beginning: site {', '.join(new)}" if new else ""
