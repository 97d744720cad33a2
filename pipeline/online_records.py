"""What the online store held of users under a version, from the snapshot that it was filled from."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline.blas import products_on_one_thread
from pipeline.knowledge import record_of
from pipeline.stages.sync import synced_rows, version_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.history import History
    from feature_store.online.store import UserRecord
    from feature_store.snapshot import Snapshot
    from pipeline.settings import Settings


@products_on_one_thread()
def records_of(users: Sequence[str], version: str, settings: Settings) -> list[UserRecord | None] | None:
    """The record of each user, None for whoever the version does not know or had no room for, as the budget is now;
    None altogether where its snapshot was made again since, or is no more. An empty version is a store that did not
    answer: nobody is known.

    Raises:
        ArchiveError: the snapshot cannot be read.
    """
    if not version:
        return [None] * len(users)
    day = dt.date.fromisoformat(version.partition("-")[0])
    folder = settings.workspace.features(day)
    if version_name(day, folder) != version:
        return None
    snapshot = read_snapshot(folder)
    history = read_history(folder)
    synced = synced_rows(snapshot, history, settings)
    return [_record(user, snapshot, history, synced) for user in users]


def _record(user: str, snapshot: Snapshot, history: History, synced: NDArray[np.intp]) -> UserRecord | None:
    at = int(np.searchsorted(snapshot.users[synced], user))
    row = int(synced[at]) if at < len(synced) else -1
    known = row >= 0 and snapshot.users[row] == user
    return record_of(snapshot, history, row) if known else None
