"""The raw archive as cleaning reads it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.schema import MAPPABLE_TABLES
from pipeline.sources.archive import RAW, read_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from pipeline.sources.ledger import Ledger, Partition
    from pipeline.workspace import Workspace

Day = dt.date


@dataclass(frozen=True)
class RawArchive:
    """The raw partitions that the ledger knows."""

    workspace: Workspace
    known: Mapping[str, Mapping[Day, Partition]]

    @classmethod
    def of(cls, workspace: Workspace, ledger: Ledger) -> RawArchive:
        """Promotions, refunds and events may be missing: a shop need not have them."""
        return cls(workspace, {name: ledger.partitions(RAW, name) for name in MAPPABLE_TABLES})

    def read(self, name: str, days: Iterable[Day], columns: list[str] | None = None) -> dict[Day, pa.Table]:
        """The rows of each day; damaged files are an ArchiveError."""
        known = self.known[name]
        return {day: read_partition(self.workspace, RAW, name, day, known[day], columns) for day in days}
