"""Releases that hold a row of somebody who was forgotten: immutable, so they are not rewritten but removed in time."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any

from pipeline.atomic import remove_folder
from pipeline.errors import ReleaseError
from pipeline.recommender.golden import GOLDEN
from pipeline.recommender.release import MANIFEST, current, names, read_manifest
from pipeline.sources.objectstore.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.settings import Settings

log = logging.getLogger(__name__)


def releases_with(
    user: str, days: Iterable[str], earlier: Iterable[Mapping[str, Any]], settings: Settings
) -> dict[str, dict[str, str]]:
    """Releases that hold the user's row, with what they hold and the day by which publishing removes them.

    days: whose snapshots have a row of the user; earlier: receipts of before, whose releases may still be there
    """
    listed = {name: held for receipt in earlier for name, held in receipt["remains"]["releases"].items()}
    due = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=settings.forget_release_days)
    of_days, found = set(days), {}
    for name in names(settings.releases):
        holds = [*_index(name, of_days, settings), *_golden(name, user, settings)]
        if name in listed:
            found[name] = listed[name]
        elif holds:
            found[name] = {"holds": ", ".join(holds), "removed_by": str(due)}
    return found


def _index(name: str, days: set[str], settings: Settings) -> Iterator[str]:
    """UserCF's index has a row a user of its day's snapshot; without the snapshot nobody knows, so it counts."""
    try:
        day = read_manifest(settings.releases / name).day
    except ReleaseError:
        yield "perhaps a row of the UserCF index: its manifest is broken"
        return
    if day in days:
        yield "a row of the UserCF index"
    elif not settings.workspace.features(dt.date.fromisoformat(day)).exists():
        yield "perhaps a row of the UserCF index: its snapshot is no more"


def _golden(name: str, user: str, settings: Settings) -> Iterator[str]:
    path = settings.releases / name / GOLDEN
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if user in {str(json.loads(line)["user_id"]) for line in lines}:
        yield "the id in a golden request"


def remove_due(settings: Settings, today: dt.date) -> list[str]:
    """Remove the releases whose time has come, here and in the object store, unless one is in use.

    Raises:
        ObjectStoreError: a copy could not be removed; the next run tries again.
    """
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in settings.workspace.receipts.glob("*.json")]
    held = [each for receipt in receipts for part in receipt for each in part["remains"]["releases"].items()]
    due = sorted({name for name, release in held if release["removed_by"] <= str(today)})
    removed = []
    for name in due:
        if name == current(settings.releases):
            log.warning("a release in use is to be removed: publish a newer one", extra={"release": name})
        elif _remove(name, settings):
            removed.append(name)
            log.info("release removed, it held the row of a forgotten user", extra={"release": name})
    return removed


def _remove(name: str, settings: Settings) -> bool:
    """The copy first, its manifest before its files; whether anything was there."""
    there = False
    if settings.releases_url is not None:
        store, prefix = open_store(settings.releases_url)
        manifest = f"{prefix}{name}/{MANIFEST}"
        for key in sorted(store.keys(f"{prefix}{name}/"), key=lambda key: (key != manifest, key)):
            store.delete(key)
            there = True
    if (settings.releases / name).exists():
        remove_folder(settings.releases / name)
        there = True
    return there
