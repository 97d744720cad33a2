"""What features cost a request: the read of the online store, and the matrix of 500 candidates.

    .venv/bin/python scripts/bench/features_request.py            prints the tables
    .venv/bin/python scripts/bench/features_request.py --write    puts them into docs/benchmarks.md
    … --peer PYTHON    beside Feast's `get_online_features` for the same entities and width, in an environment of its
                       own: python3.11 -m venv peer && peer/bin/pip install 'feast[redis]'

Starts a Redis of its own on loopback (`redis-server`) and fills it with made-up users of 400 purchases and 50 views,
which is what The Complete Journey's median household has; the catalog has 20,000 items. CPU is that of the asking
process; Redis' own is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import redis

from feature_store.catalog import build_catalog
from feature_store.history import History
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.online.connect import open_reader, open_writer
from feature_store.online.store import UserRecord, Version
from feature_store.registry import feature_set_id, ranker_features, registry, stored_features
from feature_store.schema import EVENT_KINDS, LEVELS
from feature_store.text import text_vectors
from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recommend import history_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- features request: begin -->", "<!-- features request: end -->"
USERS, ITEMS, CANDIDATES, ROUNDS, WARM = 10_000, 20_000, 500, 500, 30
BOUNDS = {"purchase": 3000, "cart": 200, "view": 500, "click": 300, "impression": 300}
AS_OF = 1_509_926_400
PURCHASES, VIEWS, LINES = 400, 50, 8
OFFERED = 0.3
"""Share of the candidates that one recall source offers."""


def item_side(random: np.random.Generator) -> ItemSide:
    ids = [f"item-{number}" for number in range(ITEMS)]
    groups = {level: [f"{level} {number}" for number in random.integers(0, 300, ITEMS)] for level in LEVELS}
    titles = [f"{one} {other}" for one, other in zip(groups["category"], groups["brand"], strict=True)]
    catalog = build_catalog(ids, titles, groups)

    def values(entity: str, rows: int) -> np.ndarray:
        return random.random((rows, len(stored_features(entity))), np.float32)

    groups_of = [values(level, len(catalog.names[level])) for level in ("category", "brand")]
    return ItemSide(catalog, values("item", ITEMS), *groups_of, text_vectors(catalog))


def record(side: ItemSide, random: np.random.Generator) -> UserRecord:
    """Baskets of eight lines over a year, mostly of the same 150 items, and views of the last week."""
    own = random.choice(ITEMS, 150, replace=False)
    times = np.repeat(np.sort(random.integers(AS_OF - 365 * 86_400, AS_OF, PURCHASES // LINES)), LINES)
    looked = np.sort(random.integers(AS_OF - 7 * 86_400, AS_OF, VIEWS))
    when = np.concatenate([times, looked])
    order = np.argsort(when, kind="stable")
    kind = np.repeat([0, EVENT_KINDS.index("view")], [PURCHASES, VIEWS]).astype(np.uint8)[order]
    items = np.concatenate([random.choice(own, PURCHASES), random.choice(own, VIEWS)])[order]
    ones = np.ones(len(when), np.float32)
    values = random.random(len(stored_features("user")), np.float32)
    return UserRecord(AS_OF, values, side.catalog.keys[items], when[order], kind, ones, ones)


Figures: TypeAlias = tuple[float, float, float, float]
"""p50 and p99 of the wall time of one call, p50 and p10 of its CPU time, in milliseconds."""


def timed(work: Callable[[], object]) -> Figures:
    for _ in range(WARM):
        work()
    taken, cpu = [], []
    for _ in range(ROUNDS):
        started, began = time.perf_counter(), time.process_time()
        work()
        taken.append(time.perf_counter() - started)
        cpu.append(time.process_time() - began)
    return in_milliseconds(taken, cpu)


def in_milliseconds(taken: Sequence[float], cpu: Sequence[float]) -> Figures:
    wall, process = np.quantile(taken, [0.5, 0.99]), np.quantile(cpu, [0.5, 0.1])
    return 1e3 * float(wall[0]), 1e3 * float(wall[1]), 1e3 * float(process[0]), 1e3 * float(process[1])


@contextmanager
def own_redis() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            client = redis.Redis(port=port)
            for _ in range(100):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            try:
                yield port
            finally:
                client.close()
                server.kill()


def fill(port: int, records: Sequence[UserRecord]) -> tuple[float, float, float]:
    """Users per second, packed bytes per user, and what Redis takes of memory per user."""
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis(port=port) as client:
        before = client.info("memory")["used_memory"]
        started = time.perf_counter()
        users = ((f"household {user}", records[user % len(records)]) for user in range(USERS))
        size = open_writer(url, "bench").write(Version(feature_set_id(), "bench", AS_OF, USERS), users)
        seconds = time.perf_counter() - started
        return USERS / seconds, size / USERS, (client.info("memory")["used_memory"] - before) / USERS


def read(port: int) -> Figures:
    """As `timed`, of one read; each of another user."""
    random = np.random.default_rng(5)

    async def work() -> Figures:
        reader = open_reader(f"redis://127.0.0.1:{port}/0", "bench", 2_000, BOUNDS)
        for _ in range(WARM):
            await reader.read("household 1")
        taken, cpu = [], []
        for user in random.integers(0, USERS, 4 * ROUNDS):
            started, began = time.perf_counter(), time.process_time()
            await reader.read(f"household {user}")
            taken.append(time.perf_counter() - started)
            cpu.append(time.process_time() - began)
        await reader.close()
        return in_milliseconds(taken, cpu)

    return asyncio.run(work())


def request(side: ItemSide, known: UserRecord, random: np.random.Generator) -> tuple[Rows, UserSide]:
    history: History = history_of(known, side)
    items = np.sort(random.choice(ITEMS, CANDIDATES, replace=False)).astype(np.int32)
    recall = {}
    for name in SOURCES:
        scores = random.random(CANDIDATES).astype(np.float32)
        recall[name] = np.where(random.random(CANDIDATES) < OFFERED, scores, np.float32(np.nan))
    rows = Rows(np.zeros(CANDIDATES, np.int32), items, recall)
    return rows, UserSide(known.values[None, :], history, np.array([AS_OF], np.int64))


PEER = r"""
import json, sys, tempfile, time, pathlib, datetime as dt
import numpy as np, pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.repo_config import RepoConfig
from feast.types import Float32
port, users, items, user_width, item_width, candidates, rounds = map(int, sys.argv[1:])
folder = pathlib.Path(tempfile.mkdtemp())
random = np.random.default_rng(1)
now = dt.datetime(2017, 11, 6, tzinfo=dt.timezone.utc)
store = FeatureStore(config=RepoConfig(project="bench", provider="local", registry=str(folder / "registry.db"),
    online_store={"type": "redis", "connection_string": f"localhost:{port}"}, offline_store={"type": "file"},
    entity_key_serialization_version=3))
