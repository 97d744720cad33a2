"""The snapshot of the day: every stored feature of every user, item and category as of the end of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.snapshot import compute_snapshot, write_snapshot
from pipeline.atomic import atomic_folder
from pipeline.knowledge import open_archive
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def features(day: dt.date, settings: Settings) -> StageResult:
    """Read the clean archive up to `day`, write `features/day=…`.

    Raises:
        ArchiveError: a cleaned table is missing or unreadable.
    """
    with open_archive(day, settings) as archive:
        tables = compute_snapshot(archive, day)
    folder = settings.workspace.features(day)
    with atomic_folder(folder) as aside:
        write_snapshot(aside, tables, day)
    rows = {f"rows of {entity}": float(table.num_rows) for entity, table in tables.items()}
    return StageResult((folder,), int(sum(rows.values())), rows)
