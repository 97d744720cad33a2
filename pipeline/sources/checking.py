"""A shop looked at through its mapping, or without one: what `vitrine source` asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from feature_store.schema import SOURCE_TABLES
from pipeline.demo.shop import ensure_demo_shop
from pipeline.errors import SourceError
from pipeline.sources.binlog.ability import SERVERS, not_a_server, obstacles
from pipeline.sources.connection import connection, database_errors, source_url
from pipeline.sources.file_source import open_files
from pipeline.sources.findings import Finding, findings
from pipeline.sources.introspect import first_rows, look
from pipeline.sources.mapping import load_mapping
from pipeline.sources.mapping_text import DECIDE, mapping_text
from pipeline.sources.matomo.check import check_matomo
from pipeline.sources.matomo.discovery import first_matomo_mapping, installations, without_matomo
from pipeline.sources.matomo.mapping import load_matomo_mapping
from pipeline.sources.matomo.reader import matomo_url
from pipeline.sources.propose import propose
from pipeline.sources.selection import source_column

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.sources.binlog.ability import Obstacle
    from pipeline.sources.mapping import SourceMapping

_CODES = 50
"""A column with more different values is no status."""


def check_source(settings: Settings) -> list[Finding]:
    """Every mapped column of the shop that the settings name, and its Matomo where there is one.

    Raises:
        SettingsError: a mapping itself is wrong.
        SourceError: the shop or Matomo cannot be reached.
    """
    found, url = _check_shop(settings), matomo_url(settings)
    return found if url is None else found + check_matomo(url, load_matomo_mapping(settings), settings.extract)


def _check_shop(settings: Settings) -> list[Finding]:
    mapping = load_mapping(settings)
    if mapping.files is not None:
        with open_files(mapping) as files:
            return findings(mapping, files.look(), files.sample) + _of_binlog(mapping, [not_a_server("files")])
    ensure_demo_shop(settings)
    with connection(source_url(settings), settings.extract) as opened:

        def sample(name: str, columns: list[str]) -> dict[str, list[Any]]:
            mapped = mapping.tables[name]
            return first_rows(opened, mapped, {column: source_column(mapped, column) for column in columns})

        with database_errors(opened.engine.url):
            reasons = obstacles(opened)
        return findings(mapping, look(opened), sample) + _of_binlog(mapping, reasons)


def _of_binlog(mapping: SourceMapping, reasons: list[Obstacle]) -> list[Finding]:
    """Whether changes can be read from the binlog; of a source that has none only where the mapping wants one.

    Nothing of it is a problem: a run goes on by watermark.
    """
    place = ("changes", "mode", mapping.mode)
    if any(reason.expected == SERVERS for reason in reasons) and mapping.mode != "binlog":
        return []
    if not reasons:
        used = "" if mapping.mode == "binlog" else ": `mode: binlog` in the mapping follows it"
        return [Finding(*place, found=True, type="binlog", hint=f"the binlog can be followed{used}")]
    return [
        Finding(*place, found=False, type="binlog", hint=f"the binlog cannot be followed: {each}") for each in reasons
    ]


def first_mapping(settings: Settings, *, matomo: bool | None = None) -> str:
    """The text of a first mapping of the database that the settings name: of a shop, or of a Matomo.

    matomo: which, where a database holds both; none: the shop, if there is anything like one

    Raises:
        SourceError: it cannot be reached, or nothing in it looks like a shop.
    """
    url = source_url(settings)
    with connection(url, settings.extract) as opened:
        everything = look(opened)
        seen = without_matomo(everything)

        def distinct(table: str, column: str) -> list[object]:
            values_of: sa.ColumnElement[Any] = sa.column(column)
            query = sa.select(values_of).select_from(sa.table(table)).distinct().limit(_CODES + 1)
            with database_errors(url):
                values = list(opened.execute(query).scalars())
            return values if len(values) <= _CODES else []

        proposals = [] if matomo else propose(seen, distinct)
        if not proposals and matomo is not False and installations(everything):
            with database_errors(url):
                return first_matomo_mapping(opened, everything, DECIDE)
    if not proposals:
        raise SourceError(
            f"database {url.render_as_string(hide_password=True)}",
            expected="Matomo's tables" if matomo else f"tables that look like {', '.join(SOURCE_TABLES)}",
            found=f"the tables {', '.join(sorted(everything))}" if everything else "no tables",
            remedy="Check the URL and the grants, or write the mapping by hand like config/sources/demo.yaml.",
        )
    return mapping_text(_shop_name(url), proposals, seen)


def _shop_name(url: sa.URL) -> str:
    return Path(url.database or "shop").stem
