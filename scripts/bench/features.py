"""A snapshot of all stored features, whole and from a roll-up, beside the same aggregates in pandas and Polars.

    scripts/run_pipeline.sh                                        fills work/clean, whose baskets are replicated
    uv venv /tmp/bench && uv pip install --python /tmp/bench pandas polars pyarrow
    .venv-dev/bin/python scripts/bench/features.py --peers /tmp/bench/bin/python --write

Each copy of the shop has users and baskets of its own, whose moments move by up to four days and amounts by up to a
fifth. Every computation is a process of its own that reads the same Parquet files, takes the newest version of each
row and writes every stored feature of everybody known. Values are compared as the float32 that a snapshot holds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- features: begin -->", "<!-- features: end -->"
DAY = dt.date(2017, 11, 5)
ROWS_OF_A_COPY = 1_220_000
"""Events of the demo shop up to DAY, about."""

WHOLE = """
import sys, datetime as dt
from pathlib import Path
from feature_store.engine.connect import open_engine
from feature_store.offline import Archive
from feature_store.snapshot import compute_snapshot, write_snapshot
clean, out, day, limit = sys.argv[1], Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3]), sys.argv[4]
archive = Archive(Path(clean), day, engine=open_engine(memory_limit=limit, threads=2, spill=out / "spill"))
write_snapshot(out, compute_snapshot(archive, day), day)
"""
PAST = """
import sys, datetime as dt
from pathlib import Path
from feature_store.engine.connect import open_engine
from feature_store.days import end_of_day
from feature_store.offline import Archive
from feature_store.rollup import Rollup, last_monday, write_rollup
from feature_store.snapshot import compute_snapshot, write_snapshot
from feature_store.views import reach_days
clean, out, day, limit = Path(sys.argv[1]), Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3]), sys.argv[4]
past = Rollup(last_monday(end_of_day(day), reach_days()), clean.parent / "rollup")
engine = open_engine(memory_limit=limit, threads=2, spill=out / "spill")
if not past.folder.exists():
    past.folder.mkdir()
    write_rollup(past.folder, Archive(clean, day, engine=engine), past.until)
else:
    archive = Archive(clean, day, past=past, engine=engine)
    assert archive.past
    write_snapshot(out, compute_snapshot(archive, day), day)
"""


HISTORIES = """
import sys, datetime as dt
from pathlib import Path
import numpy as np
from feature_store.engine.connect import open_engine
from feature_store.days import end_of_day
from feature_store.catalog import build_catalog
from feature_store.offline import Archive
from feature_store.rollup import Rollup, last_monday
from feature_store.schema import LEVELS
from feature_store.views import reach_days
clean, out, day, limit = Path(sys.argv[1]), Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3]), sys.argv[4]
past = Rollup(last_monday(end_of_day(day), reach_days()), clean.parent / "rollup")
engine = open_engine(memory_limit=limit, threads=2, spill=out / "spill")
archive = Archive(clean, day, past=past, engine=engine)
items, users = (archive.frame(getattr(archive, f"{name}s"))[f"{name}_id"].to_pylist() for name in ("item", "user"))
catalog = build_catalog(items, items, dict.fromkeys(LEVELS, items))
archive.history(catalog, np.array(sorted(users)), end_of_day(day), folder=out)
"""


def fill(source: Path, clean: Path, copies: int) -> int:
    """Copies of the clean archive in `source` up to DAY, in partitions; how many events."""
    import duckdb

    for table in ("items", "prices", "promotions"):
        if (source / table).exists():
            shutil.copytree(source / table, clean / table)
    connection = duckdb.connect(config={"memory_limit": "3GB", "threads": 2, "temp_directory": str(clean / "tmp")})
    connection.execute("SET TimeZone = 'UTC'")
    read = f"FROM read_parquet('{source}/{{}}/day=*/part.parquet', hive_partitioning=false), range({copies}) AS r(copy)"
    into = "(FORMAT parquet, PARTITION_BY (day), COMPRESSION zstd, FILENAME_PATTERN 'part')"
    move = "to_seconds(CASE WHEN copy = 0 THEN 0 ELSE hash(basket_id, copy) % (8 * 86400) - 4 * 86400 END::BIGINT)"
    amount = "round(value * (0.8 + hash(event_id, copy) % 4001 / 10000.0), 2)"
    events = (
        f"SELECT * REPLACE (event_id || '-' || copy AS event_id, user_id || '-' || copy AS user_id,"
        f" basket_id || '-' || copy AS basket_id, time + {move} AS time, updated_at + {move} AS updated_at,"
        f" {amount} AS value) {read.format('events')}"
    )
    users = f"SELECT * REPLACE (user_id || '-' || copy AS user_id) {read.format('users')}"
    for table, rows in (("users", users), ("events", events)):
        dated = f"SELECT * EXCLUDE (copy), strftime(updated_at, '%Y-%m-%d') AS day FROM ({rows}) ORDER BY day"
        connection.execute("SET threads = 1")  # one file a partition
        connection.execute(f"COPY ({dated}) TO '{clean / table}' {into}")
        for path in (clean / table).glob("day=*/*.parquet"):
            path.rename(path.with_name("part.parquet"))
    up_to = f"read_parquet('{clean}/events/day=*/part.parquet', hive_partitioning=true)"
    found = connection.execute(f"SELECT count(*) FROM {up_to} WHERE day::VARCHAR <= '{DAY}'").fetchone()
    return int(found[0]) if found else 0


Figures: TypeAlias = tuple[float, float, float]
"""Seconds, CPU seconds, peak MB."""
Result: TypeAlias = tuple[int, str, Figures]
OWN = "Vitrine, whole"
_PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def run(command: list[str], clean: Path, out: Path, day: dt.date, limit: str) -> Figures:
    """One computation, which prints its peak memory in kB at the end."""
    out.mkdir()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, str(clean), str(out), str(day), limit], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, int(done.stdout.split()[-1]) / 1024


def compare(ours: Path, theirs: Path) -> int:
    """How many values of a peer are Vitrine's.

    Raises:
        SystemExit: one differs by more than the last bit of float32, which below 5 million no count does.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from feature_store.registry import stored_features
    from feature_store.spec import ENTITIES
    from feature_store.views import KEYS

    checked = 0
    for entity in ENTITIES:
        mine, peers = (pq.read_table(folder / f"{entity}.parquet") for folder in (ours, theirs))
        if mine[KEYS[entity]].to_pylist() != peers[KEYS[entity]].to_pylist():
            raise SystemExit(f"{theirs}: {KEYS[entity]} differs")
        for name in (feature.name for feature in stored_features(entity)):
            if not np.allclose(mine[name].to_numpy(), peers[name].to_numpy(), rtol=2e-7, atol=0):
                raise SystemExit(f"{theirs}: {name} differs")
            checked += len(mine)
    return checked


