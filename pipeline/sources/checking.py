"""A shop looked at through its mapping, or without one: what `vitrine source` asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from feature_store.schema import SOURCE_TABLES
from pipeline.demo.shop import ensure_demo_shop
from pipeline.errors import SourceError
from pipeline.sources.connection import connection, database_errors, source_url
from pipeline.sources.file_source import open_files
from pipeline.sources.findings import Finding, findings
from pipeline.sources.introspect import first_rows, look
from pipeline.sources.mapping import load_mapping
from pipeline.sources.mapping_text import mapping_text
from pipeline.sources.propose import propose
from pipeline.sources.selection import source_column

if TYPE_CHECKING:
    from pipeline.settings import Settings

_CODES = 50
"""A column with more different values is no status."""


def check_source(settings: Settings) -> list[Finding]:
    """Every mapped column of the shop that the settings name.

    Raises:
        SettingsError: the mapping itself is wrong.
        SourceError: the shop cannot be reached.
    """
    mapping = load_mapping(settings)
    if mapping.files is not None:
        with open_files(mapping) as files:
            return findings(mapping, files.look(), files.sample)
    ensure_demo_shop(settings)
    with connection(source_url(settings)) as opened:

        def sample(name: str, columns: list[str]) -> dict[str, list[Any]]:
            mapped = mapping.tables[name]
            return first_rows(opened, mapped, {column: source_column(mapped, column) for column in columns})

        return findings(mapping, look(opened), sample)


def first_mapping(settings: Settings) -> str:
    """The text of a first mapping of the database that the settings name.

    Raises:
        SourceError: it cannot be reached, or nothing in it looks like a shop.
    """
    url = source_url(settings)
    with connection(url) as opened:
        seen = look(opened)

        def distinct(table: str, column: str) -> list[object]:
            values_of: sa.ColumnElement[Any] = sa.column(column)
            query = sa.select(values_of).select_from(sa.table(table)).distinct().limit(_CODES + 1)
            with database_errors(url):
                values = list(opened.execute(query).scalars())
            return values if len(values) <= _CODES else []

        proposals = propose(seen, distinct)
    if not proposals:
        raise SourceError(
            f"database {url.render_as_string(hide_password=True)}",
            expected=f"tables that look like {', '.join(SOURCE_TABLES)}",
            found=f"the tables {', '.join(sorted(seen))}" if seen else "no tables",
            remedy="Check the URL and the grants, or write the mapping by hand like config/sources/demo.yaml.",
        )
    return mapping_text(_shop_name(url), proposals, seen)


def _shop_name(url: sa.URL) -> str:
    return Path(url.database or "shop").stem
