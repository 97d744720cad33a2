"""Copies of releases and archive in an object store, for other machines and for the day this one is lost."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from feature_store.schema import MAPPABLE_TABLES, TABLES
from pipeline.errors import ObjectStoreError
from pipeline.recommender.release import CURRENT, MANIFEST
from pipeline.sources.archive import CLEAN, RAW, archive_lock, partition_bytes
from pipeline.sources.ledger import open_ledger
from pipeline.sources.objectstore import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings
    from pipeline.sources.objectstore import ObjectStore

log = logging.getLogger(__name__)
BOOK = "archive.json"
"""Which partition has which checksum in the copy; written last, so that it never promises what is not there."""


def copy_release(folder: Path, settings: Settings) -> int:
    """Copy a release below `releases_url`, manifest last, then point to it; returns the files that were not there yet.

    Raises:
        ObjectStoreError: the store cannot be reached or refuses; what was copied is found again by the next try.
    """
    if settings.releases_url is None:
        return 0
    store, prefix = open_store(settings.releases_url)
    files = {f"{prefix}{folder.name}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*")}
    manifest = f"{prefix}{folder.name}/{MANIFEST}"
    there = set(store.keys(f"{prefix}{folder.name}/"))
    missing = [key for key, path in files.items() if path.is_file() and key not in there]
    for key in sorted(missing, key=lambda key: (key == manifest, key)):
        store.put(key, files[key])
    store.put(f"{prefix}{CURRENT}", json.dumps({"release": folder.name}).encode() + b"\n", overwrite=True)
    log.info("release copied", extra={"release": folder.name, "files": len(missing), "url": settings.releases_url})
    return len(missing)


def copy_archive(settings: Settings) -> int:
    """Copy the partitions below `archive_url` that are new or changed; returns how many.

    Raises:
        ObjectStoreError: as `copy_release`.
        ArchiveError: a partition here is missing or damaged.
    """
    if settings.archive_url is None:
        return 0
    store, prefix = open_store(settings.archive_url)
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        wanted = {
            f"{layer}/{name}/day={day}/part.parquet": (layer, name, day, partition)
            for layer in (RAW, CLEAN)
            for name in {**MAPPABLE_TABLES, **TABLES}
            for day, partition in ledger.partitions(layer, name).items()
        }
        held = _book(store, prefix)
        changed = [key for key, (*_, partition) in wanted.items() if held.get(key) != partition.checksum]
        for key in changed:
            store.put(prefix + key, partition_bytes(settings.workspace, *wanted[key]), overwrite=True)
        if changed:
            book = {key: partition.checksum for key, (*_, partition) in wanted.items()}
            store.put(prefix + BOOK, json.dumps(book, indent=0, sort_keys=True).encode(), overwrite=True)
    log.info("archive copied", extra={"partitions": len(changed), "url": settings.archive_url})
    return len(changed)


def _book(store: ObjectStore, prefix: str) -> dict[str, str]:
    """What the copy holds already; nothing before the first time."""
    if BOOK not in {key.removeprefix(prefix) for key in store.keys(prefix + BOOK)}:
        return {}
    try:
        book: dict[str, str] = json.loads(store.get(prefix + BOOK))
    except ValueError as error:
        raise ObjectStoreError(
            f"{prefix}{BOOK}",
            expected="JSON that names every partition",
            found=str(error),
            remedy="Delete it: the next run copies the whole archive again.",
        ) from error
    return book
