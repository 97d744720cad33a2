"""Where stored features are computed: DuckDB in this process, or Spark when the data outgrows one machine.

An engine reads Parquet, computes Ibis expressions and hands over Arrow; everything else about the archive and the
features is written once, above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

EngineName = Literal["duckdb", "spark"]


class Engine(Protocol):
    """What the archive asks of an engine. Times are UTC, whatever the machine's zone."""

    @property
    def spill(self) -> Path | None:
        """The folder for what does not fit into memory; None: one of the system's."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What it raises when a file cannot be read."""

    def rows(self, name: str, files: Sequence[str], moment: str) -> ir.Table:
        """The rows of Parquet files of one table, with `filename`, and `seconds`: `moment` since 1970 UTC, floored."""

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        """The rows computed now, once, and kept under a name until the engine is closed."""

    def coded(self, name: str, rows: ir.Table, texts: Mapping[str, ir.Table], *, kept: bool) -> ir.Table:
        """The same rows, in which an engine may hold codes instead of texts, for that takes less room and time.

        texts: column of `rows` -> every `text` that it holds
        kept: computed now, once; if not, an engine may as well compute them again each time it is asked
        """

    def hashed(self, texts: ir.Column) -> ir.Column:
        """64 bits of each text, nearly always others for another text."""

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        """A small table, kept under a name until the engine is closed."""

    def write(self, rows: ir.Table, folder: Path) -> None:
        """The rows, computed, as Parquet files of a new folder."""

    def files(self, name: str, *folders: Path) -> ir.Table:
        """What `write` wrote into some folders."""

    def to_arrow(self, rows: ir.Table) -> pa.Table:
        """The rows, computed, in the types that the expression announces."""

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        """The same a part at a time, never all of them in memory."""

    def close(self) -> None:
        """Give back memory, and for Spark end the session."""
