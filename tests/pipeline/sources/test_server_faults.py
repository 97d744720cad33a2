"""The shop's server is stopped, killed or locked while a table is read: nothing is half entered or lost."""

from __future__ import annotations

import uuid
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from feature_store.schema import ORDER_ITEMS, SOURCE_TABLES
from pipeline.errors import SourceError, UnreachableError
from pipeline.sources.archive import RAW, archive_lock
from pipeline.sources.business import BusinessSource
from pipeline.sources.check import check_tables
from pipeline.sources.connection import source_url
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import Intake
from pipeline.sources.ledger import open_ledger
from pipeline.sources.mapping import load_mapping
from pipeline.sources.paging import Session
from pipeline.sources.watermark import watermark
from pipeline.sources.windows import new_windows
from pipeline.stages.extract import extract
from tests.pipeline.sources.histories import Shop
from tests.pipeline.stages.archives import fingerprints
from tests.servers import mortal_server

pytestmark = pytest.mark.slow
PAGE = 4
"""The page that the fault comes before."""


class Struck(Session):
    """A session whose server meets its fate before the n-th page is asked for."""

    def __init__(self, url, settings, fate):
        super().__init__(url, settings)
        self.fate, self.pages, self.asked = fate, 0, 0

    def answer(self, ask):
        def counted(connection):
            self.asked += 1
            return ask(connection)

        self.pages += 1
        if self.pages == PAGE:
            self.fate()
        return super().answer(counted)


@contextmanager
def struck(settings, day, fate):
    """An intake of a source that is struck."""
    mapping = load_mapping(settings)
    session = Struck(source_url(settings), settings.extract, fate)
    source = BusinessSource(session, mapping, check_tables(session.connection, mapping))
    try:
        with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
            yield Intake(source, ledger, settings, day, Forgotten(ledger)), session
    finally:
        session.close()


@pytest.fixture
def server():
    found = mortal_server()
    yield found
    found.kill()
    found.start()


@pytest.fixture(params=["text pages", "rows"])
def shop(request, settings, server):
    """Two days of orders, of which the first is archived; the second is some pages long."""
    name = f"vitrine_test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server.url, poolclass=sa.pool.NullPool)
    with admin.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield filled(settings, f"{server.url}/{name}", text_pages=request.param == "text pages")
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


def filled(settings, url, *, text_pages=True):
    made = settings(
        database_url=url,
        evaluation={"horizon_days": 1, "holdout": "preceding"},
        extract={
            "attempts": 2,
            "retry_seconds": 0,
            "lock_wait_seconds": 1,
            "page_rows": 5,
            "text_pages": text_pages,
            "lag_minutes": 120,
        },
    )
    shop = Shop(url, made)
    for number in range(1, 4):
        shop.apply(("insert", number, 0))
    extract(shop.day, made)
    shop.apply(("insert", 4, 11))  # late, of the day that is archived
    shop.apply(("clock", 24, None))
    for number in range(5, 20):
        shop.apply(("insert", number, number - 16))
    shop.engine.dispose()
    return shop


def same(shop):
    """Archive and source, all rows of all tables."""
    for name in SOURCE_TABLES:
        assert shop.damaged(name) == []
        assert shop.archived_rows(name) == shop.source_rows(name)
    return True


def state(shop):
    """What ledger and archive say of order lines, and every raw file."""
    name = ORDER_ITEMS.name
    with open_ledger(shop.settings.workspace.ledger) as ledger:
        entered = watermark(ledger, "demo", name), ledger.partitions(RAW, name), len(ledger.extractions(name))
    return entered, fingerprints(shop.settings.workspace.raw)


def read_lines(shop, fate):
    """Read what is new of the order lines, and how often pages were asked for."""
    with struck(shop.settings, shop.day, fate) as (intake, session):
        (window,) = new_windows(intake, ORDER_ITEMS, shop.day)
        taken = intake.take(ORDER_ITEMS, window)
    return taken, session


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_restarts_within_a_table_costs_one_page(shop, server, end):
    def restart():
        getattr(server, end)()
        server.start()

    taken, session = read_lines(shop, restart)
    assert session.pages > PAGE
    assert (session.reopened, session.asked) == (1, session.pages + 1)
    assert (taken.inserted, taken.duplicates) == (2 * 17, 0)
    extract(shop.day, shop.settings)
    assert same(shop)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_stays_away_leaves_everything_as_it_was(shop, server, end):
    before = state(shop)
    with pytest.raises(UnreachableError) as told:
        read_lines(shop, getattr(server, end))
    assert told.value.expected == "an answer"
    assert "OperationalError" in told.value.found
    assert "Check host, port" in told.value.remedy
    assert state(shop) == before
    with pytest.raises(UnreachableError):
        extract(shop.day, shop.settings)
    assert state(shop) == before
    server.start()
    extract(shop.day, shop.settings)
    assert same(shop)


@pytest.mark.parametrize(("table", "others"), [("item_prices", True), ("order_items", False)])
def test_the_run_after_a_lock_goes_on(settings, mysql_database, table, others):
    shop = filled(settings, mysql_database)
    locker = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    with locker.connect() as connection:
        connection.exec_driver_sql(f"LOCK TABLES {table} WRITE")
        with pytest.raises(SourceError, match="locked") as told:
            extract(shop.day, shop.settings)
        assert "lock_wait_seconds" in told.value.remedy
    with open_ledger(shop.settings.workspace.ledger) as ledger:
        reached = {name for name in SOURCE_TABLES if watermark(ledger, "demo", name).date() > shop.day}
    assert reached == (set(SOURCE_TABLES) - {"prices"} if others else set())
    extract(shop.day, shop.settings)
    assert same(shop)
