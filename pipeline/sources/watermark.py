"""How far each table was extracted. A watermark moves only in the transaction that enters the archived files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger


def watermark(ledger: Ledger, source: str, table: str) -> dt.datetime | None:
    """Everything before this moment (exclusive) is archived; none: nothing is.

    Raises:
        ArchiveError: the table in this work folder came from another source.
    """
    found = dict(
        ledger.connection.execute("SELECT source, extracted_through FROM watermarks WHERE table_name = ?", (table,))
    )
    if others := sorted(set(found) - {source}):
        raise ArchiveError(
            f"archive, table `{table}`",
            expected=f"rows of source `{source}`",
            found=f"rows of `{others[0]}`",
            remedy="One work folder holds one shop: set `work_dir` to another folder.",
        )
    return dt.datetime.fromisoformat(found[source]) if found else None


def archived_through(ledger: Ledger, table: str) -> dt.datetime | None:
    """The watermark of a table, whichever source it came from; none: never extracted."""
    found = ledger.connection.execute("SELECT max(extracted_through) FROM watermarks WHERE table_name = ?", (table,))
    (moment,) = found.fetchone()
    return None if moment is None else dt.datetime.fromisoformat(moment)


def move_watermark(ledger: Ledger, source: str, table: str, through: dt.datetime) -> None:
    """Everything before `through` is archived from now on."""
    if not ledger.connection.in_transaction:
        raise ArchiveError(
            f"watermark of `{table}`",
            expected="the transaction that enters the archived files",
            found="none",
            remedy="Call it inside `ledger.transaction()`.",
        )
    ledger.connection.execute(
        "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", (source, table, through.isoformat())
    )
