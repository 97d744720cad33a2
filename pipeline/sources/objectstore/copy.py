"""Copies of releases and archive in an object store, for other machines and for the day this one is lost."""

from __future__ import annotations

import json
import logging
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from pipeline.errors import ObjectStoreError
from pipeline.recommender.release import CURRENT, DECISION, MANIFEST
from pipeline.sources.archive import archive_lock, partition_bytes
from pipeline.sources.ledger import Partition, open_ledger
from pipeline.sources.objectstore.book import (
    BOOK,
    MARKS,
    Book,
    is_copy,
    ledger_bytes,
    ledger_key,
    marks_of,
    parsed,
    partition_key,
    partitions_of,
    read_book,
    read_marks,
    receipt_key,
)
from pipeline.sources.objectstore.store import open_store
from pipeline.sources.objectstore.together import together
from pipeline.sources.objectstore.writer import require_own, writer_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.settings import Settings
    from pipeline.sources.ledger import Ledger

log = logging.getLogger(__name__)


def copy_release(folder: Path, settings: Settings, *, in_use: bool = True) -> int:
    """Copy a release and the gate's decision below `releases_url`, manifest last; then point to it where it is in use.

    Returns how many of its files were not there yet. The decision, which a person may overrule, is always the newest.

    Raises:
        ObjectStoreError: the store cannot be reached or refuses; what was copied is found again by the next try.
    """
    if settings.releases_url is None:
        return 0
    store, prefix = open_store(settings.releases_url)
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = {f"{prefix}{folder.name}/{name}": path for name, path in paths.items()}
    decision, manifest = (f"{prefix}{folder.name}/{name}" for name in (DECISION, MANIFEST))
    there = set(store.keys(f"{prefix}{folder.name}/"))
    missing = files.keys() - there
    together(lambda key: store.put(key, files[key]), sorted(missing - {decision, manifest}))
    if decision in files:  # before the release counts, so that none that was refused is ever taken for one that was not
        store.put(decision, files[decision], overwrite=True)
    if manifest in missing:
        store.put(manifest, files[manifest])
    if in_use:
        store.put(f"{prefix}{CURRENT}", json.dumps({"release": folder.name}).encode() + b"\n", overwrite=True)
    log.info("release copied", extra={"release": folder.name, "files": len(missing), "url": settings.releases_url})
    return len(missing)


def copy_archive(settings: Settings) -> int:
    """Copy what is new or changed of partitions, receipts and ledger below `archive_url`; how many partitions.

    Marks of forgotten users go first, the book goes last, and then what the book names no more is deleted: no copy of
    an erased row stays.

    Raises:
        ObjectStoreError: as `copy_release`, or the copy there is of another ledger or work folder.
        ArchiveError: a partition here is missing or damaged.
    """
    if settings.archive_url is None:
        return 0
    store, prefix = open_store(settings.archive_url)
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        held, marks = read_book(store, prefix), marks_of(ledger)
        if marks is None:  # nothing was ever extracted
            return 0
        if held is not None and held.lineage != marks.lineage:
            raise _another(settings.archive_url, held.lineage, marks.lineage)
        if held is not None:
            require_own(ledger, held, settings.archive_url)
        if read_marks(store, prefix) != marks:
            store.put(prefix + MARKS, marks.model_dump_json().encode(), overwrite=True)
        there = {key.removeprefix(prefix) for key in store.keys(prefix)}
        book, pieces = _pieces(ledger, marks.lineage, settings)
        missing = [key for key in pieces if key not in there]
        together(lambda key: store.put(prefix + key, pieces[key](), overwrite=True), missing)  # its name is its content
        if book != held:
            store.put(prefix + BOOK, book.model_dump_json(indent=0).encode(), overwrite=True)
        gone = [key for key in sorted(there - pieces.keys()) if is_copy(key)]
        together(lambda key: store.delete(prefix + key), gone)
    copied = sum(key.endswith(".parquet") for key in missing)
    log.info("archive copied", extra={"partitions": copied, "url": settings.archive_url})
    return copied


def _pieces(ledger: Ledger, lineage: str, settings: Settings) -> tuple[Book, dict[str, Callable[[], bytes]]]:
    """The book of this moment, and how to get the content of each object that it names."""

    def partition(place: str, checksum: str) -> bytes:
        return partition_bytes(settings.workspace, *parsed(place), Partition(0, checksum))

    contents = {path.name: path.read_bytes() for path in sorted(settings.workspace.receipts.glob("forget-*.json"))}
    receipts = {name: sha256(content).hexdigest() for name, content in contents.items()}
    writer = writer_of(ledger)  # before the ledger is copied, which tells it too
    content = ledger_bytes(ledger)
    book = Book(
        lineage=lineage,
        writer=writer,
        ledger=sha256(content).hexdigest(),
        partitions=partitions_of(ledger),
        receipts=receipts,
    )
    pieces: dict[str, Callable[[], bytes]] = {ledger_key(book.ledger): lambda: content}
    pieces |= {partition_key(*each): partial(partition, *each) for each in book.partitions.items()}
    pieces |= {receipt_key(*each): partial(contents.__getitem__, each[0]) for each in receipts.items()}
    return book, pieces


def _another(url: str, there: str, here: str) -> ObjectStoreError:
    return ObjectStoreError(
        url,
        expected=f"a copy of this archive ({here})",
        found=f"one of another ({there})",
        remedy="Was this machine set up anew? Move its work folder away and run `vitrine restore`. Else set"
        " `archive_url` to another prefix.",
    )
