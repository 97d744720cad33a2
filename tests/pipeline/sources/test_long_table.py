"""A table of a million rows goes through extraction in little memory, though its connection or its server is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline.demo.tables import METADATA
from tests.servers import fresh_database, mortal_server

pytestmark = pytest.mark.slow
ROWS, DAYS, PAGE = 1_000_000, 359, 20_000
FIRST = np.datetime64("2017-01-01", "us")
MOST = 300 * 1024 * 1024
UNDER_WAY = 120
"""Days of the table that are written aside when something happens."""
PROGRAM = """
import datetime as dt, pathlib, sys
from feature_store.schema import ORDER_ITEMS
from pipeline.configuration import load_settings
from pipeline.sources.archive import archive_lock
from pipeline.sources.business import open_source
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import Intake, Window
from pipeline.sources.ledger import open_ledger
url, folder = sys.argv[1:]
settings = load_settings(arguments={"database_url": url, "work_dir": folder})
window = Window(dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 1, 1, tzinfo=dt.UTC))
with open_source(settings) as source, archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
    taken = Intake(source, ledger, settings, dt.date(2017, 12, 31), Forgotten(ledger)).take(ORDER_ITEMS, window)
    print(taken.rows, taken.duplicates, source.session.reopened)
status = pathlib.Path('/proc/self/status').read_text().split()
print(1024 * int(status[status.index('VmHWM:') + 1]))  # getrusage would tell the parent's, when that is larger
"""


@pytest.fixture(scope="module")
def server():
    found = mortal_server()
    if "MariaDB" not in ask(found, "SELECT version()"):
        pytest.skip("needs MariaDB's sequence tables to make a million rows quickly")
    return found


@pytest.fixture(scope="module")
def reader(server):
    """The URL of the table's database, for a user who may select from the mapping's tables and nothing else."""
    with fresh_database(server.url) as database:
        url, name = sa.make_url(database), f"vt_{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        METADATA.create_all(engine)
        moment = "'2017-01-01' + INTERVAL seq * 31 SECOND"
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO order_items (basket_id, line_number, product_id, quantity, sales_value, discount,"
                " created_at, updated_at)"
                " SELECT seq DIV 5, MOD(seq, 5), MOD(seq, 90000), 1 + MOD(seq, 3), MOD(seq, 9999) / 100, 0,"
                f" {moment}, {moment} FROM seq_1_to_{ROWS}"
            )
            connection.exec_driver_sql(f"CREATE USER {name}@'%%' IDENTIFIED BY 'reads only'")
            for table in METADATA.tables:
                connection.exec_driver_sql(f"GRANT SELECT ON {url.database}.{table} TO {name}@'%%'")
        yield url.set(username=name, password="reads only")
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP USER {name}@'%%'")


def ask(server, query):
    with sa.create_engine(server.url, poolclass=sa.pool.NullPool).connect() as connection:
        return connection.exec_driver_sql(query).first()[-1]


def read(reader, folder, fate):
    """Read the table in a process of its own, so that the peak is this reading's; `fate` comes when it is under way.

    Returns rows that came, those that came twice, how often the connection was opened again, and the peak in bytes.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, reader.render_as_string(hide_password=False), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    while process.poll() is None and len(list(folder.glob("raw/order_items/day=*"))) <= UNDER_WAY:
        time.sleep(0.02)
    fate()
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    return tuple(map(int, told.split()[-4:]))


def assert_archived(folder):
    """Every row of the table, in its day, as the table's formula makes it."""
    files = sorted(folder.glob("raw/order_items/day=*/part.parquet"))
    assert len(files) == DAYS
    rows = pa.concat_tables(pq.ParquetFile(file).read() for file in files)
    number = rows["order_id"].cast(pa.int64()).to_numpy() * 5 + rows["line_number"].to_numpy()
    assert (number == np.arange(1, ROWS + 1)).all()
    assert (rows["item_id"].cast(pa.int64()).to_numpy() == number % 90_000).all()
    assert (rows["quantity"].to_numpy() == 1 + number % 3).all()
    assert (rows["amount"].to_numpy() == number % 9_999 / 100).all()
    assert (rows["updated_at"].to_numpy() == FIRST + number * np.timedelta64(31, "s")).all()


def test_a_killed_connection_costs_one_page(server, reader, tmp_path):
    """Order lines of a year, read with SELECT alone."""

    def kill():
        engine = sa.create_engine(server.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            query = f"SELECT id FROM information_schema.processlist WHERE user = '{reader.username}'"
            for (number,) in connection.exec_driver_sql(query).all():
                connection.exec_driver_sql(f"KILL {number}")

    rows, duplicates, reopened, peak = read(reader, tmp_path, kill)
    assert (rows, duplicates, reopened) == (ROWS, 0, 1)
    assert_archived(tmp_path)
    assert peak < MOST


def test_a_server_that_is_killed_and_starts_again_is_asked_for_the_rest_alone(server, reader, tmp_path):
    def restart():
        server.kill()
        server.start()

    rows, duplicates, reopened, peak = read(reader, tmp_path, restart)
    assert (rows, duplicates, reopened) == (ROWS, 0, 1)
    sent_since_its_start = int(ask(server, "SHOW GLOBAL STATUS LIKE 'Rows_sent'"))
    assert 0 < sent_since_its_start < ROWS * (DAYS - UNDER_WAY) / DAYS + 2 * PAGE
    assert_archived(tmp_path)
    assert peak < MOST
