"""Which work folder writes a copy of the archive: two that were restored from one copy never write over each other.

A restore begins a new writer, which may take over the very copy that it came from and from then on only its own.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pipeline.errors import ObjectStoreError

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger
    from pipeline.sources.objectstore.book import Book

_TABLE = """
CREATE TABLE IF NOT EXISTS writer (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, restored_from TEXT)
"""
"""restored_from: the checksum of the ledger in the copy that this one came from."""


def writer_of(ledger: Ledger) -> str:
    """The writer that this ledger is of; one without any, which nobody restored, begins one."""
    ledger.connection.execute(_TABLE)
    ledger.connection.execute("INSERT OR IGNORE INTO writer VALUES (1, ?, NULL)", (_new(),))
    return str(ledger.connection.execute("SELECT id FROM writer").fetchone()[0])


def begin_writer(ledger: Ledger, book: Book) -> None:
    """What was restored from a copy is another writer than the one who made it."""
    ledger.connection.execute(_TABLE)
    ledger.connection.execute("INSERT OR REPLACE INTO writer VALUES (1, ?, ?)", (_new(), book.ledger))


def require_own(ledger: Ledger, held: Book, url: str) -> None:
    """Stop unless the copy there is of this writer, the one it was restored from, or of a version without writers.

    Raises:
        ObjectStoreError: another work folder has written there.
    """
    here = writer_of(ledger)
    (restored_from,) = ledger.connection.execute("SELECT restored_from FROM writer").fetchone()
    if held.writer in (None, here) or held.ledger == restored_from:
        return
    raise ObjectStoreError(
        url,
        expected=f"the copy of this work folder (writer {here}), or the one it was restored from",
        found=f"a newer one of another work folder (writer {held.writer}), restored from a copy of this archive too",
        remedy="Nothing was changed. Let only one machine go on: stop the other, then take what it copied by"
        " `vitrine restore --force`; or give this one another prefix in `archive_url`.",
    )


def _new() -> str:
    return secrets.token_hex(8)
