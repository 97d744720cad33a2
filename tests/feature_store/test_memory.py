"""What features take of memory is what the settings allow, however much happened."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.feature_store.archive import DAY, NOW, TODAY, Shop, item, user

if TYPE_CHECKING:
    from pathlib import Path

UNTIL = NOW - 4 * DAY
USERS, ITEMS, PARTS = 20_000, 2_000, 8
MADE = """
import datetime as dt, sys
from pathlib import Path
import numpy as np
from feature_store.catalog import build_catalog
from feature_store.engine.duckdb import DuckDb
from feature_store.offline import Archive
from feature_store.rollup import Rollup, write_rollup
folder, today, until, now, users, items = Path(sys.argv[1]), dt.date.fromisoformat(sys.argv[2]), *map(int, sys.argv[3:])
engine = DuckDb("100MB", threads=1, spill=folder / "spill")
past = Rollup(until, folder / "past")
past.folder.mkdir()
write_rollup(past.folder, Archive(folder / "clean", today, engine=engine), until)
names = [f"item {number}" for number in range(items)]
catalog = build_catalog(names, names, dict.fromkeys(("category", "subcategory", "brand"), names))
archive = Archive(folder / "clean", today, past=past, engine=engine)
assert archive.past
history = archive.history(catalog, np.array(sorted(f"user {number}" for number in range(users))), now, folder=folder)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, len(history.item))
"""


def peak_mb(folder: Path, events: int) -> float:
    """What a process takes that rolls up the past of so many events, and writes the histories of all of them."""
    clean = Shop([], [item(f"item {n}") for n in range(ITEMS)], [user(f"user {n}") for n in range(USERS)]).write(
        folder / "clean"
    )
    for part in range(PARTS):
        day = TODAY - dt.timedelta(days=part)
        target = clean / "events" / f"day={day}" / "part.parquet"
        target.parent.mkdir(parents=True)
        number = f"(range * {PARTS} + {part})"
        duckdb.sql(
            f"COPY (SELECT 'event ' || {number} AS event_id, 'purchase' AS kind,"
            f" to_timestamp({NOW - part * DAY} - 1 - hash(range) % {DAY}) AS time,"
            f" 'user ' || hash({number}) % {USERS} AS user_id, 'item ' || hash({number} + 1) % {ITEMS} AS item_id,"
            f" 'basket ' || {number} // 3 AS basket_id, 1.0 AS quantity, hash(range) % 997 / 100.0 AS value,"
            f" 0.0 AS discount, time AS updated_at FROM range({events // PARTS})) TO '{target}' (FORMAT parquet)"
        )
    places = [str(each) for each in (folder, TODAY, UNTIL, NOW, USERS, ITEMS)]
    made = subprocess.run([sys.executable, "-c", MADE, *places], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    peak, told = map(int, made.stdout.split())
    assert told == events
    return peak / 1024


@pytest.mark.slow
def test_a_roll_up_and_histories_of_twice_the_events_take_no_more(tmp_path) -> None:
    """Their arrays alone would be 1.5 million times 25 bytes, several times over where they are sorted or joined."""
    once, twice = (peak_mb(tmp_path / str(events), events) for events in (1_500_000, 3_000_000))
    assert twice - once < 40
