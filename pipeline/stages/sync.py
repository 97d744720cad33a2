"""The day's user vectors and histories into the online store, under a version of their own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from feature_store.online.connect import open_writer
from feature_store.online.store import Version
from feature_store.registry import feature_set_id
from feature_store.snapshot import read_history, read_snapshot
from pipeline.knowledge import record_of
from pipeline.progress import track
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def sync(day: dt.date, settings: Settings) -> StageResult:
    """Fill the online store, and the file serving falls back on, from `features/day=…`.

    Raises:
        ArchiveError: the snapshot of the day is missing.
        OnlineStoreError: the store refused; readers keep the version they had.
    """
    folder = settings.workspace.features(day)
    snapshot = read_snapshot(folder)
    history = read_history(folder, snapshot)
    version = Version(feature_set_id(), f"{day:%Y%m%d}-{secrets.token_hex(4)}", snapshot.as_of, len(snapshot.users))
    # The file is written first: when the store then refuses, serving still finds the new day to fall back on.
    size = 0
    for url in dict.fromkeys((settings.online_file_url, settings.online_url)):
        users = track(enumerate(snapshot.users), "online store", total=len(snapshot.users))
        records = ((str(user), record_of(snapshot, history, row)) for row, user in users)
        size = open_writer(url, settings.online_prefix).write(version, records)
    counts = {"bytes": float(size), "events": float(len(history.item))}
    return StageResult((), len(snapshot.users), counts)