def measure(source: Path, copies: int, peers: str | None, folder: Path, limit: str) -> list[Result]:
    clean = folder / "clean"
    rows, tomorrow = fill(source, clean, copies), DAY + dt.timedelta(days=1)
    whole, past, histories = ([sys.executable, "-c", program + _PEAK] for program in (WHOLE, PAST, HISTORIES))
    results: list[Result] = [
        (rows, name, run(command, clean, folder / out, day, limit))
        for name, command, out, day in (
            (OWN, whole, "whole", DAY),
            ("Vitrine, roll-up made", past, "past", DAY),
            ("Vitrine, from the roll-up", past, "next", DAY),
            ("Vitrine, from the roll-up, next day", past, "morrow", tomorrow),
            ("Vitrine, whole, next day", whole, "morrow whole", tomorrow),
            ("Vitrine, everybody's history from the roll-up", histories, "histories", DAY),
        )
    ]
    for one, other in (("whole", "next"), ("morrow", "morrow whole")):
        for entity in ("user", "item", "category", "brand"):
            if (folder / one / f"{entity}.parquet").read_bytes() != (folder / other / f"{entity}.parquet").read_bytes():
                raise SystemExit(f"{one} and {other}: {entity} differs")
    for name in ("pandas", "Polars") if peers else ():
        command = [peers or "", str(ROOT / "scripts" / "bench" / f"features_{name.lower()}.py")]
        results.append((rows, name, run(command, clean, folder / name, DAY, limit)))
        print(f"{compare(folder / 'whole', folder / name):,} values of {name} are Vitrine's", flush=True)
    return results


def table(results: list[Result], limit: str, features: int, millions: Sequence[float]) -> str:
    sizes = " ".join(f"{each:g}" for each in millions)
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC).date()}, copies of the demo shop.",
        f"{os.cpu_count()} cores, shared with other work: at a load of {os.getloadavg()[2]:.0f} at the end.",
        f"Start, imports and reading Parquet are included; `memory_limit` {limit}, which peers do not know.",
        f"Everybody takes the newest version of each event and computes all {features} stored features.",
        "Their values agree as float32; snapshots from a roll-up are the whole ones byte for byte.",
        f"Command: `.venv-dev/bin/python scripts/bench/features.py --millions {sizes} --peers PYTHON --write`",
        "",
        "| | events | seconds | CPU seconds | CPU beside Vitrine, whole | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    whole = {rows: figures[1] for rows, name, figures in results if name == OWN}
    for rows, name, (seconds, cpu, peak) in results:
        lines.append(f"| {name} | {rows:,} | {seconds:.1f} | {cpu:.1f} | {cpu / whole[rows]:.2f} | {peak:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=Path, default=ROOT / "work" / "clean", help="the archive to replicate")
    parser.add_argument("--millions", type=float, nargs="+", default=[1.0, 10.0, 30.0])
    parser.add_argument("--peers", help="a Python that has pandas, polars and pyarrow")
    parser.add_argument("--peers-up-to", type=float, default=10.0, help="millions of events; beyond, Vitrine alone")
    parser.add_argument("--memory-limit", default="1GB")
    parser.add_argument("--below", type=Path, help="where the copies are written")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    from feature_store.registry import registry

    results: list[Result] = []
    stored = sum(f.kind == "stored" for f in registry().values())
    for millions in arguments.millions:
        copies = max(1, round(millions * 1e6 / ROWS_OF_A_COPY))
        with tempfile.TemporaryDirectory(dir=arguments.below) as folder:
            peers = arguments.peers if millions <= arguments.peers_up_to else None
            results += measure(arguments.clean, copies, peers, Path(folder), arguments.memory_limit)
        text = table(results, arguments.memory_limit, stored, arguments.millions)
        print(text, flush=True)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
