"""A work folder brought back from its copies: archive, ledger and receipts first, then the releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import RestoreError
from pipeline.recommender.release import CURRENT
from pipeline.sources.objectstore.book import BOOK
from pipeline.sources.objectstore.restore_archive import restore_archive
from pipeline.sources.objectstore.restore_releases import restore_releases
from pipeline.sources.objectstore.store import holds, open_store
from pipeline.stage import storage_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.settings import Settings
    from pipeline.sources.objectstore.store import ObjectStore


@dataclass(frozen=True)
class Restored:
    """partitions: brought back; kept: whole already; erased: rows of forgotten users that the copy still had."""

    partitions: int = 0
    kept: int = 0
    erased: int = 0
    releases: tuple[str, ...] = ()
    in_use: str | None = None


def restore(urls: Sequence[str], settings: Settings, *, force: bool = False) -> Restored:
    """Bring back what lies below `urls`, or below `archive_url` and `releases_url`; what is whole here stays.

    A restore that dies is simply run again: the ledger comes last, and without it the archive counts for nothing.

    Raises:
        RestoreError: a URL has no copy, or what is here is newer than it.
        ObjectStoreError: a store cannot be reached, or a copy is not whole.
        ArchiveError: the ledger here is damaged.
        ReleaseError, FeatureSetMismatchError: this code cannot use the release that was in use; the archive is back.
    """
    places = list(urls) or [url for url in (settings.archive_url, settings.releases_url) if url]
    if not places:
        raise _no_copy("restore", "no URL")
    partitions = kept = erased = 0
    releases: tuple[str, ...] = ()
    in_use = None
    with storage_errors("restore", settings):
        for store, prefix, kinds in [_copies(url) for url in places]:  # all are looked at before anything changes
            if BOOK in kinds:
                partitions, kept, erased = restore_archive(store, prefix, settings, force=force)
            if CURRENT in kinds:
                releases, in_use = restore_releases(store, prefix, settings, force=force)
    return Restored(partitions, kept, erased, releases, in_use)


def _copies(url: str) -> tuple[ObjectStore, str, set[str]]:
    """The store and the prefix of a URL, and what is copied there."""
    store, prefix = open_store(url)
    kinds = {name for name in (BOOK, CURRENT) if holds(store, prefix + name)}
    if not kinds:
        raise _no_copy(url, "neither")
    return store, prefix, kinds


def _no_copy(where: str, found: str) -> RestoreError:
    return RestoreError(
        where,
        expected=f"a copy: `{BOOK}` of an archive, or `{CURRENT}` of releases",
        found=found,
        remedy="Name by `--from` only where copies lie, or set `archive_url` and `releases_url`.",
    )
