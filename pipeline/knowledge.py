"""What the recommender knows at the end of a day: the snapshot, everybody's history, and recall fitted on it."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.days import partition_day
from feature_store.engine.connect import open_engine
from feature_store.offline import Archive
from feature_store.online.store import UserRecord
from feature_store.schema import PURCHASE
from feature_store.snapshot import Snapshot, arrays_of, compute_snapshot
from feature_store.tables import since
from pipeline.errors import SettingsError
from pipeline.recommender.recall import SOURCES, configured
from pipeline.spill import spill_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from feature_store.history import History
    from feature_store.rollup import Rollup
    from pipeline.recommender.recall.source import RecallSource
    from pipeline.settings import Settings


@dataclass(frozen=True)
class Knowledge:
    """History rows are the snapshot's users; nothing in here happened after `snapshot.as_of`."""

    snapshot: Snapshot
    history: History
    recall: Mapping[str, RecallSource]


@contextmanager
def open_archive(
    through: dt.date,
    settings: Settings,
    since: dt.date = dt.date.min,
    day: dt.date | None = None,
    past: Rollup | None = None,
) -> Iterator[Archive]:
    """The cleaned partitions up to and including `through` (events from `since` on, or those that follow `past`; users
    and items as of `day`), within the memory allowed.

    West of UTC the shop's last hours of `through` lie in the next partition, which is read where it is there; east of
    UTC the first hours of `since` lie in the one before it.
    """
    compute = settings.compute
    first = since if since == dt.date.min else partition_day(settings.end_of(since - dt.timedelta(days=1)))
    last = partition_day(settings.end_of(through) - 1)
    with spill_folder(settings.workspace.spill) as spill:
        engine = open_engine(
            compute.engine,
            memory_limit=compute.memory_limit,
            threads=compute.threads,
            spill=spill,
            spark_master=compute.spark_master,
        )
        archive = Archive(
            settings.workspace.clean,
            max(last, through),
            since=first,
            day=day or through,
            past=past,
            timezone=settings.timezone,
            engine=engine,
        )
        try:
            yield archive
        finally:
            archive.close()


def learn(archive: Archive, day: dt.date, settings: Settings) -> Knowledge:
    """Everything known at the end of `day`, computed from the archive."""
    snapshot = arrays_of(compute_snapshot(archive, day), archive.end_of(day))
    history = history_of_everybody(archive, snapshot, settings)
    return Knowledge(snapshot, history, fit_recall(snapshot, history, settings))


def history_of_everybody(
    archive: Archive, snapshot: Snapshot, settings: Settings, folder: Path | None = None
) -> History:
    """The latest events of every user of the snapshot, as many as the online store keeps; written into `folder`."""
    catalog, bounds = snapshot.item_side.catalog, settings.online_history.bounds()
    return archive.history(catalog, snapshot.users, snapshot.as_of, bounds=bounds, folder=folder)


def fit_recall(snapshot: Snapshot, history: History, settings: Settings) -> dict[str, RecallSource]:
    """Every source that some scene asks, fitted.

    Raises:
        SettingsError: a scene asks a source that does not exist, or the source does not know a setting.
    """
    return {name: fit_source(name, snapshot, history, settings) for name in settings.recall_sources}


def fit_source(name: str, snapshot: Snapshot, history: History, settings: Settings) -> RecallSource:
    """The source `name`, fitted with what `recall` of the settings says of it.

    Raises:
        SettingsError: there is no such source, or it does not know a setting.
    """
    config = configured(name, settings.recall.get(name, {}))
    return SOURCES[name].fit(history, snapshot.item_side.catalog, snapshot.as_of, config)


def record_of(snapshot: Snapshot, history: History, user: int) -> UserRecord:
    """What the online store holds of the user in row `user`; training, evaluation and sync all read this."""
    own = history.of(user)
    return UserRecord(
        snapshot.as_of,
        snapshot.user_values[user],
        snapshot.item_side.catalog.keys[own.item],
        own.time,
        own.kind,
        own.quantity,
        own.value,
    )


def purchased(archive: Archive, first: dt.date, last: dt.date) -> dict[str, dict[str, float]]:
    """The items that each user bought on the days `first` to `last`, both included, with the money paid for each."""
    return happened(archive, PURCHASE, first, last)


def happened(archive: Archive, kind: str, first: dt.date, last: dt.date) -> dict[str, dict[str, float]]:
    """The items with which each user had an event of this kind, with the money that the events tell of."""
    start, end = archive.end_of(first - dt.timedelta(days=1)), archive.end_of(last)
    events = since(archive.events, start)
    chosen = events.filter(events["kind"] == kind, events["seconds"] < end)
    paid = chosen["value"].cast("decimal(38, 4)").sum().cast("float64")
    pairs = archive.frame(chosen.group_by("user_id", "item_id").aggregate(paid=paid).order_by("user_id", "item_id"))
    bought: dict[str, dict[str, float]] = {}
    for user, item, money in zip(*(column.to_pylist() for column in pairs.columns), strict=True):
        bought.setdefault(user, {})[item] = money
    return bought


def attributes_of_users(archive: Archive, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Column of the table of users -> user -> value, as text; whoever it says nothing of is left out.

    Raises:
        SettingsError: the table has no such column.
    """
    lacking = [name for name in columns if name not in archive.users.columns]
    if lacking:
        raise SettingsError(
            "evaluation.segments",
            expected=f"columns of users: {', '.join(archive.users.columns)}",
            found=", ".join(lacking),
            remedy="Name columns that the table has.",
        )
    if not columns:
        return {}
    rows = archive.frame(archive.users.select("user_id", *columns)).to_pydict()
    return {
        name: {user: str(value) for user, value in zip(rows["user_id"], rows[name], strict=True) if value is not None}
        for name in columns
    }


def rng(settings: Settings, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and on what it is for, and on nothing else."""
    return np.random.default_rng([settings.seed, *(int.from_bytes(name.encode()[-8:], "big") for name in names)])
