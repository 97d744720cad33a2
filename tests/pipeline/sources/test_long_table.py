"""A table of a million rows goes through extraction in little memory, though its connection is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline.demo.tables import METADATA

pytestmark = pytest.mark.slow
ROWS = 1_000_000
MOST = 300 * 1024 * 1024
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
    Intake(source, ledger, settings, dt.date(2017, 12, 31), Forgotten(ledger)).take(ORDER_ITEMS, window)
    print(source.session.reopened)
status = pathlib.Path('/proc/self/status').read_text().split()
print(1024 * int(status[status.index('VmHWM:') + 1]))  # getrusage would tell the parent's, when that is larger
"""


@pytest.fixture
def reader(mysql_database):
    """The URL of a user who may select from the tables of the mapping and nothing else."""
    url, name = sa.make_url(mysql_database), f"vt_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE USER {name}@'%%' IDENTIFIED BY 'reads only'")
        for table in METADATA.tables:
            connection.exec_driver_sql(f"GRANT SELECT ON {url.database}.{table} TO {name}@'%%'")
    yield url.set(username=name, password="reads only")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP USER {name}@'%%'")


def kill_when_under_way(engine, user, process, folder):
    """Kill the reader's connection once some days of the table are written aside."""
    while process.poll() is None:
        if len(list(folder.glob("raw/order_items/day=*"))) > 60:
            with engine.begin() as connection:
                query = f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"
                for (number,) in connection.exec_driver_sql(query).all():
                    connection.exec_driver_sql(f"KILL {number}")
            return
        time.sleep(0.02)


def test_a_million_rows_need_less_than_300_mib(mysql_database, reader, tmp_path):
    """Order lines of a year, read with SELECT alone by a process of its own, so that the peak is this reading's."""
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        if "MariaDB" not in connection.exec_driver_sql("SELECT version()").scalar_one():
            pytest.skip("needs MariaDB's sequence tables to make a million rows quickly")
        moment = "'2017-01-01' + INTERVAL seq * 31 SECOND"
        connection.exec_driver_sql(
            "INSERT INTO order_items (basket_id, line_number, product_id, quantity, sales_value, discount, created_at,"
            " updated_at)"
            " SELECT seq DIV 5, MOD(seq, 5), MOD(seq, 90000), 1 + MOD(seq, 3), MOD(seq, 9999) / 100, 0,"
            f" {moment}, {moment} FROM seq_1_to_{ROWS}"
        )
    url = reader.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    kill_when_under_way(engine, reader.username, process, tmp_path)
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    *_, reopened, peak = told.splitlines()
    assert int(reopened) == 1
    files = list(tmp_path.glob("raw/order_items/day=*/part.parquet"))
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in files) == ROWS
    assert int(peak) < MOST
