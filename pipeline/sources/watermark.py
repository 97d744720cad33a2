"""How far each table was extracted. A watermark moves only in the transaction that enters the archived files.

A table of several sites has a watermark for each, so that one that joins later begins at its own beginning.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from feature_store.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.sources.ledger import Ledger

_ALL = ""
"""The site of tables that have none, and of what the first ledgers say of every site."""


def watermark(ledger: Ledger, source: str, table: str) -> dt.datetime | None:
    """Everything before this moment (exclusive) is archived, of every site known here; none: nothing is.

    Raises:
        ArchiveError: the table in this work folder came from another source.
    """
    return min(_of_sites(ledger, source, table).values(), default=None)


def site_watermarks(ledger: Ledger, source: str, table: str, sites: Collection[int]) -> dict[int, dt.datetime]:
    """The watermark of each of these sites; without those of which nothing is archived.

    Raises:
        ArchiveError: the table in this work folder came from another source.
    """
    known = _of_sites(ledger, source, table)
    found = {site: known.get(str(site), known.get(_ALL)) for site in sites}
    return {site: moment for site, moment in found.items() if moment is not None}


def archived_through(ledger: Ledger, table: str) -> dt.datetime | None:
    """The watermark of a table, whichever source it came from; none: never extracted."""
    found = ledger.connection.execute("SELECT max(extracted_through) FROM watermarks WHERE table_name = ?", (table,))
    (moment,) = found.fetchone()
    return None if moment is None else dt.datetime.fromisoformat(moment)


def move_watermark(
    ledger: Ledger, source: str, table: str, through: dt.datetime, sites: Collection[int] | None = None
) -> None:
    """Everything before `through` is archived from now on: of a table without sites, or of exactly these sites."""
    if not ledger.connection.in_transaction:
        raise ArchiveError(
            f"watermark of `{table}`",
            expected="the transaction that enters the archived files",
            found="none",
            remedy="Call it inside `ledger.transaction()`.",
        )
    ledger.connection.execute("DELETE FROM watermarks WHERE source = ? AND table_name = ?", (source, table))
    ledger.connection.executemany(
        "INSERT INTO watermarks VALUES (?, ?, ?, ?)",
        [(source, table, site, through.isoformat()) for site in ([_ALL] if sites is None else map(str, sites))],
    )


def _of_sites(ledger: Ledger, source: str, table: str) -> dict[str, dt.datetime]:
    query = "SELECT source, site, extracted_through FROM watermarks WHERE table_name = ?"
    found = ledger.connection.execute(query, (table,)).fetchall()
    if others := sorted({name for name, _, _ in found} - {source}):
        raise ArchiveError(
            f"archive, table `{table}`",
            expected=f"rows of source `{source}`",
            found=f"rows of `{others[0]}`",
            remedy="One work folder holds one shop: set `work_dir` to another folder.",
        )
    return {site: dt.datetime.fromisoformat(moment) for _, site, moment in found}
