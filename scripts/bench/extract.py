"""Rows per second from MariaDB to Parquet, and peak memory: Vitrine's extraction beside Polars with connectorx and dlt.

    uv venv /tmp/bench && uv pip install --python /tmp/bench polars connectorx 'dlt[parquet,sql-database]' pymysql
    .venv-dev/bin/python scripts/bench/extract.py --peers /tmp/bench/bin/python

Every reader is a process of its own, reads the same table of order lines over the network socket of the same machine,
once, and writes Parquet. `--write` puts the table into docs/benchmarks.md. The peers are in no lock of this project:
without `--peers` only Vitrine is measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
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

VITRINE = """
import datetime as dt, sys
from feature_store.schema import ORDER_ITEMS
from pipeline.settings import load_settings
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


def measure(name: str, python: str, program: str, url: str, *arguments: str) -> tuple[str, int, float, float, float]:
    """(name, rows, seconds, CPU seconds, peak bytes) of one reader."""
    with tempfile.TemporaryDirectory() as folder:
        reader = [python, "-c", program, url, folder, *arguments]
        command = [sys.executable, __file__, "--child", *reader]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows, peak = done.stdout.splitlines()[-2:]
    return name, int(rows), seconds, cpu, float(peak)


def child(command: list[str]) -> None:
    """Run one reader and print its peak memory after what it prints itself."""
    done = subprocess.run(command, check=False)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, flush=True)
    sys.exit(done.returncode)


def table(results: list[tuple[str, int, float, float, float]]) -> str:
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC).date()}: {os.cpu_count()} shared cores, MariaDB on the same machine.",
        "Command: `.venv-dev/bin/python scripts/bench/extract.py --peers PYTHON --write`",
        "",
        "| reader | rows | rows/s | seconds | CPU seconds | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, rows, seconds, cpu, peak in results:
        cells = f"{rows:,} | {rows / seconds:,.0f} | {seconds:.1f} | {cpu:.1f} | {peak / MEGABYTE:,.0f}"
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="mysql+pymysql://root@127.0.0.1:3306", help="where a database may be made")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peers", help="a Python that has polars, connectorx and dlt")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
    server, name = sa.make_url(arguments.server), f"vitrine_bench_{uuid.uuid4().hex[:8]}"
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        url = server.set(database=name)
        fill(url, arguments.rows)
        text = url.render_as_string(hide_password=False)
        results = [measure("Vitrine extract", sys.executable, VITRINE, text)]
        if arguments.peers:
            results.append(measure("polars.read_database_uri (connectorx)", arguments.peers, POLARS, text))
            results += [
                measure(f"dlt sql_database ({backend})", arguments.peers, DLT, text, backend)
                for backend in ("connectorx", "pyarrow")
            ]
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
