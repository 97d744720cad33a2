"""The recall indexes of the day, fitted on everything up to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.snapshot import read_snapshot
from pipeline.atomic import atomic_folder
from pipeline.knowledge import fit_recall, history_of_everybody, open_archive
from pipeline.recommender.release import save_arrays
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def recall(day: dt.date, settings: Settings) -> StageResult:
    """Read `features/day=…` and the archive, write `recall/day=…`, one folder of arrays a source.

    Raises:
        ArchiveError: the snapshot of the day or a cleaned table is missing.
    """
    snapshot = read_snapshot(settings.workspace.features(day))
    with open_archive(day, settings) as archive:
        history = history_of_everybody(archive, snapshot, settings)
    sources = fit_recall(snapshot, history, settings)
    folder = settings.workspace.recall(day)
    with atomic_folder(folder) as aside:
        for name, source in sources.items():
            save_arrays(aside / name, source.arrays())
    size = sum(path.stat().st_size for path in folder.rglob("*.npy"))
    return StageResult((folder,), len(history.item), {"sources": float(len(sources)), "bytes": float(size)})
