"""Random lives of a tiny shop, extracted now and then, sometimes killed; and what the archive must say in the end."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import signal
import sqlite3
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from feature_store.schema import ORDER_ITEMS, ORDERS, SOURCE_TABLES
from pipeline.demo.tables import METADATA
from pipeline.errors import VitrineError
from pipeline.sources.archive import RAW, archive_lock, damaged_days, partition_file
from pipeline.sources.business import EARLIEST, open_source
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import Intake
from pipeline.sources.ledger import open_ledger
from pipeline.sources.reconcile import reconcile_table
from pipeline.sources.watermark import watermark
from pipeline.stages.extract import extract

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Settings

BEGIN = dt.datetime.fromisoformat("2017-03-01 12:00")
NO_TIME = dt.datetime.fromisoformat("1970-01-01")
STATUSES = ("placed", "paid", "sent", "cancelled")
NEW_FILE, OVERWRITE, LEDGER, IN_TRANSACTION = "new file", "overwrite", "ledger", "in transaction"
"""What a killed extraction was about to do."""
_KEYS = st.integers(1, 6)
_HOURS = st.integers(-30, 30)

OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), _KEYS, st.sampled_from([0, 0, 0, -1, -5, -30, -80])),
    st.tuples(st.just("update"), _KEYS, st.sampled_from([0, 0, -1, -30])),
    st.tuples(st.just("update in place"), _KEYS, st.sampled_from(STATUSES)),
    st.tuples(st.just("lose the cursor"), _KEYS, st.none()),
    st.tuples(st.just("delete"), _KEYS, st.booleans()),
    st.tuples(st.just("clock"), _HOURS, st.none()),
    st.tuples(st.just("clock"), st.integers(1, 30), st.none()),
    st.tuples(st.just("extract"), st.none(), st.none()),
    st.tuples(st.just("extract"), st.none(), st.integers(1, 60)),
    st.tuples(st.just("damage"), _KEYS, st.booleans()),
)
HISTORIES = st.lists(OPERATIONS, min_size=4, max_size=16)
WANTED = os.environ.get("VITRINE_TEST_HISTORIES")
PATIENT = pytest.mark.timeout(0 if WANTED else 900)
"""Thousands take hours."""


def as_many_as(count: int, *more: Phase) -> hypothesis_settings:
    """As many histories; the same ones each time, unless `VITRINE_TEST_HISTORIES` asks for a number of new ones."""
    return hypothesis_settings(
        max_examples=int(WANTED or count),
        derandomize=WANTED is None,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, *more],  # shrinking hundreds of extractions takes minutes
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Shop:
    """The source: orders and lines that change; users, items and prices that are there from the beginning."""

    url: str
    settings: Settings
    clock: dt.datetime = BEGIN
    engine: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(self.url, poolclass=sa.pool.StaticPool)
        METADATA.create_all(self.engine)
        stamps = {"created_at": BEGIN, "updated_at": BEGIN}
        with self.engine.begin() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(table.delete())
            _insert(connection, "users", household_id=1, **stamps)
            _insert(connection, "items", product_id=1, title="soap", department="home", **stamps)
            _insert(connection, "item_prices", product_id=1, valid_from=BEGIN, price=1.5, updated_at=BEGIN)
        self.anchor()

    def anchor(self) -> None:
        """An order of the day that nothing touches: a day without orders would be told and not extracted."""
        number = 1_000_000 + self.clock.toordinal()
        self._write(
            f"DELETE FROM orders WHERE basket_id = {number}", f"DELETE FROM order_items WHERE basket_id = {number}"
        )
        self.place(number, self.clock)

    def place(self, number: int, moment: dt.datetime) -> None:
        stamps = {"created_at": moment, "updated_at": moment}
        with self.engine.begin() as connection:
            _insert(connection, "orders", basket_id=number, household_id=1, store_id=1, status="placed", **stamps)
            line = {"product_id": 1, "quantity": 1, "sales_value": 1.5, "discount": 0, **stamps}
            for index in (1, 2):
                _insert(connection, "order_items", basket_id=number, line_number=index, **line)

    def apply(self, operation: tuple[str, Any, Any]) -> None:  # noqa: C901 - one case for each thing that happens
        """One thing that happens."""
        match operation:
            case ("insert", number, hours):
                if not self._has(number):
                    self.place(number, self.clock + dt.timedelta(hours=hours))
            case ("update", number, hours):
                moment = self.clock + dt.timedelta(hours=hours)
                self._write(
                    f"UPDATE orders SET status = 'sent', updated_at = '{moment}' WHERE basket_id = {number}",
                    f"UPDATE order_items SET quantity = quantity + 1, updated_at = '{moment}'"
                    f" WHERE basket_id = {number} AND line_number = 1",
                )
            case ("update in place", number, status):
                self._write(f"UPDATE orders SET status = '{status}' WHERE basket_id = {number}")
            case ("lose the cursor", number, None):
                self._write(f"UPDATE orders SET updated_at = '{NO_TIME}' WHERE basket_id = {number}")
            case ("delete", number, whole):
                self._write(f"DELETE FROM order_items WHERE basket_id = {number}")
                if whole:
                    self._write(f"DELETE FROM orders WHERE basket_id = {number}")
            case ("clock", hours, None):
                self.clock = max(self.clock + dt.timedelta(hours=hours), BEGIN)
                self.anchor()
            case ("extract", None, point):
                extract(self.day, self.settings) if point is None else run_killed(self.day, self.settings, point)
            case ("damage", number, missing):
                self._damage(number, missing=missing)

    @property
    def day(self) -> dt.date:
        return self.clock.date()

    def _has(self, number: int) -> bool:
        with self.engine.begin() as connection:
            query = " UNION ".join(
                f"SELECT 1 FROM {table} WHERE basket_id = {number}" for table in ("orders", "order_items")
            )
            return connection.exec_driver_sql(query).first() is not None

    def _write(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _damage(self, number: int, *, missing: bool) -> None:
        files = sorted(self.settings.workspace.raw.glob("order*/day=*/part.parquet"))
        if files:
            file = files[number % len(files)]
            file.unlink() if missing else file.write_bytes(b"PAR1 rubbish PAR1")

    def finish(self) -> None:
        """A last extraction, and everything compared."""
        self.clock = max(self.clock, self.reached()) + dt.timedelta(days=1)
        self.anchor()
        extract(self.day, self.settings)
        self.reconcile()

    def reached(self) -> dt.datetime:
        with open_ledger(self.settings.workspace.ledger) as ledger:
            through = watermark(ledger, "demo", "orders")
        return BEGIN if through is None else through.replace(tzinfo=None)

    def reconcile(self) -> list[str]:
        """The differences found, in words."""
        found = []
        with (
            open_source(self.settings) as source,
            archive_lock(self.settings),
            open_ledger(self.settings.workspace.ledger) as ledger,
        ):
            intake = Intake(source, ledger, self.settings, self.day, Forgotten(ledger))
            for table in (ORDERS, ORDER_ITEMS):
                found += reconcile_table(intake, table).differences
        return list(map(str, found))

    def source_rows(self, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """What the shop says, by key, as far as windows have come; rows whose cursor is no time cannot be found."""
        table = SOURCE_TABLES[name]
        with open_ledger(self.settings.workspace.ledger) as ledger:
            through = watermark(ledger, "demo", name)
        with open_source(self.settings) as source:
            rows = [row for batch in source.scan(name) for row in batch.to_pylist()]
        return {tuple(row[part] for part in table.key): row for row in rows if EARLIEST <= row[table.cursor] < through}

    def lost(self, name: str) -> set[tuple[Any, ...]]:
        """Keys of rows whose cursor is no time."""
        table = SOURCE_TABLES[name]
        with open_source(self.settings) as source:
            rows = [row for batch in source.scan(name) for row in batch.to_pylist()]
        return {tuple(row[part] for part in table.key) for row in rows if row[table.cursor] < EARLIEST}

    def damaged(self, name: str) -> list[dt.date]:
        """Days whose file is not the one that the ledger knows."""
        with open_ledger(self.settings.workspace.ledger) as ledger:
            return damaged_days(self.settings.workspace, RAW, name, ledger.partitions(RAW, name))

    def archived_rows(self, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """What the archive says, by key: the version that the source changed last."""
        table = SOURCE_TABLES[name]
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        with open_ledger(self.settings.workspace.ledger) as ledger:
            days = ledger.partitions(RAW, name)
        for day in days:  # ascending, so that later versions replace earlier ones
            for row in pq.ParquetFile(partition_file(self.settings.workspace, RAW, name, day)).read().to_pylist():
                assert row[table.cursor].date() == day
                rows[tuple(row[part] for part in table.key)] = row
        return rows


def check(shop: Shop) -> None:
    """Of every key the archive has the version that the source has."""
    for name in SOURCE_TABLES:
        source, archived, lost = shop.source_rows(name), shop.archived_rows(name), shop.lost(name)
        assert {key: row for key, row in archived.items() if key not in lost} == source
    assert shop.reconcile() == [], "a second look finds nothing"


def _insert(connection: sa.Connection, table: str, **values: Any) -> None:
    connection.execute(METADATA.tables[table].insert().values(**values))


def run_killed(day: dt.date, settings: Settings, point: int) -> list[str]:
    """`extract` as `killed_at` its n-th step."""
    return killed_at(point, lambda: extract(day, settings))


def killed_at(point: int, work: Callable[[], object]) -> list[str]:
    """Work in a child that dies by SIGKILL at its n-th step towards disk: a rename or a statement to the ledger.

    Returns its steps; when it died, the last of them was not done. With 0 it lives.
    """
    told, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        _, status = os.waitpid(child, 0)
        with os.fdopen(told) as pipe:
            done = pipe.read().splitlines()
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return done
    steps, one_at_a_time = itertools.count(1), threading.RLock()

    def about_to(what: str) -> None:
        with one_at_a_time:  # files are written by several threads: none may take a step while another one kills
            os.write(telling, f"{what}\n".encode())
            if next(steps) == point:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()

    def at_call(_frame: object, event: str, called: Any) -> None:
        connection = getattr(called, "__self__", None)
        if event == "c_call" and isinstance(connection, sqlite3.Connection):
            about_to(IN_TRANSACTION if connection.in_transaction else LEDGER)

    def at_event(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename":
            about_to(OVERWRITE if Path(arguments[1]).exists() else NEW_FILE)

    sys.addaudithook(at_event)
    sys.setprofile(at_call)
    try:
        work()
    except VitrineError:
        os._exit(0)
    finally:
        os._exit(0)
