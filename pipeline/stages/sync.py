"""The day's user vectors and histories into the online store, under a version of their own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history_files import read_history
from feature_store.made_from import MADE_FROM
from feature_store.online.connect import open_writer
from feature_store.online.packed import packed_size
from feature_store.online.store import Version
from feature_store.registry import feature_set_id
from feature_store.snapshot import read_snapshot
from pipeline.knowledge import record_of
from pipeline.progress import track
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from pipeline.settings import Settings


@stage
def sync(day: dt.date, settings: Settings) -> StageResult:
    """Fill the online store, and the file serving falls back on, from `features/day=…`.

    Raises:
        ArchiveError: the snapshot of the day is missing.
        OnlineStoreError: the store refused, or has no room; readers keep the version they had.
    """
    folder = settings.workspace.features(day)
    snapshot = read_snapshot(folder)
    history = read_history(folder)
    version = Version(feature_set_id(), version_name(day, folder), snapshot.as_of, len(snapshot.users))
    sizes = packed_size(snapshot.user_values.shape[1], np.diff(history.offsets))
    # The file is written first: when the store then refuses, serving still finds the new day to fall back on.
    size = 0
    for url in dict.fromkeys((settings.online_file_url, settings.online_url)):
        writer = open_writer(url, settings.online_prefix)
        writer.require_room(sizes, settings.online_memory_budget_mb)
        users = track(enumerate(snapshot.users), "online store", total=len(snapshot.users))
        records = ((str(user), record_of(snapshot, history, row)) for row, user in users)
        size = writer.write(version, records)
    counts = {"bytes": float(size), "events": float(len(history.item))}
    return StageResult((), len(snapshot.users), counts)


def version_name(day: dt.date, folder: Path) -> str:
    """The day, and a digest of what its snapshot in `folder` was made from: the same again for the same snapshot,
    another one once the snapshot was made again from something else.
    """
    made_from = folder / MADE_FROM
    told = made_from.read_bytes() if made_from.exists() else b""
    return f"{day:%Y%m%d}-{hashlib.sha256(told).hexdigest()[:8]}"
