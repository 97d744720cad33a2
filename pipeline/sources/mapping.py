"""`config/sources/*.yaml`: which table and column of a shop's database or files is which canonical one."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 -- pydantic reads it
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from feature_store.schema import MAPPABLE_TABLES, SOURCE_TABLES
from pipeline.configuration import config_folder
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.settings import Settings

COLUMN_FORMS = "a column's name, {column: …}, {expression: …} or {constant: …}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Read(_Part):
    """What may be said of a column beyond where it comes from."""

    values: dict[str, str] = {}
    """What the shop writes -> what it means here; values that are not listed stay as they are."""
    timezone: str | None = None
    """Of this column, when it differs from its table's."""

    @field_validator("values", mode="before")
    @classmethod
    def _codes_are_text(cls, values: dict[Any, Any]) -> dict[str, str]:
        """YAML reads a code such as 3 as a number."""
        return {str(code): str(meaning) for code, meaning in values.items()}

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        return zone if zone is None else existing_zone(zone)


class Constant(_Part):
    """The same value in every row."""

    constant: str | int | float | dt.datetime | dt.date


class NamedColumn(_Read):
    """A column and how to read it."""

    column: str


class Expression(_Read):
    """SQL of the source (DuckDB's for files) over the columns of the table and of its joins."""

    expression: str


ColumnSource = str | Constant | NamedColumn | Expression


class Join(_Part):
    """A look-up table; a row that has no match there keeps its other columns."""

    table: str
    by: dict[str, str]
    """Column of the table (or `join.column` of another join) -> column of the look-up table."""


class TableMapping(_Part):
    """The source table of a canonical table, and where each canonical column comes from."""

    table: str
    timezone: str | None = None
    """Of this table's columns without a zone; none: the source's."""
    joins: dict[str, Join] = {}
    """Look-up tables under the names by which columns call theirs: `name.column`."""
    deleted: str | None = None
    """A column that says that the row was taken away: a time, or a flag."""
    lag_minutes: int | None = Field(None, ge=0)
    """How late a transaction may commit rows whose cursor says an earlier time; none: `extract.lag_minutes`."""
    columns: dict[str, ColumnSource]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        return zone if zone is None else existing_zone(zone)

    @model_validator(mode="after")
    def _joins_can_be_made(self) -> Self:
        self.ordered_joins()
        return self

    def ordered_joins(self) -> dict[str, Join]:
        """The joins, each after those that it needs."""
        ordered: dict[str, Join] = {}
        while waiting := {name: join for name, join in self.joins.items() if name not in ordered}:
            needs = {name: {self.split(near)[0] for near in join.by} for name, join in waiting.items()}
            ready = {name: join for name, join in waiting.items() if not needs[name] & set(waiting)}
            if not ready:
                raise ValueError(f"joins that wait for each other: {', '.join(waiting)}")
            ordered |= ready
        return ordered

    def origin(self, reference: str) -> tuple[str, str]:
        """(source table, column) of a reference: `column`, or `join.column`."""
        join, column = self.split(reference)
        return (self.joins[join].table if join else self.table), column

    def split(self, reference: str) -> tuple[str | None, str]:
        """(join, column); the join is none for a column of the table itself."""
        join, _, column = reference.partition(".")
        return (join, column) if column and join in self.joins else (None, reference)

    def reference(self, name: str) -> str | None:
        """The source column behind a canonical one; none for constants, expressions and what is not mapped."""
        source = self.columns.get(name)
        if isinstance(source, NamedColumn):
            return source.column
        return source if isinstance(source, str) else None

    def constants(self) -> set[str]:
        """Canonical columns that are the same in every row."""
        return {name for name, source in self.columns.items() if isinstance(source, Constant)}

    def values(self, name: str) -> dict[str, str]:
        """What the codes of a canonical column mean."""
        source = self.columns.get(name)
        return source.values if isinstance(source, NamedColumn | Expression) else {}

    def references(self) -> list[tuple[str, str]]:
        """Every (source table, column) that is named as such; expressions are checked by the database itself."""
        named = [reference for name in self.columns if (reference := self.reference(name)) is not None]
        found = [self.origin(reference) for reference in named]
        for join in self.joins.values():
            found += [pair for near, far in join.by.items() for pair in (self.origin(near), (join.table, far))]
        return found + ([self.origin(self.deleted)] if self.deleted else [])


