"""The archive's book: one SQLite file that says what was read, which partitions there are, and how far extraction came.

A file that is not in the book is not in the archive; a file whose checksum differs from the book is damaged.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from feature_store.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS watermarks (
    source TEXT, table_name TEXT, site TEXT, extracted_through TEXT NOT NULL, PRIMARY KEY (source, table_name, site)
);
CREATE TABLE IF NOT EXISTS extractions (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, table_name TEXT NOT NULL, run_day TEXT NOT NULL,
    window_start TEXT NOT NULL, window_end TEXT NOT NULL, rows INTEGER NOT NULL, seconds REAL NOT NULL,
    cursor_before TEXT, cursor_after TEXT
);
CREATE TABLE IF NOT EXISTS partitions (
    layer TEXT, table_name TEXT, day TEXT, rows INTEGER NOT NULL, checksum TEXT NOT NULL,
    made_from TEXT NOT NULL, counts TEXT NOT NULL, contract TEXT, PRIMARY KEY (layer, table_name, day)
);
CREATE TABLE IF NOT EXISTS tombstones (
    id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, ids TEXT NOT NULL, found_at TEXT NOT NULL,
    cleaned INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS tombstones_to_clean ON tombstones (table_name) WHERE cleaned = 0;
CREATE TABLE IF NOT EXISTS forgotten (kind TEXT, digest BLOB, PRIMARY KEY (kind, digest));
CREATE TABLE IF NOT EXISTS salt (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS shapes (
    source TEXT, table_name TEXT, columns TEXT NOT NULL, PRIMARY KEY (source, table_name)
);
"""
_WATERMARKS_OF_TABLES = """
ALTER TABLE watermarks RENAME TO watermarks_of_tables;
CREATE TABLE watermarks (
    source TEXT, table_name TEXT, site TEXT, extracted_through TEXT NOT NULL, PRIMARY KEY (source, table_name, site)
);
INSERT INTO watermarks SELECT source, table_name, '', extracted_through FROM watermarks_of_tables;
DROP TABLE watermarks_of_tables
"""
"""The first ledgers knew no sites: what they say counts for all."""
_LATER_COLUMNS = {
    "kind": "TEXT NOT NULL DEFAULT 'new'",
    "inserted": "INTEGER NOT NULL DEFAULT 0",
    "updated": "INTEGER NOT NULL DEFAULT 0",
    "deleted": "INTEGER NOT NULL DEFAULT 0",
    "duplicates": "INTEGER NOT NULL DEFAULT 0",
    "unreadable": "INTEGER NOT NULL DEFAULT 0",
    "checksum": "TEXT NOT NULL DEFAULT ''",
    "note": "TEXT NOT NULL DEFAULT ''",
    "recorded_at": "TEXT",
}
"""Columns of `extractions` that the first ledgers lack; they get them when they are opened."""


@dataclass(frozen=True)
class Partition:
    """One archived file. `made_from` names its input, so that a change of it is seen; `counts` is what rules did."""

    rows: int
    checksum: str
    made_from: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    contract: str | None = None
    """The contract it was found to keep; none: not validated yet."""


@dataclass(frozen=True)
class Extraction:
    """One reading of one table: what the ledger keeps about it.

    kind: new, mend, backfill, binlog, reconcile or forget. rows: those that the source gave.
    inserted: rows new to their day's partition; updated: rows that replaced other values of their key there.
    deleted: rows taken away. duplicates: rows whose key came again in the same reading of a day.
    unreadable: rows of the table whose cursor is null or no time. checksum: of the window's partitions afterwards.
    """

    source: str
    table: str
    run_day: dt.date
    start: dt.datetime
    end: dt.datetime
    rows: int
    seconds: float
    cursor_before: dt.datetime | None
    cursor_after: dt.datetime | None
    kind: str = "new"
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    duplicates: int = 0
    unreadable: int = 0
    checksum: str = ""
    note: str = ""
    recorded_at: dt.datetime | None = field(default=None, compare=False)
    """None: now, or unknown in the first ledgers."""


