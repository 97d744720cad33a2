"""Matomo looked at through its mapping: version, sites, each table's columns, and what the tracker should send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.connection import connection, database_errors
from pipeline.sources.findings import Finding
from pipeline.sources.introspect import look
from pipeline.sources.matomo import actions, baskets, visits
from pipeline.sources.matomo.catalogue import NEEDED, Catalogue, catalogue_of, core_version, dimension_columns
from pipeline.sources.matomo.codes import unescaped, visitor
from pipeline.sources.matomo.discovery import installations
from pipeline.sources.matomo.reader import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.settings import Extract
    from pipeline.sources.introspect import SeenTable
    from pipeline.sources.matomo.mapping import MatomoMapping

MATOMO = "Matomo"
NEWEST_ROWS = 1_000
"""Of each site and table: what samples and shares are taken of."""
_HASH = re.compile(r"[0-9a-f]{40}")
_USED = {
    "site": ("idsite", "name", "timezone", "currency", "ecommerce"),
    "option": ("option_name", "option_value"),
    "goal": ("idsite", "idgoal", "name"),
    "custom_dimensions": ("idsite", "name", "index", "scope", "active"),
    "log_action": ("idaction", "name", "type"),
    "log_visit": tuple(visits.COLUMNS),
    "log_link_visit_action": tuple(actions.COLUMNS),
    "log_conversion": tuple(baskets.COLUMNS),
    "log_conversion_item": tuple(baskets.LINE_COLUMNS),
}
"""Columns that the extractor asks for, where they are."""
_WITHOUT = {
    "option": "the version is not told; nothing else needs it",
    "goal": "goals have numbers and no names",
    "custom_dimensions": "no position in a slot, and a request id only from the content's target",
}
_TIMES = {**{name: time for name, (time, *_) in ORDER.items()}, "log_conversion_item": "server_time"}


def check_matomo(url: sa.URL, mapping: MatomoMapping, extract: Extract) -> list[Finding]:
    """What there is of an installation, what is missing, and what a person should know about it.

    Raises:
        SourceError: the database cannot be reached, or refuses.
    """
    with connection(url, extract) as opened, database_errors(url):
        seen = look(opened)
        found = installations(seen)
        if mapping.prefix not in found:
            there = (
                f"there are tables of {', '.join(f'`{each}`' for each in found)}" if found else "no table is Matomo's"
            )
            hint = f"no `{mapping.prefix}site` and `{mapping.prefix}log_visit`; {there}: set `prefix`, or grant SELECT"
            return [Finding(MATOMO, "prefix", mapping.prefix, found=False, hint=hint, is_problem=True)]
        return list(_Check(opened, mapping, seen, catalogue_of(seen, mapping.prefix)).findings())


@dataclass(frozen=True)
class _Check:
    connection: sa.Connection
    mapping: MatomoMapping
    seen: dict[str, SeenTable]
    catalogue: Catalogue

    def findings(self) -> Iterator[Finding]:
        yield Finding(MATOMO, "prefix", self.mapping.prefix, found=True)
        version = core_version(self.connection, self.catalogue)
        told = "only told: what is read is decided by the columns that there are"
        yield Finding(
            MATOMO, "version", "option.version_core", found=version is not None, sample=version or "", hint=told
        )
        yield from self._sites()
        yield from self._dimensions()
        for name in _USED:
            yield from self._table(name)

    def _sites(self) -> Iterator[Finding]:
        query = sa.select(*self.catalogue.select("site", _USED["site"])).order_by(sa.text("1"))
        rows = {row.idsite: row for row in self.connection.execute(query)}
        for site, row in rows.items():
            shown = ", ".join(str(each) for each in (unescaped(row.name), row.timezone, row.currency) if each)
            hint = "" if site in self.mapping.sites else "not among the mapping's `sites`: not read"
            if not hint and row.ecommerce == 0:
                hint = "ecommerce is off for this site: Matomo's own reports ignore its orders and carts"
            yield Finding(MATOMO, f"site {site}", "site", found=True, sample=shown, hint=hint)
        for site in sorted(set(self.mapping.sites) - set(rows)):
            hint = f"the mapping names it; there are {', '.join(map(str, sorted(rows))) or 'none'}"
            yield Finding(MATOMO, f"site {site}", "site", found=False, hint=hint, is_problem=True)

    def _dimensions(self) -> Iterator[Finding]:
        wanted = self.mapping.dimensions.position, self.mapping.dimensions.request
        columns = dimension_columns(self.connection, self.catalogue, wanted)
        for site in self.mapping.sites:
            for name, column in zip(wanted, columns.get(site, ["", ""]), strict=True):
                hint = "" if column else "no active action-scope custom dimension is called so"
                yield Finding(MATOMO, f"site {site}, dimension {name}", column, found=bool(column), hint=hint)

    def _table(self, name: str) -> Iterator[Finding]:
        table, needed = self.mapping.prefix + name, NEEDED.get(name, ())
        if name not in self.catalogue.tables:
            hint = _WITHOUT.get(name, "every Matomo has it: grant SELECT on it")
            yield Finding(table, "", table, found=False, hint=hint, is_problem=name in NEEDED)
            return
        there = self.seen[table].columns
        for column in needed:
            if column not in there:
                hint = f"every Matomo since 3 has it; there are {', '.join(there)}"
                yield Finding(table, column, column, found=False, hint=hint, is_problem=True)
        if absent := [column for column in _USED[name] if column not in there and column not in needed]:
            lost = [hint for column in absent if (name, column) in _HINTS and (hint := _HINTS[name, column]([]))]
            hint = "; ".join(["of a plugin or another version of Matomo, read as nothing", *lost])
            yield Finding(table, "", ", ".join(absent), found=False, hint=hint)
        if name in _TIMES and {"idsite", _TIMES[name]} <= set(there):
            yield from self._log(name, [column for column in _USED[name] if column in there])
        else:
            for column in _USED[name]:
                if column in there:
                    yield Finding(table, column, column, found=True, type=there[column].type)

    def _log(self, name: str, columns: list[str]) -> Iterator[Finding]:
        """The newest rows of each site, and the columns with what is in them."""
        table, source = self.mapping.prefix + name, self.catalogue.table(name)
        rows: list[sa.Row[Any]] = []
        time = source.c[_TIMES[name]]
        for site in self.mapping.sites:
            query = sa.select(*(source.c[column] for column in columns)).where(source.c.idsite == site)
            newest = list(self.connection.execute(query.order_by(time.desc()).limit(NEWEST_ROWS)))
            first = str(getattr(newest[0], time.name)) if newest else ""
            hint = f"samples and shares are of the newest {len(newest):,} rows" if newest else _nothing(name)
            yield Finding(table, f"site {site}, newest", time.name, found=bool(newest), sample=first, hint=hint)
            rows += newest
        for column in columns:
            values = [getattr(row, column) for row in rows]
            known = [value for value in values if value is not None]
            share = 1 - len(known) / len(values) if values else None
            sample = _shown(known[0]) if known else ""
            hint = _HINTS[name, column](known) if values and (name, column) in _HINTS else ""
            kind = self.seen[table].columns[column].type
            yield Finding(table, column, column, found=True, type=kind, sample=sample, null_share=share, hint=hint)


def _shown(value: Any) -> str:  # noqa: ANN401 -- whatever a driver gives
    return visitor(value) if isinstance(value, bytes) else str(value)


_NO_ECOMMERCE = "no ecommerce data: call addEcommerceItem, trackEcommerceCartUpdate, trackEcommerceOrder"


def _nothing(name: str) -> str:
    return _NO_ECOMMERCE if name in {"log_conversion", "log_conversion_item"} else "nothing was ever tracked"


def _goals(values: list[Any]) -> str:
    return "" if {baskets.ORDER, baskets.CART} & set(values) else _NO_ECOMMERCE


def _hashed(values: list[Any]) -> bool:
    return bool(values) and all(_HASH.fullmatch(str(value)) for value in values)


def _users(values: list[Any]) -> str:
    if not values:
        return "nobody is ever logged in: call setUserId with the shop's user id"
    hashed = "look like SHA-1: anonymizeUserId is on, and nobody can be joined with the shop's users"
    return hashed if _hashed(values) else ""


def _orders(values: list[Any]) -> str:
    hashed = "look like SHA-1: anonymizeOrderId is on, and no order can be joined with the shop's"
    return hashed if _hashed(values) else ""


def _missing(hint: str) -> Callable[[list[Any]], str]:
    """0 means that there is nothing, as NULL does."""
    return lambda values: "" if any(values) else hint


_HINTS: dict[tuple[str, str], Callable[[list[Any]], str]] = {
    ("log_visit", "user_id"): _users,
    ("log_conversion", "idgoal"): _goals,
    ("log_conversion", "idorder"): _orders,
    ("log_link_visit_action", "idaction_product_sku"): _missing("no product views: call setEcommerceView"),
    ("log_link_visit_action", "idaction_content_piece"): _missing(
        "no content tracking: no impressions and no clicks of recommendation slots"
    ),
}
