"""The values of a source become rows of a canonical table: types, zones, what codes mean, what was deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import Column
from pipeline.sources.canonical import ARROW_TYPES, arrow_schema, canonical_column
from pipeline.sources.selection import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from feature_store.schema import Table
    from pipeline.sources.mapping import SourceMapping

_CODE = Column("text")
_NOT_DELETED = ["", "0", "0.0", "false", "f", "no", "n"]
"""What a flag says, in lower case, of a row that is still there; so does nothing at all, and MySQL's zero date."""


@dataclass(frozen=True)
class Canonical:
    """The way from a source's values to canonical ones."""

    mapping: SourceMapping
    utc_columns: frozenset[tuple[str, str]] = frozenset()
    """Source columns (table, column) whose naive times are UTC whatever the mapping says."""

    def zone(self, table: Table, name: str) -> str:
        """The zone of a canonical column's naive times."""
        mapping = self.mapping.tables[table.name]
        reference = mapping.reference(name)
        is_utc = reference is not None and mapping.origin(reference) in self.utc_columns
        return "UTC" if is_utc else self.mapping.zone(table.name, name)

    def column(self, table: Table, name: str, values: Sequence[Any] | pa.Array) -> pa.Array:
        """The values of one column, codes translated, in its canonical type.

        Raises:
            SourceError: a value that is no such thing; names source, table and column.
        """
        where = f"source `{self.mapping.name}`, table `{table.name}`, column `{name}`"
        meanings = self.mapping.tables[table.name].values(name)
        if meanings:  # codes are words, whatever their meanings are
            values = _translated(canonical_column(values, _CODE, "UTC", where), meanings)
        return canonical_column(values, table.columns[name], self.zone(table, name), where)

    def table(self, table: Table, columns: Mapping[str, Sequence[Any] | pa.Array]) -> pa.Table:
        """Rows of the canonical schema; a deleted one keeps its key and counts for nothing (`Table.gone`)."""
        arrays = {name: self.column(table, name, columns[name]) for name in table.columns}
        if DELETED in columns and table.gone is not None:
            name, value = table.gone
            gone = pa.scalar(value, ARROW_TYPES[table.columns[name].type])
            arrays[name] = pc.if_else(_is_deleted(columns[DELETED]), gone, arrays[name])
        return pa.table(arrays, schema=arrow_schema(table))


def _translated(array: pa.Array, meanings: Mapping[str, str]) -> pa.Array:
    position = pc.index_in(array, pa.array(list(meanings), pa.string()))
    meaning = pc.take(pa.array(list(meanings.values()), pa.string()), position)
    return pc.coalesce(meaning, array)


def _is_deleted(values: Sequence[Any] | pa.Array) -> pa.Array:
    given = values.to_pylist() if isinstance(values, pa.Array) else values
    return pa.array([_says_deleted(value) for value in given], pa.bool_())


def _says_deleted(value: Any) -> bool:  # noqa: ANN401 -- a time, a flag or MySQL's BIT, as the driver gives it
    if value is None or isinstance(value, bytes):
        return any(value or b"")
    text = str(value).lower()
    return text not in _NOT_DELETED and not text.startswith("0000-00-00")
