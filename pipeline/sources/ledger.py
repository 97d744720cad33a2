"""The archive's book: one SQLite file that says what was read, which partitions there are, and how far extraction came.

A file that is not in the book is not in the archive; a file whose checksum differs from the book is damaged.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS watermarks (
    source TEXT, table_name TEXT, extracted_through TEXT NOT NULL, PRIMARY KEY (source, table_name)
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
"""


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
    """One reading of one table: what the ledger keeps about it."""

    source: str
    table: str
    run_day: dt.date
    start: dt.datetime
    end: dt.datetime
    rows: int
    seconds: float
    cursor_before: dt.datetime | None
    cursor_after: dt.datetime | None


class Ledger:
    """The open book. Writing happens inside `transaction`, which other processes wait for."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            self.connection.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise ArchiveError(
                f"ledger {path}",
                expected="a SQLite file",
                found=str(error),
                remedy="Move it away: the next extract reads the source from the beginning and writes a new one.",
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

    def record_extraction(self, entry: Extraction) -> None:
        """Enter one reading; inside a transaction."""
        times = (entry.start, entry.end, entry.cursor_before, entry.cursor_after)
        start, end, before, after = (None if time is None else time.isoformat() for time in times)
        self.connection.execute(
            "INSERT INTO extractions (source, table_name, run_day, window_start, window_end, rows, seconds,"
            " cursor_before, cursor_after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.source, entry.table, str(entry.run_day), start, end, entry.rows, entry.seconds, before, after),
        )

    def extractions(self, table: str) -> list[Extraction]:
        """Every reading of a table, the oldest first."""
        found = self.connection.execute(
            "SELECT source, table_name, run_day, window_start, window_end, rows, seconds, cursor_before, cursor_after"
            " FROM extractions WHERE table_name = ? ORDER BY id",
            (table,),
        )
        return [
            Extraction(
                source,
                name,
                dt.date.fromisoformat(day),
                dt.datetime.fromisoformat(start),
                dt.datetime.fromisoformat(end),
                rows,
                seconds,
                None if before is None else dt.datetime.fromisoformat(before),
                None if after is None else dt.datetime.fromisoformat(after),
            )
            for source, name, day, start, end, rows, seconds, before, after in found
        ]


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """The book at `path`, made if there is none."""
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.connection.close()
