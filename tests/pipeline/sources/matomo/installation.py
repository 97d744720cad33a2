"""A Matomo of a test's own: rows are written as Matomo would leave them, told in one line each."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib

import sqlalchemy as sa

from feature_store.schema import ORDERS
from pipeline.demo.matomo_schema import RELEASES, matomo_tables
from pipeline.settings import Extract
from pipeline.sources.archive import RAW, read_partition, write_partitions
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.extraction import backfill_matomo, extract_matomo, reconcile_matomo
from pipeline.sources.matomo.mapping import MatomoMapping
from pipeline.sources.matomo.reader import open_matomo
from pipeline.sources.matomo.tables import MATOMO_TABLES

DAY = dt.date(2026, 3, 2)
URL, TITLE, SKU, NAME, CATEGORY, KEYWORD, CONTENT, PIECE, TARGET, INTERACTION = 1, 4, 5, 6, 7, 8, 13, 14, 15, 16


def at(clock, day=DAY):
    """`at("09:30")`: naive UTC as Matomo writes it."""
    return f"{day} {clock}" + (":00" if clock.count(":") == 1 else "")


def visitor(name):
    return hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:8]


class Installation:
    """A database with Matomo's tables, and short words to fill it."""

    def __init__(self, url, version=5, prefix="matomo_", *, with_plugins=True, sites=(1,)):
        self.url, self.version, self.prefix, self.sites = sa.make_url(url), version, prefix, sites
        self.engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        self.metadata = matomo_tables(version, prefix, with_plugins=with_plugins)
        self.metadata.create_all(self.engine)
        self.ids = {}
        for site in sites:
            names = {"name": "Shop &amp; Co", "main_url": "https://shop.example", "timezone": "Europe/Paris"}
            self.add("site", idsite=site, currency="EUR", ecommerce=1, **names)
        self.add("option", option_name="version_core", option_value=RELEASES[version])

    def run(self, statement, *values):
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(self._marked(statement), values)

    def ask(self, statement, *values):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(self._marked(statement), values)]

    def _marked(self, statement):
        marks = statement.replace("?", "%s") if self.engine.dialect.name != "sqlite" else statement
        return marks.replace("{p}", self.prefix)

    def add(self, table, **values):
        """One row; columns that this installation lacks are left out, as Matomo itself would."""
        columns = {c.name for c in self.metadata.tables[self.prefix + table].columns}
        kept = {name: value for name, value in values.items() if name in columns}
        names = ", ".join(f"`{name}`" for name in kept)
        marks = ", ".join("?" * len(kept))
        return self.run(f"INSERT INTO {{p}}{table} ({names}) VALUES ({marks})", *kept.values()).lastrowid

    def action_id(self, name, kind, *, again=False):
        """The id of a name in `log_action`; `again` gives it a second one, as a race does."""
        if name is None:
            return None
        if again or (name, kind) not in self.ids:
            hash_ = zlib.crc32(name.encode())
            made = self.add("log_action", name=name, hash=hash_, type=kind, url_prefix=2 if kind == URL else None)
            if again:
                return made
            self.ids[name, kind] = made
        return self.ids[name, kind]

    def visit(self, first="09:00", last=None, *, who="anna", user=None, site=1, day=DAY, **more):
        return self.add(
            "log_visit",
            idsite=site,
            idvisitor=visitor(user or who),
            user_id=user,
            config_id=b"\0" * 8,
            location_ip=b"\xc0\xa8\0\0",
            visit_first_action_time=at(first, day),
            visit_last_action_time=at(last or first, day),
            visit_total_actions=3,
            visit_total_time=60,
            **more,
        )

    def hit(self, visit, time="09:00", *, who="anna", site=1, day=DAY, **more):
        """One row of log_link_visit_action."""
        ids = {"idsite": site, "idvisit": visit, "idvisitor": visitor(who)}
        return self.add("log_link_visit_action", server_time=at(time, day), **ids, **more)

    def view(self, visit, sku, time="09:00", *, price=2.5, category=None, **more):
        ids = {"idaction_product_sku": self.action_id(sku, SKU), "product_price": price}
        ids |= {"idaction_product_cat": self.action_id(category, CATEGORY), "idaction_url": self.action_id("p", URL)}
        return self.hit(visit, time, **ids, **more)

    def content(self, visit, slot, piece, time="09:00", *, clicked=False, target=None, **more):
        ids = {
            "idaction_content_name": self.action_id(slot, CONTENT),
            "idaction_content_piece": self.action_id(piece, PIECE),
            "idaction_content_target": self.action_id(target, TARGET),
            "idaction_content_interaction": self.action_id("click", INTERACTION) if clicked else None,
        }
        return self.hit(visit, time, **ids, **more)

    def cart(self, visit, lines, time="09:05", *, site=1, day=DAY, revenue=None):
        """An open cart: {sku: (quantity, price)}."""
        self._conversion(visit, -1, 0, None, lines, time, site, day, revenue)

    def order(self, visit, order, lines, time="09:10", *, site=1, day=DAY, revenue=None):
        self._conversion(visit, 0, zlib.crc32(order.encode()), order, lines, time, site, day, revenue)

    def _conversion(self, visit, goal, buster, order, lines, time, site, day, revenue):
        total = sum(quantity * price for quantity, price in lines.values()) if revenue is None else revenue
        items = sum(quantity for quantity, _ in lines.values())
        when = {"idsite": site, "idvisitor": visitor("anna"), "server_time": at(time, day)}
        row = {"idgoal": goal, "buster": buster, "idorder": order, "items": items, "revenue": total, "url": ""}
        self.add("log_conversion", idvisit=visit, **row, **when)
        for sku, (quantity, price) in lines.items():
            self.line(visit, order or "0", sku, quantity, price, **when)

    def line(self, visit, order, sku, quantity, price, *, deleted=0, again=False, **when):
        ids = {"idvisit": visit, "idorder": order, "idaction_sku": self.action_id(sku, SKU, again=again)}
        self.add("log_conversion_item", **ids, price=price, quantity=quantity, deleted=deleted, **when)

    def buy(self, visit, order, time="09:20", day=DAY):
        """The open cart of a visit becomes an order: both tables' primary keys change."""
        keys = "UPDATE {p}log_conversion SET idgoal = 0, idorder = ?, buster = ?, server_time = ?"
        self.run(f"{keys} WHERE idvisit = ? AND idgoal = -1", order, zlib.crc32(order.encode()), at(time, day), visit)
        lines = "UPDATE {p}log_conversion_item SET idorder = ?, server_time = ? WHERE idvisit = ? AND idorder = '0'"
        self.run(lines, order, at(time, day), visit)

    def mapping(self, **more):
        return MatomoMapping(**{"prefix": self.prefix, "sites": self.sites} | more)

    def open(self, *, compare="rows", **mapping):
        return open_matomo(self.url, self.mapping(**mapping), Extract(retry_seconds=0, reconcile=compare))

    def read(self, *, page_rows=5000, days=3, start=DAY, **mapping):
        """Everything from `start` on: table name -> rows."""
        begin = dt.datetime.combine(start, dt.time(), dt.UTC)
        found = {name: [] for name in MATOMO_TABLES}
        with self.open(**mapping) as source:
            for table, page in source.read(begin, begin + dt.timedelta(days=days), page_rows):
                found[table.name] += page.to_pylist()
        return found

    def events(self, kind=None, **how):
        return [row for row in self.read(**how)["matomo_events"] if kind in (None, row["kind"])]

    def extract(self, workspace, last_day=DAY, **mapping):
        with self.open(**mapping) as source, open_ledger(workspace.ledger) as ledger:
            return extract_matomo(source, ledger, workspace, last_day, last_day)

    def reconcile(self, workspace, first=None, last=None, compare="rows"):
        """The days that differed."""
        return self.compared(workspace, first, last, compare).written

    def compared(self, workspace, first=None, last=None, compare="rows"):
        with self.open(compare=compare) as source, open_ledger(workspace.ledger) as ledger:
            return reconcile_matomo(source, ledger, workspace, DAY, first, last)

    def backfill(self, workspace, first=DAY, last=DAY, **mapping):
        with self.open(**mapping) as source, open_ledger(workspace.ledger) as ledger:
            return backfill_matomo(source, ledger, workspace, last, first, last)


def archived(workspace, name="matomo_events"):
    """Every row of a raw table, in the order of its days."""
    with open_ledger(workspace.ledger) as ledger:
        known = ledger.partitions(RAW, name)
    tables = [read_partition(workspace, RAW, name, day, partition) for day, partition in known.items()]
    return [row for table in tables for row in table.to_pylist()]


def shop_order(workspace, order_id, user="u"):
    """The shop's own database tells of an order."""
    noon = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
    row = {"order_id": order_id, "user_id": user, "status": "paid", "created_at": noon, "updated_at": noon}
    table = arrow_schema(ORDERS).empty_table().from_pylist([row], schema=arrow_schema(ORDERS))
    with open_ledger(workspace.ledger) as ledger, ledger.transaction():
        ledger.record_partitions(RAW, ORDERS.name, write_partitions(workspace, RAW, ORDERS.name, [(DAY, table)]))