names = {}
for name, rows, width in (("user", users, user_width), ("item", items, item_width)):
    columns = {f"{name}_{at}": random.random(rows).astype("float32") for at in range(width)}
    frame = pd.DataFrame({f"{name}_id": np.arange(rows), "event_timestamp": now, **columns})
    frame.to_parquet(folder / f"{name}.parquet")
    entity = Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64)
    view = FeatureView(name=f"{name}_view", entities=[entity], ttl=dt.timedelta(days=0),
        schema=[Field(name=column, dtype=Float32) for column in columns],
        source=FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp"))
    store.apply([entity, view])
    store.write_to_online_store(f"{name}_view", frame)
    names[name] = [f"{name}_view:{column}" for column in columns]
taken, cpu = [], []
for at in range(rounds + 3):
    asked = [{"user_id": at, "item_id": int(item)} for item in random.choice(items, candidates, replace=False)]
    started, began = time.perf_counter(), time.process_time()
    answer = store.get_online_features(features=names["user"] + names["item"], entity_rows=asked).to_dict()
    if at >= 3:
        taken.append(time.perf_counter() - started)
        cpu.append(time.process_time() - began)
assert answer["item_0"][0] is not None
p50, p99 = np.quantile(taken, [0.5, 0.99])
import feast
process = 1e3 * np.quantile(cpu, [0.5, 0.1])
found = {"p50": 1e3 * p50, "p99": 1e3 * p99, "cpu": process[0], "least": process[1]}
print(json.dumps({**found, "version": feast.__version__}))
"""


def peer(python: str, port: int) -> dict[str, float]:
    """Feast's own answer for the stored features of 500 pairs: what the gather and the store read are here."""
    widths = [len(stored_features("user")), sum(len(stored_features(each)) for each in ("item", "category", "brand"))]
    arguments = [port, 200, 2_000, *widths, CANDIDATES, 30]
    command = [python, "-W", "ignore", "-c", PEER, *map(str, arguments)]
    environment = {**os.environ, "FEAST_USAGE": "False", "IS_TEST": "True"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr[-2_000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(peer_python: str | None) -> str:
    random = np.random.default_rng(1)
    side = item_side(random)
    records = [record(side, random) for _ in range(200)]
    names, features = ranker_features(), registry()
    stored = [name for name in names if features[name].kind == "stored"]
    rows, user = request(side, records[0], random)
    visit = History(
        user.history.offsets,
        user.history.item,
        np.where(
            np.arange(len(user.history.time)) >= len(user.history.time) - VIEWS // 5, AS_OF - 60, user.history.time
        ),
        user.history.kind,
        user.history.quantity,
        user.history.value,
    )
    going_on = UserSide(user.values, visit, user.asked_at)
    with own_redis() as port:
        per_second, packed, taken = fill(port, records)
        got = read(port)
        feast = peer(peer_python, port) if peer_python else None
    unpacked = timed(lambda: history_of(records[0], side))
    gathered = timed(lambda: assemble(stored, features, side, user, rows))
    whole = timed(lambda: assemble(names, features, side, user, rows))
    visiting = timed(lambda: assemble(names, features, side, going_on, rows))
    functions = [whole[at] - gathered[at] for at in range(4)]
    lines = [
        (
            f"Measured on {dt.datetime.now(dt.UTC).date()}, {os.cpu_count()} cores at a load of"
            f" {os.getloadavg()[0]:.0f}; one process asks, Redis on loopback."
        ),
        (
            f"{CANDIDATES} candidates, {len(names)} features ({len(stored)} stored), {ITEMS:,} items, {USERS:,} users"
            f" of {PURCHASES + VIEWS} events; {ROUNDS} requests, {4 * ROUNDS:,} reads."
        ),
        f"Command: `.venv/bin/python scripts/bench/features_request.py{' --peer PYTHON' if feast else ''} --write`",
        "",
        "CPU is that of the asking process; what shares its cores doubles it at times: p10 is what is left without.",
        "",
        "| part of a request | p50 ms | p99 ms | CPU ms, p50 | CPU ms, p10 |",
        "|---|---:|---:|---:|---:|",
        row("store read: pointer, vector, history, what was done since; unpacked", got),
        row("history in rows of the catalog", unpacked),
        row(f"gather of {len(stored)} stored features", gathered),
        row(f"{len(names) - len(stored)} request functions (the matrix less the gather)", functions),
        row("the matrix", whole),
        row(f"the matrix while a visit of {VIEWS // 5} events goes on", visiting),
    ]
    if feast is not None:
        ours = got[0] + gathered[0]
        lines += [
            row(
                f"Feast {feast['version']}: the same stored features of {CANDIDATES} pairs from Redis",
                (feast["p50"], feast["p99"], feast["cpu"], feast["least"]),
            ),
            "",
            (
                f"Feast takes {feast['p50'] / ours:,.0f} times as long as store read and gather together"
                f" ({feast['cpu'] / (got[2] + gathered[2]):,.0f} times the CPU)."
            ),
        ]
    lines += [
        "",
        f"A sync of these: {per_second:,.0f} users a second; {packed:,.0f} bytes a user packed, {taken:,.0f} in Redis.",
    ]
    return "\n".join(lines)


def row(name: str, numbers: Sequence[float]) -> str:
    return f"| {name} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the Python of an environment with feast[redis]")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    table = measure(arguments.peer)
    print(table)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.partition(BEGIN)[0], page.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
