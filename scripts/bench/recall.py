"""What it takes to fit each recall source: CPU seconds and peak memory, on the default run's data and on ten times it.

    .venv/bin/python scripts/bench/recall.py                 prints the tables
    .venv/bin/python scripts/bench/recall.py --write         puts them into docs/benchmarks.md

Needs what `./scripts/run_pipeline.sh` leaves in the work folder. Ten times: ten copies of each household, in nine of
which a fifth of the events are with an item drawn from all events. Co-occurrence is measured too on 3 million lines of
100 thousand users over 200 thousand items, popular as by Zipf's law, beside the cosine item-kNN of `implicit`.
Each fit has a process of its own; memory is the highest resident set of the fit above what the data took before.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from feature_store.catalog import Catalog
    from feature_store.history import History

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- recall: begin -->", "<!-- recall: end -->"
DEFAULT, TENFOLD, WIDE = "default run", "10 times", "3 M x 200 k"
PEER = "implicit cosine item-kNN"
MEGABYTE = 1024 * 1024


def default_shop() -> tuple[History, Catalog, int]:
    """History, catalog and moment of the last run of the configured day."""
    from feature_store.history_files import read_history
    from feature_store.snapshot import read_snapshot
    from pipeline.configuration import load_settings

    settings = load_settings()
    if settings.day is None or not (folder := settings.workspace.features(settings.day)).is_dir():
        sys.exit("expected the snapshot of the configured day, found none: run ./scripts/run_pipeline.sh")
    snapshot = read_snapshot(folder)
    catalog = snapshot.item_side.catalog
    catalog.text  # noqa: B018 - computed once, as in a run, and kept with the catalog
    return read_history(folder), catalog, snapshot.as_of


def tenfold(history: History) -> History:
    from feature_store.history import build_history

    random, parts = np.random.default_rng(10), []
    for copy in range(10):
        item = history.item.copy()
        other = random.random(len(item)) < 0.2 * (copy > 0)
        item[other] = random.choice(history.item, int(other.sum()))
        parts.append((history.user + copy * history.users, item))
    user, item = (np.concatenate(column) for column in zip(*parts, strict=True))
    rest = (np.tile(column, 10) for column in (history.time, history.kind, history.quantity, history.value))
    return build_history(user, item, *rest, users=10 * history.users)


def wide_shop() -> tuple[History, Catalog, int]:
    """3 million lines within a year, no groups and no titles."""
    from feature_store.catalog import Catalog
    from feature_store.history import build_history
    from feature_store.schema import LEVELS

    random, users, items, lines, now = np.random.default_rng(3), 100_000, 200_000, 3_000_000, 1_509_926_400
    chance = 1 / np.arange(1, items + 1) ** 0.8
    item = random.permutation(items)[random.choice(items, lines, p=chance / chance.sum())]
    time_ = now - random.integers(1, 365 * 86_400, lines)
    ones = np.ones(lines)
    history = build_history(random.integers(users, size=lines), item, time_, 0 * item, ones, ones, users=users)
    ids = np.arange(items).astype(str)
    nothing = {level: np.zeros(items, np.int32) for level in LEVELS}
    names = {level: np.array([""]) for level in LEVELS}
    return history, Catalog(np.arange(items), ids, ids, nothing, names, np.ones(items, bool)), now


def resident(name: str) -> int:
    """Bytes of this process: VmRSS now, or VmHWM at most since it was last cleared."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def fit(name: str, history: History, catalog: Catalog, as_of: int) -> int:
    """Fit what is to be measured; bytes of its index."""
    from pipeline.recommender.recall import SOURCES

    if name != PEER:
        return sum(array.nbytes for array in SOURCES[name].fit(history, catalog, as_of).arrays().values())
    from implicit.nearest_neighbours import CosineRecommender
    from scipy import sparse

    from pipeline.recommender.recall.interest import HABIT, tastes

    baskets = sparse.csr_matrix(tastes(history, len(catalog), as_of, HABIT))
    model = CosineRecommender(K=50, num_threads=1)
    model.fit(baskets, show_progress=False)
    return int(model.similarity.data.nbytes + model.similarity.indices.nbytes + model.similarity.indptr.nbytes)


def measure(name: str, shop: Path) -> dict[str, float]:
    """In a process of its own: CPU seconds, seconds, bytes above the data at the highest, bytes of the index."""
    history, catalog, as_of = pickle.loads(shop.read_bytes())  # noqa: S301 - written by the parent a moment ago
    history.user  # noqa: B018 - computed once, whoever asks first
    Path("/proc/self/clear_refs").write_text("5")
    before, started, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    size = fit(name, history, catalog, as_of)
    return {
        "cpu": time.process_time() - cpu,
        "seconds": time.perf_counter() - started,
        "memory": resident("VmHWM") - before,
        "index": size,
    }


def apart(name: str, shop: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, str(shop)],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(name, shop.name, found, file=sys.stderr, flush=True)
    return found


def table(rows: dict[str, dict[str, dict[str, float]]], sizes: dict[str, str]) -> str:
    """One row a source; a cell is empty where it was not measured."""
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC).date()} with {os.cpu_count()} shared cores, one thread of BLAS.",
        *(f"{name}: {text}." for name, text in sizes.items()),
        "Command: `.venv/bin/python scripts/bench/recall.py --write`",
        "",
        f"| source | {' | '.join(f'{size}: CPU s | peak MB | index MB' for size in sizes)} |",
        f"|---|{'---:|' * 3 * len(sizes)}",
    ]
    for name, found in rows.items():
        cells = [
            f"{cell['cpu']:.1f} | {cell['memory'] / MEGABYTE:,.0f} | {cell['index'] / MEGABYTE:,.1f}"
            if (cell := found.get(size))
            else " | | "
            for size in sizes
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], Path(arguments.one[1]))))
        return
    from pipeline.recommender.recall import SOURCES

    names = {DEFAULT: [*SOURCES, PEER], TENFOLD: [*SOURCES, PEER], WIDE: ["itemcf", PEER]}
    rows: dict[str, dict[str, dict[str, float]]] = {name: {} for name in names[DEFAULT]}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        history, catalog, as_of = default_shop()
        for size, measured in names.items():
            shop = Path(folder) / "shop"
            data = {
                DEFAULT: lambda: (history, catalog, as_of),
                TENFOLD: lambda: (tenfold(history), catalog, as_of),
                WIDE: wide_shop,
            }[size]()
            shop.write_bytes(pickle.dumps(data))
            sizes[size] = f"{len(data[0].item):,} events, {data[0].users:,} users, {len(data[1]):,} items"
            del data
            for name in measured:
                rows[name][size] = apart(name, shop)
    text = table(rows, sizes)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
