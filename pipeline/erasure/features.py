"""What a run computed of a person: the rows of every snapshot, and the indexes in which the row has a place."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
    history = pq.ParquetFile(folder / "history.parquet").read() if (folder / "history.parquet").exists() else None
    with atomic_folder(folder) as aside:
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        kept = pa.concat_tables([users.slice(0, row), users.slice(row + 1)])
        pq.write_table(kept, aside / "user.parquet", compression="zstd")
        if history is not None:
            pq.write_table(_moved_up(history, row), aside / "history.parquet", compression="zstd")
    events = 0 if history is None else pc.sum(pc.equal(history["user"], row)).as_py() or 0
    return {"vectors": 1, "events": events}


def _moved_up(history: pa.Table, row: int) -> pa.Table:
    left = history.filter(pc.not_equal(history["user"], row))
    users = pc.subtract(left["user"], pc.greater(left["user"], row).cast(left["user"].type))
    return left.set_column(left.column_names.index("user"), "user", users)
