"""Matomo's tables as canonical rows: a stretch of time of one site after the other, in pages of bounded size.

Everything is selected by column name and by `idsite` (the time indexes begin with it), pages go by key and never by
offset, and names are looked up in `log_action` page by page. All of a source's reading is one transaction: one moment
of the database where it has snapshots. When the connection dies, `read` goes on at the page where it was, of a later
moment, and `at_once` begins again; `session.reopened` tells that it happened.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa

from feature_store.schema import Table
from pipeline.errors import SourceError
from pipeline.sources.canonical import arrow_schema, canonical_column
from pipeline.sources.connection import database_errors
from pipeline.sources.matomo import actions, baskets, visits
from pipeline.sources.matomo.catalogue import Catalogue, dimension_columns, goal_names, read_catalogue
from pipeline.sources.matomo.codes import visitor
from pipeline.sources.matomo.tables import BASKETS, EVENTS, FACTS, VISITS
from pipeline.sources.paging import Session, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pipeline.settings import Extract, Settings
    from pipeline.sources.matomo.mapping import MatomoMapping

PAGE_ROWS = 5_000
"""Rows of Matomo in memory at a time, with what belongs to them."""
Names = dict[int, tuple[str, int]]
Row = dict[str, Any]
Batch = tuple[Table, pa.Table]
T = TypeVar("T")


@dataclass(frozen=True)
class MatomoSource:
    """A connected Matomo. Windows are half-open, [start, end), in aware UTC times."""

    session: Session
    mapping: MatomoMapping
    catalogue: Catalogue
    dimensions: dict[int, list[str]]
    """Per site, the columns of slot position and request id, "" where there is none."""
    goals: dict[tuple[int, int], str]
    """(site, number) -> the name of a goal."""

    @property
    def connection(self) -> sa.Connection:
        """The one that lives now."""
        return self.session.connection

    def at_once(self, ask: Callable[[], T]) -> T:
        """What `ask` reads, all of it of one moment: from its beginning again when the connection is lost meanwhile.

        Raises:
            SourceError: the database refuses, or stays away for as many attempts as the settings allow.
        """
        return self.session.answer(lambda _connection: ask())

    def read(self, start: dt.datetime, end: dt.datetime, page_rows: int = PAGE_ROWS) -> Iterator[Batch]:
        """What happened in the window: pages of `matomo_visits`, `matomo_events`, `matomo_facts`, `matomo_baskets`."""
        for site in self.mapping.sites:
            yield from self._visits(site, start, end, page_rows)
            yield from self._actions(site, start, end, page_rows)
            yield from self._conversions(site, start, end, page_rows)

    def _visits(self, site: int, start: dt.datetime, end: dt.datetime, page_rows: int) -> Iterator[Batch]:
        for page in self._pages("log_visit", visits.COLUMNS, site, start, end, page_rows):
            yield from _tables(VISITS, [visits.visit_row(row) for row in page])

    def _actions(self, site: int, start: dt.datetime, end: dt.datetime, page_rows: int) -> Iterator[Batch]:
        position, request = self.dimensions.get(site, ["", ""])
        extra = {"rec_position": position, "rec_request": request}
        for page in self._pages("log_link_visit_action", actions.COLUMNS, site, start, end, page_rows, extra=extra):
            told = actions.Actions(self._names(getattr(row, name) for row in page for name in actions.ACTION_IDS))
            whose = list(zip(page, self._whose(page), strict=True))
            yield from _tables(EVENTS, [event | who for row, who in whose for event in told.events(row)])
            yield from _tables(FACTS, [fact | who for row, who in whose for fact in told.facts(row)])

    def _conversions(self, site: int, start: dt.datetime, end: dt.datetime, page_rows: int) -> Iterator[Batch]:
        for page in self._pages("log_conversion", baskets.COLUMNS, site, start, end, page_rows):
            lines = self._lines(page)
            names = self._names(line.idaction_sku for found in lines.values() for line in found)
            whose = list(zip(page, self._whose(page), strict=True))
            filled = [(row, who, lines.get(baskets.line_key(row), [])) for row, who in whose if baskets.is_basket(row)]
            yield from _tables(BASKETS, [baskets.basket_row(row, held) | who for row, who, held in filled])
            events = [each | who for row, who, held in filled for each in baskets.line_events(row, held, names)]
            yield from _tables(EVENTS, events)
            reached = [baskets.goal_row(row, self.goals) | who for row, who in whose if not baskets.is_basket(row)]
            yield from _tables(FACTS, reached)

    def _pages(
        self,
        name: str,
        columns: Iterable[str],
        site: int,
        start: dt.datetime,
        end: dt.datetime,
        page_rows: int,
        extra: dict[str, str] | None = None,
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        """The rows of a window in the order of time and primary key; each page begins behind the last one's end."""
        table = self.catalogue.table(name)
        keys = [table.c[column] for column in ORDER[name]]
        selected = [rounded(column) for column in self.catalogue.select(name, columns)]
        for label, column in (extra or {}).items():
            selected.append(table.c[column].label(label) if column else sa.null().label(label))
        query = sa.select(*selected).where(table.c.idsite == site, keys[0] < written(end)).order_by(*keys)
        page_query = query.where(keys[0] >= written(start))
        while page := self.session.rows(page_query.limit(page_rows)):
            yield page
            if len(page) < page_rows:
                return
            reached = [getattr(page[-1], column) for column in ORDER[name]]
            # The first condition is what an index can use; the second drops what was read of that second already.
            page_query = query.where(keys[0] >= reached[0], sa.tuple_(*keys) > sa.tuple_(*map(sa.literal, reached)))

    def _names(self, ids: Iterable[int | None]) -> Names:
        """What `log_action` calls these ids; ids that were purged are left out."""
        wanted = sorted({each for each in ids if each})
        table = self.catalogue.table("log_action")
        found: Names = {}
        for at in range(0, len(wanted), PAGE_ROWS):
            query = sa.select(table.c.idaction, table.c.name, table.c.type)
            rows = self.session.rows(query.where(table.c.idaction.in_(wanted[at : at + PAGE_ROWS])))
            found |= {row.idaction: (row.name, row.type) for row in rows}
        return found

    def _lines(self, conversions: Sequence[sa.Row[Any]]) -> dict[baskets.LineKey, list[sa.Row[Any]]]:
        """The lines of orders and carts, also those that were dropped."""
        table = self.catalogue.table("log_conversion_item")
        columns = self.catalogue.select("log_conversion_item", baskets.LINE_COLUMNS)
        found: dict[baskets.LineKey, list[sa.Row[Any]]] = {}
        query = sa.select(*columns).where(
            table.c.idvisit.in_(sorted({row.idvisit for row in conversions if baskets.is_basket(row)}))
        )
        for line in self.session.rows(query):
            found.setdefault((line.idvisit, line.idorder), []).append(line)
        return found

    def _whose(self, page: Sequence[sa.Row[Any]]) -> list[Row]:
        """The columns that say whose each row is, where and when."""
        known = visits.visitors(self.session, self.catalogue, {row.idvisit for row in page})
        told = []
        for row in page:
            who = known.get(row.idvisit) or visits.Visitor(visitor(row.idvisitor), None)
            ids = {"visitor_id": who.visitor_id, "visitor_then": visitor(row.idvisitor), "user_id": who.user_id}
            where = {"site": row.idsite, "visit_id": row.idvisit}
            told.append({**where, **ids, "time": row.server_time, "updated_at": row.server_time})
        return told


