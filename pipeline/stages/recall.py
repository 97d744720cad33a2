"""The recall indexes of the day, fitted on everything up to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline.atomic import atomic_folder
from pipeline.knowledge import fit_recall
from pipeline.recommender.release import save_arrays
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def recall(day: dt.date, settings: Settings) -> StageResult:
    """Read `features/day=…`, write `recall/day=…`, one folder of arrays a source.

    Raises:
        ArchiveError: the snapshot of the day is missing.
    """
    features = settings.workspace.features(day)
    snapshot = read_snapshot(features)
    history = read_history(features)
    sources = fit_recall(snapshot, history, settings)
    folder = settings.workspace.recall(day)
    with atomic_folder(folder) as aside:
        for name, source in sources.items():
            save_arrays(aside / name, source.arrays())
    size = sum(path.stat().st_size for path in folder.rglob("*.npy"))
    return StageResult((folder,), len(history.item), {"sources": float(len(sources)), "bytes": float(size)})
