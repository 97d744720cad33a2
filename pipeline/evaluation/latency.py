"""How long one list takes: the release asked in this process, one request at a time."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from pipeline.knowledge import record_of
from pipeline.recommender.recommend import Request, recommend

if TYPE_CHECKING:
    from feature_store.history import History
    from feature_store.snapshot import Snapshot
    from pipeline.recommender.release import Release

REQUESTS = 50
WARM_UP = 5


def milliseconds(release: Release, snapshot: Snapshot, history: History) -> float:
    """The median over users spread evenly over the snapshot, without store and network."""
    taken = []
    for user in np.linspace(0, len(snapshot.users) - 1, min(REQUESTS, len(snapshot.users))).astype(int):
        record, request = record_of(snapshot, history, int(user)), Request(str(snapshot.users[user]), snapshot.as_of)
        started = time.perf_counter()
        recommend(request, release, record)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[WARM_UP:]) if len(taken) > WARM_UP else 0.0
