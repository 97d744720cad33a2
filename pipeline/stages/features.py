"""The snapshot of the day: every stored feature, and everybody's history, as of the end of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.offline import end_of_day
from feature_store.snapshot import arrays_of, compute_snapshot, write_history, write_snapshot
from pipeline.atomic import atomic_folder
from pipeline.knowledge import history_of_everybody, open_archive
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
        snapshot = arrays_of(tables, end_of_day(day))
        history = history_of_everybody(archive, snapshot, settings)
    folder = settings.workspace.features(day)
    with atomic_folder(folder) as aside:
        write_snapshot(aside, tables, day)
        write_history(aside, history, snapshot.item_side)
    rows = {f"{entity} rows": float(table.num_rows) for entity, table in tables.items()}
    return StageResult((folder,), int(sum(rows.values())), {**rows, "events": float(len(history.item))})
