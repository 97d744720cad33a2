"""Rows taken out of partitions that are in the archive already, and out of the ledger's counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.sources.archive import read_partition, write_partitions

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    import pyarrow as pa

    from pipeline.sources.ledger import Ledger
    from pipeline.workspace import Workspace


def archived_tables(ledger: Ledger) -> list[tuple[str, str]]:
    """Layer and name of every table with a partition."""
    query = "SELECT DISTINCT layer, table_name FROM partitions ORDER BY layer, table_name"
    return ledger.connection.execute(query).fetchall()


def take_out(
    layer: str, name: str, keep: Callable[[pa.Table], pa.Table], ledger: Ledger, workspace: Workspace
) -> dict[dt.date, int]:
    """Rewrite the partitions of which `keep` leaves less; how many rows went, by day.

    Raises:
        ArchiveError: a partition is damaged.
    """
    known = ledger.partitions(layer, name)
    read = ((day, read_partition(workspace, layer, name, day, each)) for day, each in known.items())
    left = ((day, held, keep(held)) for day, held in read)
    written = write_partitions(
        workspace, layer, name, ((day, kept) for day, held, kept in left if len(kept) < len(held))
    )
    entries = {
        day: dataclasses.replace(known[day], rows=new.rows, checksum=new.checksum, contract=None)
        for day, new in written.items()
    }
    with ledger.transaction():
        ledger.record_partitions(layer, name, entries)
    return {day: known[day].rows - new.rows for day, new in written.items()}
