"""A user who may only read what the mapping names is enough, and a missing grant stops its own table alone."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from feature_store.schema import SOURCE_TABLES
from pipeline.errors import SourceError
from pipeline.sources.checking import check_source
from pipeline.sources.ledger import open_ledger
from pipeline.sources.watermark import watermark
from pipeline.stages.extract import extract
from pipeline.upkeep import reconcile
from tests.pipeline.sources.histories import BEGIN, Shop

TABLES = ("users", "items", "item_prices", "item_promotions", "orders", "order_items")
DAY = BEGIN.date()


@pytest.fixture
def reader(settings, mysql_database):
    """`reader(*tables)`: the URL of a user who may select from these tables and nothing else."""
    url, name = sa.make_url(mysql_database), f"vt_{uuid.uuid4().hex[:12]}"
    Shop(mysql_database, made(settings, mysql_database)).engine.dispose()
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)

    def make(*tables):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER {name}@'%%' IDENTIFIED BY 'reads only'")
            for table in tables:
                connection.exec_driver_sql(f"GRANT SELECT ON {url.database}.{table} TO {name}@'%%'")
        return url.set(username=name, password="reads only").render_as_string(hide_password=False)

    yield make
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP USER IF EXISTS {name}@'%%'")


def made(settings, url):
    return settings(database_url=url, evaluation={"horizon_days": 1, "holdout": "preceding"})


def test_select_on_the_mapped_tables_is_enough(settings, reader):
    limited = made(settings, reader(*TABLES))
    assert check_source(limited)
    assert extract(DAY, limited).rows > 0
    assert [each for found in reconcile(None, None, limited) for each in found.differences] == []


def test_a_table_without_a_grant_is_told_and_the_others_are_extracted(settings, reader):
    limited = made(settings, reader(*(table for table in TABLES if table != "item_prices")))
    with pytest.raises(SourceError) as told:
        extract(DAY, limited)
    assert told.value.where == "canonical table `prices`"
    assert told.value.expected == "a table `item_prices`"
    assert "users" in told.value.found
    assert "grants of the database user" in told.value.remedy
    with open_ledger(limited.workspace.ledger) as ledger:
        reached = {name for name in SOURCE_TABLES if watermark(ledger, "demo", name)}
    assert reached == set(SOURCE_TABLES) - {"prices"}
