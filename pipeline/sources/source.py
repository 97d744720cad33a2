"""What extraction and reconciliation ask of a source, whether a database, files or a folder of an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from pipeline.sources.mapping import SourceMapping

Shape = dict[str, str]
"""Column of a source table (`table.column`) -> the kind of values it holds."""


class Source(Protocol):
    """An open source in canonical tables. Every method raises a SourceError that names what is wrong."""

    @property
    def mapping(self) -> SourceMapping: ...

    def shape(self, name: str) -> Shape:
        """Every column of the source tables behind a canonical one; raises when one that the mapping names is gone."""

    def bounds(self, name: str) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last cursor; none when there are no rows."""

    def has_rows(self, name: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether any row's cursor lies in the half-open window."""

    def read(self, name: str, start: dt.datetime, end: dt.datetime) -> Iterator[pa.Table]:
        """The rows of the half-open window in batches of the canonical schema, ordered from batch to batch."""

    def scan(self, name: str) -> Iterator[pa.Table]:
        """Every row whatever its cursor, in any order, in batches of the canonical schema."""

    def scan_keys(self, name: str) -> Iterator[pa.Table]:
        """Key and cursor of every row, in any order."""

    def unreadable(self, name: str) -> int:
        """Rows whose cursor is null or no time: no window ever holds them."""
