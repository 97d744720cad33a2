"""What a run computed of a person: the rows of every snapshot, and the indexes in which the row has a place."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.history_files import HISTORY, read_history, write_history
from pipeline.atomic import atomic_folder, remove_folder
from pipeline.locks import day_lock
from pipeline.rollups import remove_rollups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings import Settings

_DAY = "day="


def days_with(user: str, settings: Settings) -> set[str]:
    """The days, as text, whose snapshot has a row of the user."""
    folders = (settings.work_dir / "features").glob(f"{_DAY}*")
    return {folder.name.removeprefix(_DAY) for folder in folders if row_of(user, folder) is not None}


def row_of(user: str, folder: Path) -> int | None:
    """The user's row in the snapshot in `folder`."""
    row: int = pc.index(pq.ParquetFile(folder / "user.parquet").read(["user_id"])["user_id"], user).as_py()
    return row if row >= 0 else None


def from_runs(user: str, settings: Settings) -> dict[str, Any]:
    """Take the user out of every day's features and recall indexes, and remove the roll-ups of the past; what was
    removed, by place and day.

    Raises:
        LockedError: a day is being run, and would write the user again.
    """
    removed: dict[str, dict[str, Any]] = {"features": {}, "recall": {}}
    for day in _days(settings):
        with day_lock(day, settings):
            features, recall = settings.workspace.features(day), settings.workspace.recall(day)
            row = row_of(user, features) if features.exists() else None
            if recall.exists() and (row is not None or not _fitted_on(recall, features)):
                # Before the features, which tell that it must go: a run that dies in between finds it again.
                remove_folder(recall)
                removed["recall"][str(day)] = f"the indexes; `vitrine stage recall --day {day}` makes them anew"
            if row is not None:
                removed["features"][str(day)] = _from_snapshot(row, features)
    return {**removed, "rollups": remove_rollups(settings)}


def _days(settings: Settings) -> Iterator[dt.date]:
    """Days with features or indexes, and those that somebody may be running just now."""
    parts = [path.name for part in ("features", "recall") for path in (settings.work_dir / part).glob(f"{_DAY}*")]
    locks = [path.stem for path in settings.workspace.locks.glob("????-??-??.lock")]
    yield from sorted({dt.date.fromisoformat(name.removeprefix(_DAY)) for name in (*parts, *locks)})


def _fitted_on(recall: Path, features: Path) -> bool:
    """Whether the indexes have a row for each user of the snapshot, no more: others are of before somebody went."""
    index = recall / "usercf" / "latest.npy"
    if not index.exists():
        return True
    users = pq.ParquetFile(features / "user.parquet").metadata.num_rows if features.exists() else -1
    return len(np.load(index, mmap_mode="r", allow_pickle=False)) == users


def _from_snapshot(row: int, folder: Path) -> dict[str, int]:
    """The vector and the events; histories name users by their row, so later rows move up."""
    users = pq.ParquetFile(folder / "user.parquet").read()
    events = 0
    with atomic_folder(folder) as aside:
        # What earlier code wrote of histories, nobody reads any more.
        shutil.copytree(folder, aside, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"{HISTORY}*"))
        kept = pa.concat_tables([users.slice(0, row), users.slice(row + 1)])
        pq.write_table(kept, aside / "user.parquet", compression="zstd")
        if (folder / HISTORY).is_dir():
            history = read_history(folder)
            events = len(history.of(row).item)
            write_history(aside, (history.between(0, row), history.between(row + 1, history.users)))
    return {"vectors": 1, "events": events}
