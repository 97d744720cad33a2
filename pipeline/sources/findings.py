"""What `vitrine source check` finds: column by column, what a mapping names, what is there, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_store.schema import MAPPABLE_TABLES, Column, Table
from pipeline.errors import SourceError
from pipeline.sources.introspect import SAMPLE_ROWS
from pipeline.sources.mapped import Canonical
from pipeline.sources.mapping import Constant, Expression, SourceMapping, TableMapping, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.sources.introspect import SeenColumn, SeenTable

Values = dict[str, list[Any]]
_SHOWN_CODES = 8
_KNOWN_STATUSES = frozenset({"completed", "cancelled", "canceled"})


@dataclass(frozen=True)
class Finding:
    """One canonical column: where it comes from, what was seen there, and what a person should know."""

    table: str
    column: str
    source: str
    found: bool
    type: str = ""
    sample: str = ""
    null_share: float | None = None
    """Of the rows looked at; none: there were none."""
    hint: str = ""
    is_problem: bool = False
    """A run would stop, or read rows wrongly."""


def findings(
    mapping: SourceMapping, seen: Mapping[str, SeenTable], sample: Callable[[str, list[str]], Values]
) -> list[Finding]:
    """Every column of every mapped table; `sample` gives first values of canonical columns as the source has them."""
    return [finding for name in mapping.tables for finding in _Table(mapping, name, seen, sample).findings()]


@dataclass(frozen=True)
class _Table:
    shop: SourceMapping
    name: str
    seen: Mapping[str, SeenTable]
    sample: Callable[[str, list[str]], Values]

    @property
    def mapping(self) -> TableMapping:
        return self.shop.tables[self.name]

    @property
    def canonical(self) -> Table:
        return MAPPABLE_TABLES[self.name]

    def findings(self) -> list[Finding]:
        tables = {self.mapping.table, *(join.table for join in self.mapping.joins.values())}
        if absent := sorted(tables - set(self.seen)):
            hint = f"there is no `{absent[0]}`{nearest(absent[0], self.seen)}; there are {', '.join(sorted(self.seen))}"
            return [Finding(self.name, "", absent[0], found=False, hint=hint, is_problem=True)]
        missing = [self._missing(name, *pair) for name, pair in self._named().items() if not self._is_there(*pair)]
        there = [name for name in self.mapping.columns if name not in {finding.column for finding in missing}]
        values, refused = self._values(there)
        found = [self._found(name, values[name]) for name in there if name in values]
        return missing + refused + self._keys(found, values)

    def _named(self) -> dict[str, tuple[str, str]]:
        """Whatever names a source column -> (table, column)."""
        named = {name: self.mapping.reference(name) for name in self.mapping.columns}
        found = {name: self.mapping.origin(reference) for name, reference in named.items() if reference is not None}
        for alias, join in self.mapping.joins.items():
            for near, far in join.by.items():
                found[f"joins.{alias}.by.{near}"] = self.mapping.origin(near)
                found[f"joins.{alias}.by.{near}: {far}"] = (join.table, far)
        return found | ({"deleted": self.mapping.origin(self.mapping.deleted)} if self.mapping.deleted else {})

    def _is_there(self, table: str, column: str) -> bool:
        return column in self.seen[table].columns

    def _missing(self, name: str, table: str, column: str) -> Finding:
        there = self.seen[table].columns
        hint = f"`{table}` has no `{column}`{nearest(column, there)}; it has {', '.join(there)}"
        return Finding(self.name, name, column, found=False, hint=hint, is_problem=True)

    def _values(self, names: list[str]) -> tuple[Values, list[Finding]]:
        """All columns in one query; one by one when the source refuses, to find the one that it dislikes."""
        try:
            return self.sample(self.name, names), []
        except SourceError:
            values: Values = {}
            refused = []
            for name in names:
                try:
                    values |= self.sample(self.name, [name])
                except SourceError as error:
                    refused.append(
                        Finding(self.name, name, self._source(name), found=False, hint=error.found, is_problem=True)
                    )
            return values, refused

    def _found(self, name: str, values: list[Any]) -> Finding:
        nulls = sum(value is None for value in values) / len(values) if values else None
        first = next((value for value in values if value is not None), None)
        column = self._column(name)
        kind = column.type if column else "constant" if name in self.mapping.constants() else "expression"
        problem = self._problem(name, values, nulls)
        hint = problem or self._hint(name, column, values)
        return Finding(
            self.name,
            name,
            self._source(name),
            found=True,
            type=kind,
            sample="" if first is None else str(first),
            null_share=nulls,
            hint=hint,
            is_problem=bool(problem),
        )

    def _column(self, name: str) -> SeenColumn | None:
        reference = self.mapping.reference(name)
        if reference is None:
            return None
        table, column = self.mapping.origin(reference)
        return self.seen[table].columns[column]

    def _source(self, name: str) -> str:
        source = self.mapping.columns.get(name)
        if isinstance(source, Constant):
            return repr(source.constant)
        if isinstance(source, Expression):
            return source.expression
        return self.mapping.reference(name) or ""

    def _problem(self, name: str, values: list[Any], nulls: float | None) -> str:
        try:
            Canonical(self.shop).column(self.canonical, name, values)
        except SourceError as error:
            return f"no {self.canonical.columns[name].type}: {error.found}; map another column, or cast it"
        if nulls == 1:
            return "" if self._may_be_null(name) else "every row is null; map another column, or a constant"
        return ""

    def _may_be_null(self, name: str) -> bool:
        column: Column = self.canonical.columns[name]
        return column.nullable

    def _hint(self, name: str, column: SeenColumn | None, values: list[Any]) -> str:
        where = f"{self.mapping.table}.{self._source(name)}"
        if self.canonical.columns[name].type == "time" and column and column.naive and not self._says_zone(name):
            return f"{where} is {column.type} without zone: set `timezone`"
        if any(value is None for value in values) and not self._may_be_null(name):
            return "rows where it is null break the contract of the table, or are never found"
        if name == self.canonical.cursor and column and not self._is_indexed(name):
            return f"{where} has no index: every run reads the whole table"
        return self._codes(name, values)

    def _says_zone(self, name: str) -> bool:
        source = self.mapping.columns[name]
        own = getattr(source, "timezone", None)
        return bool(own or self.mapping.timezone or "timezone" in self.shop.model_fields_set)

    def _is_indexed(self, name: str) -> bool:
        table, column = self.mapping.origin(self.mapping.reference(name) or "")
        indexed = self.seen[table].indexed
        return indexed is None or column in indexed

    def _codes(self, name: str, values: list[Any]) -> str:
        """Statuses that nobody has said the meaning of."""
        if (self.name, name) != ("orders", "status"):
            return ""
        codes = {str(value) for value in values if value is not None} - set(self.mapping.values(name))
        if unknown := sorted(code for code in codes if code.lower() not in _KNOWN_STATUSES):
            shown = ", ".join(unknown[:_SHOWN_CODES]) + (" …" if len(unknown) > _SHOWN_CODES else "")
            return f"counts as bought: {shown}; say in `values` which mean cancelled"
        return ""

    def _keys(self, found: list[Finding], values: Values) -> list[Finding]:
        """Two rows of one key: one of them would be lost."""
        key = self.canonical.key
        if any(finding.is_problem for finding in found) or any(name not in values for name in key):
            return found
        rows = list(zip(*(values[name] for name in key), strict=True))
        if len(set(rows)) == len(rows):
            return found
        hint = f"not the key of a row: {len(rows) - len(set(rows))} of {len(rows)} rows repeat one"
        hint += " (a look-up table with several rows for one key?)" if self.mapping.joins else ""
        at = next(position for position, finding in enumerate(found) if finding.column == key[-1])
        told = Finding(**{**vars(found[at]), "hint": hint, "is_problem": True})
        return [*found[:at], told, *found[at + 1 :]]


def looked_at() -> str:
    """How far samples reach, for people."""
    return f"Samples and shares are of the first {SAMPLE_ROWS:,} rows of each table."
