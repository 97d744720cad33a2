"""`config/sources/*.yaml`: which table and column of a shop's database is which canonical one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from feature_store.schema import SOURCE_TABLES
from pipeline.errors import SettingsError
from pipeline.settings import Settings, config_folder

if TYPE_CHECKING:
    from pathlib import Path


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Part):
    """The same value in every row."""

    constant: str | int | float


class Expression(_Part):
    """SQL of the source database over the columns of the table."""

    expression: str


ColumnSource = str | Constant | Expression


class TableMapping(_Part):
    """The source table of a canonical table, and where each canonical column comes from."""

    table: str
    columns: dict[str, ColumnSource]

    def source_columns(self) -> list[str]:
        """The source columns that are named as such; expressions are checked by the database itself."""
        return [source for source in self.columns.values() if isinstance(source, str)]


class SourceMapping(_Part):
    """One shop's database in canonical words."""

    name: str
    timezone: str = "UTC"
    """Of columns without a zone."""
    tables: dict[str, TableMapping]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone is called {zone}; write one like Europe/Paris") from error
        return zone

    @model_validator(mode="after")
    def _names_are_canonical(self) -> Self:
        _compare("table", given=set(self.tables), known=set(SOURCE_TABLES), needed=set(SOURCE_TABLES))
        for name, mapping in self.tables.items():
            columns = SOURCE_TABLES[name].columns
            needed = {column for column, definition in columns.items() if not definition.nullable}
            _compare(f"column of `{name}`", given=set(mapping.columns), known=set(columns), needed=needed)
        return self


def _compare(what: str, *, given: set[str], known: set[str], needed: set[str]) -> None:
    if unknown := sorted(given - known):
        raise ValueError(f"no canonical {what} is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    if missing := sorted(needed - given):
        raise ValueError(f"canonical {what} not mapped: {', '.join(missing)}")


def load_mapping(settings: Settings) -> SourceMapping:
    """The mapping that `settings.source` names, below the config folder or absolute.

    Raises:
        SettingsError: the file cannot be read, or names what is not canonical; says the key.
    """
    return read_mapping(config_folder() / settings.source)


def read_mapping(path: Path) -> SourceMapping:
    """The mapping in one file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"mapping {path}", expected="a YAML file", found=str(error), remedy="Mend it, or point `source` at another."
        ) from error
    try:
        return SourceMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(
            f"mapping {path}, {key}",
            expected="canonical tables and columns (feature_store/schema.py)",
            found=first["msg"].removeprefix("Value error, "),
            remedy="config/sources/demo.yaml is a commented example.",
        ) from error