class Ledger:
    """The open book. Writing happens inside `transaction`, which other processes wait for."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            self.connection.executescript(_TABLES)
            self._bring_up_to_date()
        except sqlite3.DatabaseError as error:
            if "disk is full" in str(error):  # the stage says what to do about it
                raise
            raise ArchiveError(
                f"ledger {path}",
                expected="a SQLite file",
                found=str(error),
                remedy="Move it away. Where the archive has a copy, `vitrine restore` brings it back; else the next"
                " extract reads the source from the beginning and writes a new one.",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # on a full disk SQLite has rolled back by itself
                self.connection.execute("ROLLBACK")
            raise

    def partitions(self, layer: str, table: str) -> dict[dt.date, Partition]:
        """The archived files of a table, by day, ascending."""
        found = self.connection.execute(
            "SELECT day, rows, checksum, made_from, counts, contract FROM partitions"
            " WHERE layer = ? AND table_name = ? ORDER BY day",
            (layer, table),
        )
        return {
            dt.date.fromisoformat(day): Partition(rows, checksum, made_from, json.loads(counts), contract)
            for day, rows, checksum, made_from, counts, contract in found
        }

    def record_partitions(self, layer: str, table: str, partitions: Mapping[dt.date, Partition]) -> None:
        """Enter files that are in place already; inside a transaction."""
        self.connection.executemany(
            "INSERT OR REPLACE INTO partitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    layer,
                    table,
                    str(day),
                    p.rows,
                    p.checksum,
                    p.made_from,
                    json.dumps(p.counts, sort_keys=True),
                    p.contract,
                )
                for day, p in partitions.items()
            ],
        )

    def bury(self, table: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Enter the ids of rows that were taken away because the source has them no more; inside a transaction."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self.connection.executemany(
            "INSERT INTO tombstones (table_name, ids, found_at) VALUES (?, ?, ?)",
            ((table, json.dumps(ids, sort_keys=True), now) for ids in rows),
        )

    def gone_ids(self, column: str, table: str | None = None) -> set[str]:
        """What rows of a table, or of any, named in `column` that were taken away and not yet seen by cleaning."""
        found = self.connection.execute(
            "SELECT DISTINCT json_extract(ids, ?) FROM tombstones"
            " WHERE cleaned = 0 AND table_name = coalesce(?, table_name)",
            (f"$.{column}", table),
        )
        return {identifier for (identifier,) in found if identifier is not None}

    def unearth(self, column: str, identifiers: Iterable[str]) -> None:
        """Remove tombstones that name any of these in `column`, because nothing may name them; inside a transaction."""
        self.connection.executemany(
            "DELETE FROM tombstones WHERE json_extract(ids, ?) = ?",
            ((f"$.{column}", identifier) for identifier in identifiers),
        )

    def has_fresh_tombstones(self) -> bool:
        """Whether rows were taken away that cleaning has not seen to."""
        return self.connection.execute("SELECT 1 FROM tombstones WHERE cleaned = 0 LIMIT 1").fetchone() is not None

    def mark_tombstones_cleaned(self) -> None:
        """What they meant for other rows has been seen to; inside a transaction."""
        self.connection.execute("UPDATE tombstones SET cleaned = 1 WHERE cleaned = 0")

    def record_extraction(self, entry: Extraction) -> None:
        """Enter one reading; inside a transaction."""
        names = ", ".join(_STORED)
        at = entry.recorded_at or dt.datetime.now(dt.UTC).replace(microsecond=0)
        values = [_text(at if name == "recorded_at" else getattr(entry, name)) for name in _STORED.values()]
        places = ", ".join("?" * len(_STORED))
        self.connection.execute(f"INSERT INTO extractions ({names}) VALUES ({places})", values)

    def extractions(self, table: str | None = None) -> list[Extraction]:
        """Every reading of a table, or of all, the oldest first."""
        found = self.connection.execute(
            f"SELECT {', '.join(_STORED)} FROM extractions WHERE table_name = coalesce(?, table_name) ORDER BY id",
            (table,),
        )
        return [_extraction(dict(zip(_STORED.values(), row, strict=True))) for row in found]

    def _bring_up_to_date(self) -> None:
        with self.transaction():
            present = self._columns("extractions")
            for name, definition in _LATER_COLUMNS.items():
                if name not in present:
                    self.connection.execute(f"ALTER TABLE extractions ADD COLUMN {name} {definition}")
            if "site" not in self._columns("watermarks"):
                for statement in _WATERMARKS_OF_TABLES.split(";"):
                    self.connection.execute(statement)

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")}


_TIMES = ("start", "end", "cursor_before", "cursor_after", "recorded_at")
_RENAMED = {"table": "table_name", "start": "window_start", "end": "window_end"}
_STORED = {_RENAMED.get(each.name, each.name): each.name for each in fields(Extraction)}
"""Column of `extractions` -> field of Extraction."""


def _text(value: object) -> object:
    """Times and days as SQLite keeps them."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, dt.date) else value


def _extraction(found: dict[str, Any]) -> Extraction:
    times = {name: None if found[name] is None else dt.datetime.fromisoformat(found[name]) for name in _TIMES}
    return Extraction(**{**found, **times, "run_day": dt.date.fromisoformat(found["run_day"])})


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """The book at `path`, made if there is none."""
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.connection.close()
