"""Days of the raw archive made true: rows that the source has no more are taken out and told, others are laid on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.sources.archive import RAW, read_partition
from pipeline.sources.canonical import arrow_schema, no_rows
from pipeline.sources.intake import ids_of
from pipeline.sources.merge import merge, without_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from feature_store.schema import Table
    from pipeline.sources.intake import Intake

Day = dt.date


@dataclass(frozen=True)
class Repairs:
    """read: days that lack rows of the source. remove: by day, the keys whose archived row is no more true.
    gone: how many keys the source has no more.
    """

    read: frozenset[Day] = frozenset()
    remove: dict[Day, pa.Table] = field(default_factory=dict)
    gone: int = 0


@dataclass
class Repaired:
    """What repairing did, counted while it goes on."""

    inserted: int = 0
    updated: int = 0
    buried: list[dict[str, str]] = field(default_factory=list)
    """What the rows named that were taken out."""


def repaired_days(
    intake: Intake, table: Table, repairs: Repairs, rows_of: Callable[[Day], pa.Table], result: Repaired
) -> Iterator[tuple[Day, pa.Table]]:
    """Each day that changes, without rows that are no more true and with those of `rows_of`."""
    known, empty = intake.ledger.partitions(RAW, table.name), no_rows(arrow_schema(table))
    for day in sorted(repairs.read | repairs.remove.keys()):
        held = read_partition(intake.settings.workspace, RAW, table.name, day, known[day]) if day in known else empty
        kept = without_keys(held, repairs.remove[day], table) if day in repairs.remove else held
        result.buried += ids_of(without_keys(held, kept, table)) if len(kept) < len(held) else []
        if day in repairs.read:
            merged = merge(kept, rows_of(day), table)
            result.inserted, result.updated = result.inserted + merged.inserted, result.updated + merged.updated
            kept = merged.rows
        if day not in known or not kept.equals(held):
            yield day, kept
