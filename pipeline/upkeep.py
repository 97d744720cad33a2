"""What a person does to the archive beside the daily pass: read an interval again, compare it with the sources."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_store.schema import MAPPABLE_TABLES, Table
from pipeline.errors import DayOutsideDataError
from pipeline.sources.archive import RAW, archive_lock
from pipeline.sources.business import open_source
from pipeline.sources.damaged import set_aside_damaged
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import BACKFILL, MEND, ONE_DAY, Intake, Taken, Window, start_of
from pipeline.sources.ledger import Ledger, open_ledger
from pipeline.sources.matomo.extraction import backfill_matomo, mend_matomo, reconcile_matomo
from pipeline.sources.matomo.tables import EVENTS as MATOMO_EVENTS
from pipeline.sources.reconcile import Reconciliation, reconcile_table
from pipeline.sources.watermark import watermark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings
    from pipeline.sources.matomo.reader import MatomoSource


def backfill(first: dt.date, last: dt.date, settings: Settings) -> dict[str, Taken]:
    """Read the days `first` to `last` of every table again, Matomo's too, and replace them; no watermark moves.

    Raises:
        DayOutsideDataError: a table is not extracted up to `last` yet, so that extract would read the days anyway.
        SourceError: the source cannot be read; tables that came before it are done.
    """
    with _intake(settings, last) as (intake, tables):
        for table in tables:
            _require_extracted(intake.ledger, intake.source.mapping.name, table.name, last)
            _mend(intake, table)
        window = Window(start_of(first), start_of(last + ONE_DAY), BACKFILL)
        taken = {table.name: intake.take(table, window) for table in tables}

        def again(matomo: MatomoSource) -> dict[str, Taken]:
            _require_extracted(intake.ledger, matomo.mapping.name, MATOMO_EVENTS.name, last)
            return backfill_matomo(matomo, intake.ledger, settings.workspace, last, first, last)

        return taken | (mend_matomo(settings, intake.ledger, again) or {})


def reconcile(first: dt.date | None, last: dt.date | None, settings: Settings) -> list[Reconciliation]:
    """Compare every table and Matomo with the source, on all days or those of an interval; repair what differs.

    Raises:
        SourceError: the source cannot be read; tables that came before it are done.
    """
    with _intake(settings, last or dt.datetime.now(dt.UTC).date()) as (intake, tables):
        for table in tables:
            _mend(intake, table)
        found = [reconcile_table(intake, table, first, last) for table in tables]

        def compare(matomo: MatomoSource) -> Reconciliation:
            return reconcile_matomo(matomo, intake.ledger, settings.workspace, intake.run_day, first, last)

        of_matomo = mend_matomo(settings, intake.ledger, compare)
        return found if of_matomo is None else [*found, of_matomo]


@contextmanager
def _intake(settings: Settings, day: dt.date) -> Iterator[tuple[Intake, list[Table]]]:
    """The archive, locked, and the mapped tables."""
    with (
        open_source(settings) as source,
        archive_lock(settings),
        open_ledger(settings.workspace.ledger) as ledger,
    ):
        tables = [table for name, table in MAPPABLE_TABLES.items() if name in source.mapping.tables]
        yield Intake(source, ledger, settings, day, Forgotten(ledger)), tables


def _mend(intake: Intake, table: Table) -> None:
    """Read damaged days again: what is merged or compared must be readable."""
    known = intake.ledger.partitions(RAW, table.name)
    for day in set_aside_damaged(intake.settings.workspace, RAW, table.name, known):
        intake.take(table, Window(start_of(day), start_of(day + ONE_DAY), MEND))


def _require_extracted(ledger: Ledger, source: str, table: str, last: dt.date) -> None:
    """A table is archived through `last`.

    Raises:
        DayOutsideDataError: it is not.
    """
    through = watermark(ledger, source, table)
    if through is None or through < start_of(last + ONE_DAY):
        raise DayOutsideDataError(
            f"backfill of `{table}`",
            expected=f"a table that is extracted through {last}",
            found=f"one that is extracted up to {through}" if through else "one that was never extracted",
            remedy="Run `vitrine stage extract` first; a backfill never moves the watermark.",
        )