ORDER = {
    "log_visit": ("visit_last_action_time", "idvisit"),
    "log_link_visit_action": ("server_time", "idlink_va"),
    "log_conversion": ("server_time", "idvisit", "idgoal", "buster"),
}
"""The indexed time of each table (naive UTC, whatever the site's own zone is), then its primary key."""


def rounded(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """`revenue` is FLOAT, of which MySQL prints six digits (1234567.89 comes as 1234570) unless it is rounded."""
    return sa.func.round(column, 2).label("revenue") if getattr(column, "name", "") == "revenue" else column


def written(moment: dt.datetime) -> str:
    """A bound as Matomo writes times: naive UTC in whole seconds, which is also how SQLite keeps them."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _tables(table: Table, rows: list[Row]) -> Iterator[Batch]:
    if rows:
        arrays = [
            canonical_column([row[name] for row in rows], column, "UTC", f"Matomo, table `{table.name}`, `{name}`")
            for name, column in table.columns.items()
        ]
        yield table, pa.table(arrays, schema=arrow_schema(table))


def matomo_url(settings: Settings) -> sa.URL | None:
    """Where Matomo's database is; none: this shop has no Matomo. The demo shop has its storefront where one was made.

    Raises:
        SourceError: the setting is no URL.
    """
    if settings.matomo_database_url is None:
        demo = settings.workspace.demo_matomo
        is_demo = settings.database_url is None and demo.exists()
        return sa.URL.create("sqlite", database=str(demo)) if is_demo else None
    try:
        return sa.make_url(settings.matomo_database_url.get_secret_value())
    except sa.exc.ArgumentError:
        raise SourceError(
            "matomo_database_url",
            expected="a SQLAlchemy URL such as mysql+pymysql://reader:password@host:3306/matomo",
            found="something that cannot be read as one",
            remedy="Percent-encode @ : / in the password.",
        ) from None


@contextmanager
def open_matomo(url: sa.URL, mapping: MatomoMapping, extract: Extract) -> Iterator[MatomoSource]:
    """Matomo's database, connected and checked.

    Raises:
        SourceError: it cannot be reached, or lacks a table, a column or a site that the mapping needs.
    """
    with session(url, extract) as opened, database_errors(url):
        connection = opened.connection
        catalogue = read_catalogue(connection, mapping)
        names = (mapping.dimensions.position, mapping.dimensions.request)
        columns = dimension_columns(connection, catalogue, names)
        yield MatomoSource(opened, mapping, catalogue, columns, goal_names(connection, catalogue))
