"""Rows per second from MariaDB to Parquet, and peak memory: Vitrine's extraction beside Polars with connectorx and dlt.

    uv venv /tmp/bench && uv pip install --python /tmp/bench polars connectorx 'dlt[parquet,sql-database]' pymysql
    .venv-dev/bin/python scripts/bench/extract.py --peers /tmp/bench/bin/python

Every reader is a process of its own, reads the same table of order lines over the network socket of the same machine
and writes Parquet. Readers take turns, in as many rounds as asked; the medians are told. `--write` puts the table
into docs/benchmarks.md. The peers are in no lock of this project: without `--peers` only Vitrine is measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- extract: begin -->", "<!-- extract: end -->"
FIRST = dt.datetime(2017, 1, 1)  # noqa: DTZ001 - as a shop writes it
MEGABYTE = 1024 * 1024
OWN = "Vitrine extract"

VITRINE = """
import datetime as dt, sys
from feature_store.schema import ORDER_ITEMS
from pipeline.configuration import load_settings
from pipeline.sources.archive import archive_lock
from pipeline.sources.business import open_source
from pipeline.sources.forgotten import Forgotten
from pipeline.sources.intake import Intake, Window
from pipeline.sources.ledger import open_ledger
url, folder = sys.argv[1:]
settings = load_settings(arguments={"database_url": url, "work_dir": folder})
day = dt.date(2017, 12, 31)
window = Window(dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 1, 1, tzinfo=dt.UTC))
with open_source(settings) as source, archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
    taken = Intake(source, ledger, settings, day, Forgotten(ledger)).take(ORDER_ITEMS, window)
print(taken.rows)
"""
POLARS = """
import sys, polars
url, folder = sys.argv[1:]
frame = polars.read_database_uri("SELECT * FROM order_items", url.replace("+pymysql", ""), engine="connectorx")
frame.write_parquet(folder + "/lines.parquet")
print(len(frame))
"""
DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
url, folder = sys.argv[1:3]
backend = sys.argv[3]
options = {"backend_kwargs": {"conn": url.replace("+pymysql", "")}} if backend == "connectorx" else {}
table = sql_table(credentials=url, table="order_items", backend=backend, chunk_size=50_000, **options)
destination = dlt.destinations.filesystem(folder + "/out")
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="shop", pipelines_dir=folder + "/state")
pipeline.run(table, loader_file_format="parquet")
print(pipeline.last_trace.last_normalize_info.row_counts["order_items"])
"""


def fill(url: sa.URL, rows: int) -> None:
    """Order lines over the days of a year, as the demo shop's table has them."""
    from pipeline.demo.tables import METADATA

    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    METADATA.create_all(engine)
    random, insert = np.random.default_rng(1), METADATA.tables["order_items"].insert()
    with engine.begin() as connection:
        for start in range(0, rows, 20_000):
            numbers = range(start, min(start + 20_000, rows))
            items, cents = random.integers(1, 90_000, len(numbers)), random.integers(1, 9_999, len(numbers))
            moments = [FIRST + dt.timedelta(seconds=number * 31_000_000 // rows) for number in numbers]
            connection.execute(
                insert,
                [
                    {
                        "basket_id": number // 5,
                        "line_number": number % 5,
                        "product_id": int(item),
                        "quantity": 1 + number % 3,
                        "sales_value": int(cent) / 100,
                        "discount": int(cent) % 50 / 100,
                        "created_at": moment,
                        "updated_at": moment,
                    }
                    for number, item, cent, moment in zip(numbers, items, cents, moments, strict=True)
                ],
            )


Measured = tuple[int, float, float, float]
"""Rows, seconds, CPU seconds, peak bytes."""


def measure(name: str, python: str, program: str, url: str, *arguments: str) -> Measured:
    """One reading."""
    # Peers were compiled when they were installed, so this code may be, too.
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as wrong:
        command, start = [python, "-c", program, url, folder, *arguments], time.perf_counter()
        reader = subprocess.Popen(command, cwd=ROOT, env=compiled, stdout=told, stderr=wrong)
        _, status, used = os.wait4(reader.pid, 0)
        seconds = time.perf_counter() - start
        told.seek(0), wrong.seek(0)
        if status:
            raise SystemExit(f"{name}: {wrong.read().decode()[-2000:]}")
        return int(told.read().split()[-1]), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024.0


def table(results: dict[str, list[Measured]]) -> str:
    rounds = len(next(iter(results.values())))
    medians = {name: tuple(map(statistics.median, zip(*found, strict=True))) for name, found in results.items()}
    own, day = medians[OWN][1], dt.datetime.now(dt.UTC).date()
    lines = [
        f"Measured on {day}: {os.cpu_count()} shared cores, MariaDB on the same machine, medians of {rounds} rounds.",
        f"At its end the load average of five minutes was {os.getloadavg()[1]:.1f}.",
        "Start and imports are included; CPU seconds are the reader's own.",
        "Command: `.venv-dev/bin/python scripts/bench/extract.py --peers PYTHON --write`",
        "",
        "| reader | rows | rows/s | seconds | speed beside Vitrine | CPU seconds | peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (rows, seconds, cpu, peak) in medians.items():
        speed = f"{rows / seconds:,.0f} | {seconds:.1f} | {own / seconds:.2f}"
        lines.append(f"| {name} | {rows:,.0f} | {speed} | {cpu:.1f} | {peak / MEGABYTE:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="mysql+pymysql://root@127.0.0.1:3306", help="where a database may be made")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", help="a Python that has polars, connectorx and dlt")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    server, name = sa.make_url(arguments.server), f"vitrine_bench_{uuid.uuid4().hex[:8]}"
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        url = server.set(database=name)
        fill(url, arguments.rows)
        text = url.render_as_string(hide_password=False)
        readers = [(OWN, sys.executable, VITRINE, text)]
        if arguments.peers:
            readers.append(("polars.read_database_uri (connectorx)", arguments.peers, POLARS, text))
            readers += [
                (f"dlt sql_database ({backend})", arguments.peers, DLT, text, backend)
                for backend in ("connectorx", "pyarrow")
            ]
        results: dict[str, list[Measured]] = {reader[0]: [] for reader in readers}
        for _ in range(arguments.rounds):
            for reader in readers:
                results[reader[0]].append(measure(*reader))
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
    print(table(results))
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
