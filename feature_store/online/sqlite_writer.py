"""Fills the online store in one SQLite file.

Writers queue behind a lock file that the kernel frees when a writer dies; whoever holds it knows that every unfinished
version is a dead one's. Readers are never blocked (WAL).
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from feature_store.online.sqlite_layout import clear_errors, open_to_write
from feature_store.online.writing import Packed, check, fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from feature_store.online.store import UserRecord, Version

log = logging.getLogger(__name__)

_BATCH = 1_000
"""Users per transaction: enough that syncing to disk does not matter, few enough to hold in memory."""
_WAIT_SECONDS = 30


class SqliteWriter:
    """Fills the file at `path`: makes it when it is not there, makes it anew when it is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def require_room(self, sizes: NDArray[np.integer]) -> None:
        """As `OnlineWriter.require_room`: a file takes no memory, and a full disk leaves the version before."""

    def write(self, version: Version, records: Iterable[tuple[str, UserRecord]]) -> int:
        """As `OnlineWriter.write`; a second writer waits for the first."""
        with _only_writer(self._path), clear_errors(self._path):
            _make_room_if_damaged(self._path)
            with closing(open_to_write(self._path, _WAIT_SECONDS)) as connection:
                return _write(connection, str(self._path), version, records)


def _write(
    connection: sqlite3.Connection, place: str, version: Version, records: Iterable[tuple[str, UserRecord]]
) -> int:
    pointed = connection.execute("SELECT version FROM pointer").fetchone()
    before = pointed[0] if pointed else 0
    _keep_only(connection, before)
    fields = (version.feature_set, version.name, version.as_of, version.users)
    identifier = connection.execute(
        "INSERT INTO versions (feature_set, name, as_of, users) VALUES (?, ?, ?, ?)", fields
    ).lastrowid

    def send(batch: Sequence[Packed]) -> None:
        with _transaction(connection):
            connection.executemany("INSERT INTO records VALUES (?, ?, ?)", ((identifier, *packed) for packed in batch))

    def read_back(user: str) -> bytes | None:
        found = connection.execute(
            "SELECT packed FROM records WHERE version = ? AND user = ?", (identifier, user)
        ).fetchone()
        return found[0] if found else None

    try:
        filled = fill(version, records, _BATCH, send)
        check(place, version, filled, [read_back(user) for user, _ in filled.sample])
    except BaseException:
        with suppress(sqlite3.Error):  # the first error is the one to report; the next write deletes what is left
            _keep_only(connection, before)
        raise
    connection.execute("INSERT OR REPLACE INTO pointer VALUES (1, ?)", (identifier,))
    connection.execute("DELETE FROM recent WHERE latest < ?", (version.as_of,))  # the snapshot knows them by now
    return filled.size


def _keep_only(connection: sqlite3.Connection, version: int) -> None:
    """Delete every other version, a batch at a time so that the log beside the file stays small."""
    doomed = "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE version = ? LIMIT ?)"
    for (other,) in connection.execute("SELECT id FROM versions WHERE id <> ?", (version,)).fetchall():
        while connection.execute(doomed, (other, _BATCH)).rowcount:
            pass
        connection.execute("DELETE FROM versions WHERE id = ?", (other,))


def _make_room_if_damaged(path: Path) -> None:
    """Remove a damaged file, for everything in it can be made again; also the logs that a lost file left beside it,
    which would be taken for the new file's.
    """
    if path.exists() and not _is_damaged(path):
        return
    if path.exists():
        log.warning("online store damaged, made anew", extra={"path": str(path)})
    for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        file.unlink(missing_ok=True)


def _is_damaged(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return True
        raise


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
