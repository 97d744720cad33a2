"""Which of Matomo's columns a database has: plugins add them, versions rename them, so nothing is taken for granted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.errors import SourceError
from pipeline.sources.matomo.codes import unescaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.sources.introspect import SeenTable
    from pipeline.sources.matomo.mapping import MatomoMapping

NEEDED: dict[str, tuple[str, ...]] = {
    "site": ("idsite",),
    "log_action": ("idaction", "name", "type"),
    "log_visit": ("idvisit", "idsite", "idvisitor", "visit_last_action_time"),
    "log_link_visit_action": ("idlink_va", "idsite", "idvisit", "idvisitor", "server_time"),
    "log_conversion": ("idvisit", "idgoal", "buster", "idsite", "idvisitor", "server_time", "idorder", "revenue"),
    "log_conversion_item": ("idvisit", "idorder", "idaction_sku", "server_time", "price", "quantity", "deleted"),
}
"""Columns of Matomo's core in every version since 3; all others are optional."""
OPTIONAL_TABLES = ("custom_dimensions", "goal", "option")


@dataclass(frozen=True)
class Catalogue:
    """The tables of one installation with the columns that they have, by their name without the prefix."""

    tables: dict[str, sa.TableClause]

    def table(self, name: str) -> sa.TableClause:
        return self.tables[name]

    def select(self, table: str, names: Iterable[str]) -> list[sa.ColumnElement[Any]]:
        """The named columns; null in place of those that this installation lacks."""
        source = self.tables[table]
        return [source.c[name] if name in source.c else sa.null().label(name) for name in names]


def catalogue_of(seen: Mapping[str, SeenTable], prefix: str) -> Catalogue:
    """The tables of one installation among those of a database, whatever they lack."""
    names = [name for name in (*NEEDED, *OPTIONAL_TABLES) if prefix + name in seen]
    return Catalogue({name: sa.table(prefix + name, *map(sa.column, seen[prefix + name].columns)) for name in names})


def read_catalogue(connection: sa.Connection, mapping: MatomoMapping) -> Catalogue:
    """Ask the database's own catalogue.

    Raises:
        SourceError: a table or a column that every Matomo has is not there, or a site of the mapping is not.
    """
    inspector = sa.inspect(connection)
    present = set(inspector.get_table_names()) | set(inspector.get_view_names())
    columns = {}
    for name in (*NEEDED, *OPTIONAL_TABLES):
        if mapping.prefix + name in present:
            columns[name] = frozenset(column["name"] for column in inspector.get_columns(mapping.prefix + name))
        elif name in NEEDED:
            raise SourceError(
                "Matomo's database",
                expected=f"a table `{mapping.prefix}{name}`",
                found=f"the tables {', '.join(sorted(present))}" if present else "no tables",
                remedy="Set `prefix` in the mapping to Matomo's tables_prefix, or grant SELECT on the table.",
            )
    for name, needed in NEEDED.items():
        if missing := sorted(set(needed) - columns[name]):
            raise SourceError(
                f"Matomo's table `{mapping.prefix}{name}`",
                expected=f"a column `{missing[0]}`",
                found=f"the columns {', '.join(sorted(columns[name]))}",
                remedy="Is this Matomo 3 or newer? Finish its database update (`./console core:update`).",
            )
    catalogue = Catalogue(
        {name: sa.table(mapping.prefix + name, *map(sa.column, sorted(found))) for name, found in columns.items()}
    )
    _require_sites(connection, catalogue, mapping)
    return catalogue


def _require_sites(connection: sa.Connection, catalogue: Catalogue, mapping: MatomoMapping) -> None:
    known = set(connection.execute(sa.select(*catalogue.select("site", ["idsite"]))).scalars())
    if unknown := sorted(set(mapping.sites) - known):
        raise SourceError(
            f"mapping `{mapping.name}`, sites",
            expected=f"a site {unknown[0]} in Matomo",
            found=f"the sites {', '.join(map(str, sorted(known))) or 'none'}",
            remedy="Mend `sites` in the mapping.",
        )


def core_version(connection: sa.Connection, catalogue: Catalogue) -> str | None:
    """Matomo's version, to be told: what is read is decided by the columns that there are; none: no grant on it."""
    if "option" not in catalogue.tables:
        return None
    table = catalogue.table("option")
    query = sa.select(table.c.option_value).where(table.c.option_name == "version_core")
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def goal_names(connection: sa.Connection, catalogue: Catalogue) -> dict[tuple[int, int], str]:
    """(site, number) -> name of every goal, deleted ones too: their conversions stay."""
    if "goal" not in catalogue.tables:
        return {}
    query = sa.select(*catalogue.select("goal", ("idsite", "idgoal", "name")))
    return {(site, goal): unescaped(name) or "" for site, goal, name in connection.execute(query)}


def dimension_columns(connection: sa.Connection, catalogue: Catalogue, names: Iterable[str]) -> dict[int, list[str]]:
    """Per site, the columns of `log_link_visit_action` that hold the action-scope dimensions called `names`.

    The column is `custom_dimension_{index}`, and the same index means other things on other sites; "" where a site
    has no active dimension of that name.
    """
    if "custom_dimensions" not in catalogue.tables:
        return {}
    wanted = ("idsite", "name", "index")
    table = catalogue.table("custom_dimensions")
    query = sa.select(*catalogue.select("custom_dimensions", wanted))
    found = {
        (site, name): f"custom_dimension_{index}"
        for site, name, index in connection.execute(query.where(table.c.scope == "action", table.c.active == 1))
    }
    sites = {site for site, _ in found}
    columns = {site: [found.get((site, name), "") for name in names] for site in sites}
    present = catalogue.table("log_link_visit_action").c
    return {site: [each if each in present else "" for each in named] for site, named in columns.items()}
