"""Rows that are neither clean nor thrown away: one file per table and day that has some, with the reason of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import atomic_file
from pipeline.cleaning.cleaner import split_days

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from feature_store.schema import Table
    from pipeline.sources.ledger import Partition
    from pipeline.workspace import Workspace

COUNT = "quarantined"
"""What the ledger calls the number of a partition's rows that lie here."""


def write_quarantine(workspace: Workspace, table: Table, waiting: pd.DataFrame, days: list[dt.date]) -> None:
    """Put each day's waiting rows in place; a day that has none any more loses its file."""
    waiting = waiting.sort_values("partition_day", kind="stable")
    offset = 0
    for day, rows in split_days(table, waiting, days):
        target = quarantine_file(workspace, table.name, day)
        if len(rows):
            reasons = pa.array(waiting["reason"].iloc[offset : offset + len(rows)], pa.string())
            with atomic_file(target) as aside:
                pq.write_table(rows.append_column("reason", reasons), aside, compression="zstd")
        else:
            target.unlink(missing_ok=True)
        offset += len(rows)


def lost_days(workspace: Workspace, name: str, known: Mapping[dt.date, Partition]) -> set[dt.date]:
    """Days whose rows should lie in quarantine and do not."""
    waiting = [day for day, partition in known.items() if partition.counts.get(COUNT)]
    return {day for day in waiting if not quarantine_file(workspace, name, day).is_file()}


def quarantine_file(workspace: Workspace, name: str, day: dt.date) -> Path:
    return workspace.partition(workspace.quarantine, name, day)
