"""How far the binlog was read: a place in a server's log, kept for each table in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger

_TABLE = """
CREATE TABLE IF NOT EXISTS binlog_positions (
    source TEXT, table_name TEXT, server TEXT NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL,
    gtid TEXT NOT NULL, PRIMARY KEY (source, table_name)
)
"""


@dataclass(frozen=True)
class Position:
    """Everything before it was read. A GTID means the same on every server of a cluster; file and offset on one."""

    file: str
    offset: int
    gtid: str = ""
    """MariaDB's or MySQL's; empty: the server has none."""
    server: str = ""
    """Whose file it is."""

    def __str__(self) -> str:
        return self.gtid or f"{self.file}:{self.offset}"

    def is_before(self, file: str, offset: int) -> bool:
        """Whether a place of the same server's log lies behind this one.

        >>> Position("binlog.000009", 400).is_before("binlog.000010", 4)
        True
        """
        return (_number(self.file), self.offset) < (_number(file), offset)

    def is_after(self, file: str, offset: int) -> bool:
        """Whether a place of the same server's log lies before this one."""
        return (_number(file), offset) < (_number(self.file), self.offset)

    def can_be_found_on(self, server: str) -> bool:
        """Whether the log of `server` can be read from here."""
        return bool(self.gtid) or self.server == server


def _number(file: str) -> int:
    """Names are compared by number: binlog.999999 is followed by binlog.1000000."""
    return int(file.rpartition(".")[2])


def stored_position(ledger: Ledger, source: str, table: str) -> Position | None:
    """How far a table was read from the binlog; none: never."""
    ledger.connection.execute(_TABLE)
    found = ledger.connection.execute(
        "SELECT file, offset, gtid, server FROM binlog_positions WHERE source = ? AND table_name = ?", (source, table)
    ).fetchone()
    return None if found is None else Position(*found)


def move_position(ledger: Ledger, source: str, table: str, to: Position) -> None:
    """Everything before `to` is archived from now on."""
    if not ledger.connection.in_transaction:
        raise ArchiveError(
            f"binlog position of `{table}`",
            expected="the transaction that enters the archived files",
            found="none",
            remedy="Call it inside `ledger.transaction()`.",
        )
    ledger.connection.execute(_TABLE)
    ledger.connection.execute(
        "INSERT OR REPLACE INTO binlog_positions VALUES (?, ?, ?, ?, ?, ?)",
        (source, table, to.server, to.file, to.offset, to.gtid),
    )
