"""What recall sources offer users at one moment, beside what these then bought: the ground of report and tuning."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history_files import read_history
from feature_store.snapshot import arrays_of, compute_snapshot, read_snapshot
from pipeline.errors import EmptyDayError
from pipeline.evaluation.judging import judged_users
from pipeline.knowledge import Knowledge, history_of_everybody, open_archive, purchased
from pipeline.progress import track
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.release import load_recall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.recommender.recall.source import RecallSource
    from pipeline.settings import Settings

NEVER = np.iinfo(np.int32).max
"""The place of an item that a source does not offer."""


@dataclass(frozen=True)
class Offers:
    """One row for each user and item that any source offers; users are numbered in the order in which they were asked.

    user: (n,) int32; item: (n,) int32, row of the catalog; bought: (n,) bool
    place: source -> (n,) int32, from 0, `NEVER` where it does not offer the item
    wanted: (users,) distinct items that each bought, at least 1
    seconds, cpu_seconds: source -> (users,), what each request took
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    bought: NDArray[np.bool_]
    place: Mapping[str, NDArray[np.int32]]
    wanted: NDArray[np.int64]
    seconds: Mapping[str, NDArray[np.float64]]
    cpu_seconds: Mapping[str, NDArray[np.float64]]

    @property
    def worth(self) -> NDArray[np.float64]:
        """What each row adds to the mean recall of the users when it is offered, shape (n,)."""
        return self.bought / self.wanted[self.user] / len(self.wanted)

    def offered(self, quotas: Mapping[str, int]) -> NDArray[np.bool_]:
        """Which rows the sources offer together, each its first so many."""
        found = np.zeros(len(self.item), bool)
        for source, quota in quotas.items():
            found |= self.place[source] < quota
        return found

    def recall(self, quotas: Mapping[str, int]) -> float:
        """Share of what a user bought that is offered, mean over users; range [0, 1]."""
        return float(self.worth[self.offered(quotas)].sum())

    def candidates(self, quotas: Mapping[str, int]) -> float:
        """Distinct items offered to a user, mean over users."""
        return float(self.offered(quotas).sum()) / len(self.wanted)


def known_at(cut: dt.date, settings: Settings) -> Knowledge:
    """Snapshot and history of the end of `cut` with the indexes that the recall stage left; computed from the archive,
    and without indexes, where no run was of that day.

    Raises:
        ArchiveError, FeatureSetMismatchError: the partition of the day is there, but unreadable or of other code.
    """
    features, indexes = settings.workspace.features(cut), settings.workspace.recall(cut)
    if features.is_dir():
        snapshot = read_snapshot(features)
        return Knowledge(snapshot, read_history(features), load_recall(indexes) if indexes.is_dir() else {})
    with open_archive(cut, settings) as archive:
        snapshot = arrays_of(compute_snapshot(archive, cut), archive.end_of(cut))
        return Knowledge(snapshot, history_of_everybody(archive, snapshot, settings), {})


def bought_after(cut: dt.date, settings: Settings) -> dict[str, dict[str, float]]:
    """What each user bought in the horizon after `cut`."""
    first, last = cut + dt.timedelta(days=1), cut + settings.horizon
    with open_archive(last, settings, since=first) as archive:
        return purchased(archive, first, last)


def ask_everybody(
    known: Knowledge,
    sources: Mapping[str, RecallSource],
    bought: Mapping[str, Mapping[str, float]],
    *,
    depth: int,
    most_users: int | None = None,
) -> Offers:
    """The first `depth` candidates of every source for each user who bought before and after, or for so many of them,
    spread evenly.

    Raises:
        EmptyDayError: there is no such user.
    """
    users = judged_users(known, bought)
    if not len(users):
        raise EmptyDayError(
            f"recall at {known.snapshot.as_of}",
            expected="users who bought before and after",
            found="none",
            remedy="Name an earlier day, or extract the days after it.",
        )
    if most_users is not None and len(users) > most_users:
        users = users[np.linspace(0, len(users) - 1, most_users).astype(np.int64)]
    catalog, as_of = known.snapshot.item_side.catalog, known.snapshot.as_of
    rows, parts = [], []
    wanted = np.zeros(len(users), np.int64)
    seconds, cpu = ({name: np.zeros(len(users)) for name in sources} for _ in range(2))
    for at, user in enumerate(track(users, "asking recall", total=len(users))):
        asker, found = Asker(known.history.of(int(user)), as_of), {}
        for name, source in sources.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            found[name] = source.candidates(asker, depth).items
            seconds[name][at] = time.perf_counter() - started
            cpu[name][at] = time.process_time() - cpu_started
        taken = sorted(bought[str(known.snapshot.users[user])])
        wanted[at] = len(taken)
        items = np.unique(np.concatenate(list(found.values())))
        places = np.full((len(sources), len(items)), NEVER, np.int32)
        for row, own in zip(places, found.values(), strict=True):
            row[np.searchsorted(items, own)] = np.arange(len(own))
        rows.append((np.full(len(items), at, np.int32), items, np.isin(items, catalog.rows_of_ids(taken))))
        parts.append(places)
    user, item, hit = (np.concatenate(column) for column in zip(*rows, strict=True))
    place = dict(zip(sources, np.concatenate(parts, axis=1), strict=True))
    return Offers(user, item, hit, place, wanted, seconds, cpu)
