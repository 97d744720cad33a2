"""The day's user vectors and histories into the online store, under a version of their own."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history_files import read_history
from feature_store.made_from import MADE_FROM
from feature_store.online.connect import open_writer
from feature_store.online.packed import packed_size
from feature_store.online.room import rows_within
from feature_store.online.store import Version
from feature_store.registry import feature_set_id
from feature_store.snapshot import read_snapshot
from pipeline.knowledge import record_of
from pipeline.progress import track
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_store.history import History
    from feature_store.snapshot import Snapshot
    from pipeline.settings import Settings

log = logging.getLogger(__name__)


@stage
def sync(day: dt.date, settings: Settings) -> StageResult:
    """Fill the online store, and the file serving falls back on, from `features/day=…`, with everybody whom the budget
    allows.

    Raises:
        ArchiveError: the snapshot of the day is missing.
        OnlineStoreError: the store refused, or has no room; readers keep the version they had.
    """
    folder = settings.workspace.features(day)
    snapshot = read_snapshot(folder)
    history = read_history(folder)
    rows = synced_rows(snapshot, history, settings)
    left_out = len(snapshot.users) - len(rows)
    if left_out:
        log.warning(
            "users left out of the online store", extra={"users": left_out, "budget": "online_memory_budget_mb"}
        )
    version = Version(feature_set_id(), version_name(day, folder), snapshot.as_of, len(rows))
    # The file is written first: when the store then refuses, serving still finds the new day to fall back on.
    size = 0
    for url in dict.fromkeys((settings.online_file_url, settings.online_url)):
        writer = open_writer(url, settings.online_prefix)
        writer.require_room(_sizes(snapshot, history)[rows])
        users = track(rows.tolist(), "online store", total=len(rows))
        records = ((str(snapshot.users[row]), record_of(snapshot, history, row)) for row in users)
        size = writer.write(version, records)
    events = float(np.diff(history.offsets)[rows].sum())
    return StageResult((), len(rows), {"bytes": float(size), "events": events, "users left out": float(left_out)})


def synced_rows(snapshot: Snapshot, history: History, settings: Settings) -> NDArray[np.intp]:
    """The rows of the users whom the online store holds: all, or of whom `online_memory_budget_mb` leaves room."""
    if settings.online_memory_budget_mb is None:
        return np.arange(len(snapshot.users))
    did_something = np.diff(history.offsets) > 0
    last_seen = np.zeros(len(snapshot.users), np.int64)
    last_seen[did_something] = history.time[history.offsets[1:][did_something] - 1]
    return rows_within(_sizes(snapshot, history), last_seen, settings.online_memory_budget_mb)


def _sizes(snapshot: Snapshot, history: History) -> NDArray[np.int64]:
    return packed_size(snapshot.user_values.shape[1], np.diff(history.offsets))


def version_name(day: dt.date, folder: Path) -> str:
    """The day, and a digest of what its snapshot in `folder` was made from: the same again for the same snapshot,
    another one once the snapshot was made again from something else.
    """
    made_from = folder / MADE_FROM
    told = made_from.read_bytes() if made_from.exists() else b""
    return f"{day:%Y%m%d}-{hashlib.sha256(told).hexdigest()[:8]}"
