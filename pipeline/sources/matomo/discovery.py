"""Matomos in a database of which nothing is known, and the first mapping of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
import yaml

from pipeline.sources.matomo.catalogue import NEEDED, Catalogue, catalogue_of
from pipeline.sources.matomo.codes import CONTENT_NAME, unescaped
from pipeline.sources.matomo.mapping import Dimensions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.sources.introspect import SeenTable

_TELLING = ("site", "log_visit", "log_link_visit_action")
_SLOTS = 20
"""Content names that are shown."""


def installations(names: Iterable[str]) -> list[str]:
    """The prefixes of the Matomos among these tables; "" is one.

    >>> installations(["orders", "wp_matomo_site", "wp_matomo_log_visit", "wp_matomo_log_link_visit_action"])
    ['wp_matomo_']
    """
    known = set(names)
    ends = [name.removesuffix("log_visit") for name in known if name.endswith("log_visit")]
    return sorted(prefix for prefix in ends if all(prefix + name in known for name in _TELLING))


def without_matomo(seen: Mapping[str, SeenTable]) -> dict[str, SeenTable]:
    """The tables that are none of Matomo's: a shop may share its database with one."""
    own = {prefix + name for prefix in installations(seen) for name in (*NEEDED, "goal", "option", "custom_dimensions")}
    return {name: table for name, table in seen.items() if name not in own}


def first_matomo_mapping(connection: sa.Connection, seen: Mapping[str, SeenTable], decide: str) -> str:
    """The text of a first `matomo.yaml`: prefix, sites, and what slots and dimensions there are.

    decide: the word that marks what waits for a person
    """
    found = installations(seen)
    prefix = found[0]
    catalogue = catalogue_of(seen, prefix)
    sites = _sites(connection, catalogue)
    chosen = [site for site, (_, sells) in sites.items() if sells] or list(sites)
    others = f"   # {decide}: there are also {', '.join(found[1:])}" if found[1:] else ""
    lines = [
        "# A first mapping of Matomo, written by `vitrine source init`; every key: config/sources/matomo.yaml.",
        f"# Lines with {decide} wait for you. Then: VITRINE_MATOMO_SOURCE names this file, and `vitrine source check`.",
        "name: matomo            # the watermark is kept under this name",
        f"prefix: {_flow(prefix)}{others}",
        f"sites: {chosen}   # {decide}: which of these are the shop's?",
        *(f"#   {site}: {name}{'' if sells else ' (ecommerce off)'}" for site, (name, sells) in sites.items()),
        f"orders: shop            # {decide}: or matomo_where_missing, when the shop's database lacks some",
        "anonymous_visitors: false",
        f"slots: []   # {decide}: which of these? none named: all. There are {_slots(connection, catalogue)}",
        *_dimensions(connection, catalogue, decide),
    ]
    return "\n".join(lines) + "\n"


def _sites(connection: sa.Connection, catalogue: Catalogue) -> dict[int, tuple[str, bool]]:
    query = sa.select(*catalogue.select("site", ("idsite", "name", "timezone", "ecommerce")))
    rows = connection.execute(query.order_by(sa.text("1")))
    return {
        row.idsite: (f"{unescaped(row.name)}, {row.timezone}".replace("\n", " "), row.ecommerce == 1) for row in rows
    }


def _slots(connection: sa.Connection, catalogue: Catalogue) -> str:
    table = catalogue.table("log_action")
    query = sa.select(table.c.name).where(table.c.type == CONTENT_NAME).order_by(table.c.idaction).limit(_SLOTS)
    return ", ".join(_flow(name) for name in connection.execute(query).scalars()) or "none"


def _dimensions(connection: sa.Connection, catalogue: Catalogue, decide: str) -> list[str]:
    names: list[str] = []
    if "custom_dimensions" in catalogue.tables:
        table = catalogue.table("custom_dimensions")
        query = sa.select(table.c.name).where(table.c.scope == "action", table.c.active == 1).distinct()
        names = sorted(connection.execute(query).scalars())
    there = ", ".join(map(_flow, names)) or "none"
    lines = ["dimensions:"]
    for key, name in Dimensions().model_dump().items():
        remark = "" if name in names else f"   # {decide}: no action-scope dimension is called so; there are {there}"
        lines.append(f"  {key}: {_flow(name)}{remark}")
    return lines


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