class SourceMapping(_Part):
    """One shop in canonical words."""

    name: str
    timezone: str = "UTC"
    """Of columns without a zone."""
    files: str | None = None
    """The folder of a shop that comes as files, or oss://bucket/prefix; none: the database of the settings."""
    mode: Literal["watermark", "binlog"] = "watermark"
    """How changes are found: by the cursor column, or by the events of MySQL's or MariaDB's binlog."""
    tables: dict[str, TableMapping]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        return existing_zone(zone)

    @model_validator(mode="after")
    def _names_are_canonical(self) -> Self:
        _compare("table", given=set(self.tables), known=set(MAPPABLE_TABLES), needed=set(SOURCE_TABLES))
        for name, mapping in self.tables.items():
            table = MAPPABLE_TABLES[name]
            needed = {column for column, definition in table.columns.items() if not definition.nullable}
            _compare(f"column of `{name}`", given=set(mapping.columns), known=set(table.columns), needed=needed)
            if table.cursor in mapping.constants():
                raise ValueError(f"`{name}.{table.cursor}` must tell changed rows from others: a constant cannot")
            if mapping.deleted and table.gone is None:
                raise ValueError(f"`{name}` knows no deleted rows; leave `deleted` out")
        return self

    def zone(self, name: str, column: str) -> str:
        """The zone of a canonical column's naive times."""
        mapping = self.tables[name]
        source = mapping.columns.get(column)
        own = source.timezone if isinstance(source, NamedColumn | Expression) else None
        return own or mapping.timezone or self.timezone


def existing_zone(zone: str) -> str:
    """`zone`, if the world has it; a ValueError otherwise."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no time zone is called {zone}; write one like Europe/Paris") from error
    return zone


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing when no known name is like it."""
    lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean {lower[near[0]]}?" if near else ""


def _compare(what: str, *, given: set[str], known: set[str], needed: set[str]) -> None:
    if unknown := sorted(given - known):
        hint = nearest(unknown[0], known - given) or f"; there are {', '.join(sorted(known))}"
        raise ValueError(f"no canonical {what} is called {', '.join(unknown)}{hint}")
    if missing := sorted(needed - given):
        raise ValueError(f"canonical {what} not mapped: {', '.join(missing)}")


def load_mapping(settings: Settings) -> SourceMapping:
    """The mapping that `settings.source` names, below the config folder or absolute.

    Raises:
        SettingsError: the file cannot be read, or names what is not canonical; says the key.
    """
    return read_mapping(config_folder() / settings.source)


def read_mapping(path: Path) -> SourceMapping:
    """The mapping in one file; a relative folder of files is one beside it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"mapping {path}", expected="a YAML file", found=str(error), remedy="Mend it, or point `source` at another."
        ) from error
    try:
        mapping = SourceMapping.model_validate(content)
    except ValidationError as error:
        raise _refused(path, error) from error
    if mapping.files is None or "://" in mapping.files:
        return mapping
    return mapping.model_copy(update={"files": str(path.resolve().parent / mapping.files)})


def _refused(path: Path, error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    expected, found = "canonical tables and columns (feature_store/schema.py)", first["msg"]
    if "columns" in place:  # a union's errors speak of each of its forms
        place = place[: place.index("columns") + 2]
        expected, found = COLUMN_FORMS, f"{first['input']!r} ({found})"
    elif first["type"] == "extra_forbidden":
        found = f"an unknown key{nearest(place[-1], _keys(place))}"
    return SettingsError(
        f"mapping {path}, {'.'.join(place) or 'the file'}",
        expected=expected,
        found=found.removeprefix("Value error, "),
        remedy="config/sources/demo.yaml is a commented example.",
    )


def _keys(place: list[str]) -> Iterable[str]:
    """The keys that are known where an unknown one was found."""
    part = SourceMapping if len(place) == 1 else Join if "joins" in place else TableMapping
    return part.model_fields
