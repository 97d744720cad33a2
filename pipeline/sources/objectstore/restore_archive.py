"""The archive brought back: every partition by its checksum, then whoever is forgotten taken out, then the ledger."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError
from pipeline.atomic import atomic_file, sweep
from pipeline.errors import ObjectStoreError, RestoreError
from pipeline.sources.archive import archive_lock, partition_file, remove_unknown
from pipeline.sources.ledger import Ledger, open_ledger
from pipeline.sources.objectstore.book import (
    BOOK,
    Book,
    Marks,
    ledger_key,
    lineage_of,
    marks_of,
    parsed,
    partition_key,
    partitions_of,
    read_book,
    read_marks,
    receipt_key,
)
from pipeline.sources.objectstore.restore_forgotten import without_forgotten
from pipeline.sources.objectstore.together import together
from pipeline.sources.objectstore.writer import begin_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.settings import Settings
    from pipeline.sources.objectstore.store import ObjectStore

log = logging.getLogger(__name__)


def restore_archive(store: ObjectStore, prefix: str, settings: Settings, *, force: bool) -> tuple[int, int, int]:
    """Partitions brought back, partitions that were whole, and rows of forgotten users taken out.

    Without `force` a work folder that has what the copy lacks keeps it: only what it lost is brought back.

    Raises:
        RestoreError: nothing is lost here, and what is here is newer; or it is another shop's.
        ArchiveError: the ledger here is damaged.
        ObjectStoreError: the store cannot be reached, or the copy is not whole.
    """
    with archive_lock(settings):
        sweep(settings.work_dir, settings.workspace.ledger.name)
        book, marks = read_book(store, prefix), read_marks(store, prefix)
        if book is None:
            raise _not_whole(prefix + BOOK, "a copy", "none")
        here, forgotten = _here(settings)
        if not force:
            if forgotten is not None and forgotten.lineage != book.lineage:
                raise _refused(settings, "the archive of another shop, or one that was begun anew")
            if newer := _newer(here, forgotten, marks, book, settings):
                return (*_mended(store, prefix, here, book, newer, settings), 0)
        known = [each for each in (marks, forgotten) if each is not None and each.lineage == book.lineage]
        return _brought_back(store, prefix, book, known, settings)


def _here(settings: Settings) -> tuple[dict[str, str], Marks | None]:
    """What the ledger of the work folder knows; nothing where it is lost.

    Raises:
        ArchiveError: it is damaged, and may still be mended: a person has to move it away.
    """
    path = settings.workspace.ledger
    if not path.exists():
        return {}, None
    with open_ledger(path) as ledger:
        try:
            return partitions_of(ledger), marks_of(ledger)
        except sqlite3.DatabaseError as error:
            raise ArchiveError(
                f"ledger {path}", expected="a whole one", found=str(error), remedy="Move it away and restore again."
            ) from error


def _newer(
    here: Mapping[str, str], forgotten: Marks | None, marks: Marks | None, book: Book, settings: Settings
) -> list[str]:
    """Whole partitions, and kinds of marks, that the copy lacks."""
    others = [place for place, checksum in here.items() if book.partitions.get(place) != checksum]
    whole = [place for place in others if _checksum(_file(settings, place)) == here[place]]
    told = {} if marks is None else marks.digests
    digests = {} if forgotten is None else forgotten.digests
    return whole + [kind for kind, known in digests.items() if set(known) - set(told.get(kind, []))]


def _mended(
    store: ObjectStore, prefix: str, here: Mapping[str, str], book: Book, newer: list[str], settings: Settings
) -> tuple[int, int]:
    """What the ledger here knows and its folder lost, as far as the copy has the very same."""
    lost = {place: each for place, each in here.items() if _checksum(_file(settings, place)) != each}
    held = {place: each for place, each in lost.items() if book.partitions.get(place) == each}
    if not lost:
        raise _refused(settings, f"{len(newer)} parts that the copy does not have, such as {newer[0]}")
    fetched = _fetched(store, prefix, held, settings)
    if len(held) < len(lost):
        log.warning("not in the copy: the next run mends it from the source", extra={"lost": len(lost) - len(held)})
    return fetched, len(here) - len(lost)


def _brought_back(
    store: ObjectStore, prefix: str, book: Book, marks: list[Marks], settings: Settings
) -> tuple[int, int, int]:
    content = _content(store, prefix + ledger_key(book.ledger), book.ledger)
    with _becoming_ledger(settings.workspace.ledger, content) as ledger:
        if partitions_of(ledger) != book.partitions or lineage_of(ledger) != book.lineage:
            raise _not_whole(prefix + BOOK, "the partitions of its ledger", "others")
        fetched = _fetched(store, prefix, book.partitions, settings)
        erased = without_forgotten(ledger, marks, settings)
        begin_writer(ledger, book)
        for layer, name in sorted({parsed(place)[:2] for place in book.partitions}):
            remove_unknown(settings.workspace, layer, name, ledger.partitions(layer, name))
        for name, digest in book.receipts.items():
            target = settings.workspace.receipts / name
            if not target.exists():  # what is here tells of more, never of less
                _download(store, prefix + receipt_key(name, digest), digest, target)
    log.info("archive restored", extra={"partitions": fetched, "erased": erased})
    return fetched, len(book.partitions) - fetched, erased


@contextmanager
def _becoming_ledger(target: Path, content: bytes) -> Iterator[Ledger]:
    """The copied ledger, open; when the block ends without an error it is the ledger."""
    with atomic_file(target) as aside:
        aside.write_bytes(content)
        with open_ledger(aside) as ledger:
            yield ledger
        # Of a writer that was killed: SQLite would play it into the new file.
        target.with_name(f"{target.name}-journal").unlink(missing_ok=True)


def _fetched(store: ObjectStore, prefix: str, wanted: Mapping[str, str], settings: Settings) -> int:
    """Put partitions in place that are not there with these checksums; how many."""

    def fetch(item: tuple[str, str]) -> int:
        place, checksum = item
        target = _file(settings, place)
        if _checksum(target) == checksum:
            return 0
        _download(store, prefix + partition_key(place, checksum), checksum, target)
        return 1

    return sum(together(fetch, wanted.items()))


def _download(store: ObjectStore, key: str, checksum: str, target: Path) -> None:
    content = _content(store, key, checksum)
    with atomic_file(target) as aside:
        aside.write_bytes(content)


def _file(settings: Settings, place: str) -> Path:
    return partition_file(settings.workspace, *parsed(place))


def _checksum(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _content(store: ObjectStore, key: str, checksum: str) -> bytes:
    content = store.get(key)
    if (found := hashlib.sha256(content).hexdigest()) != checksum:
        raise _not_whole(key, f"SHA-256 {checksum[:12]}…", found[:12])
    return content


def _not_whole(key: str, expected: str, found: str) -> ObjectStoreError:
    remedy = "Restore again; if it stays, restore from another copy."
    return ObjectStoreError(key, expected=expected, found=found, remedy=remedy)


def _refused(settings: Settings, found: str) -> RestoreError:
    return RestoreError(
        str(settings.work_dir),
        expected="an empty work folder, or one that is not newer than the copy",
        found=found,
        remedy="Nothing was changed. Move the folder away, or go back to the copy by `--force`.",
    )
