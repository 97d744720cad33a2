"""A snapshot that goes on from a roll-up is the one that reads everything, to the bit, whatever was told when."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from feature_store.engine.duckdb import DuckDb
from feature_store.eventlog import read_log, write_log
from feature_store.offline import Archive
from feature_store.rollup import Rollup, last_monday, told_before, write_rollup
from feature_store.snapshot import compute_snapshot
from feature_store.views import reach_days
from tests.feature_store.archive import DAY, NOW, TODAY, Shop, event, item, moment, random_shop, user, write

MONDAY = last_monday(NOW, 30)
EARLIER = MONDAY - 5 * 7 * DAY


def random_history(seed: int, clean) -> None:
    """Purchases and views of a few people, told in time, late, or again with another amount; some at a boundary."""
    random = np.random.default_rng(seed)
    events = []
    for number in range(150):
        time = moment(0) - dt.timedelta(seconds=int(random.integers(1, 120)) * DAY // 2 + 1)
        if number % 10 == 0:
            time = dt.datetime.fromtimestamp(int(random.choice([MONDAY, EARLIER])) - number // 10 % 2, dt.UTC)
        late = dt.timedelta(days=float(random.choice([0, 0, 0, 1, 60])))
        told = min(time + late, moment(0) - dt.timedelta(seconds=1))
        row = event(f"user {random.integers(4)}", f"item {random.integers(5)}", 0, time=time, event_id=f"{number}")
        row |= {"kind": str(random.choice(["purchase", "purchase", "view"])), "updated_at": told}
        row |= {"quantity": float(random.choice([1, 0.1, 0.317]))}
        events.append(row)
        if number % 7 == seed % 7:
            events.append(row | {"quantity": 9.5, "updated_at": told + (moment(0) - told) / 2})
    Shop(events, [item(f"item {number}") for number in range(5)], [user("user 1")]).write(clean)


def open_archive(clean, past=None) -> Archive:
    return Archive(clean, TODAY, past=past, engine=DuckDb(threads=1))


def rolled_up(clean, until: int, past: Rollup | None = None) -> Rollup:
    folder = clean.parent / f"before={until}{'' if past is None else ' from another'}"
    folder.mkdir()
    archive = open_archive(clean, past)
    write_rollup(folder, archive, until)
    archive.close()
    return Rollup(until, folder)


def known(archive: Archive) -> tuple[list, list, dict[str, list]]:
    """Everything that may come from a roll-up."""
    told = archive.ever(NOW)
    pairs, gaps = (archive.frame(rows.order_by(rows.columns)).to_pylist() for rows in (told.pairs, told.gaps))
    return pairs, gaps, {name: column.tolist() for name, column in vars(archive.log).items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_roll_up_and_what_came_after_it_are_the_whole(seed, tmp_path) -> None:
    random_history(seed, tmp_path / "clean")
    whole = open_archive(tmp_path / "clean")
    wanted = known(whole)
    whole.close()
    first = rolled_up(tmp_path / "clean", EARLIER)
    for past in (first, rolled_up(tmp_path / "clean", MONDAY, first)):
        archive = open_archive(tmp_path / "clean", past)
        assert archive.past == past
        assert known(archive) == wanted
        archive.close()


def test_events_since_then_are_read_alone(tmp_path) -> None:
    clean = Shop([event("anna", "milk", 100), event("anna", "milk", 60.5), event("anna", "milk", 1)]).write(
        tmp_path / "clean"
    )
    past = rolled_up(clean, MONDAY)
    archive = open_archive(clean, past)
    assert archive.frame(archive.events).num_rows == 1
    ((row,), gaps, log) = known(archive)
    assert (row["baskets"], row["last"] - row["first"]) == (3, 99 * DAY)
    assert sorted(gap["gap"] / DAY for gap in gaps) == [39.5, 59.5]
    assert len(log["seconds"]) == 3
    archive.close()


def test_an_event_that_moved_across_the_boundary_counts_once(tmp_path) -> None:
    told = event("anna", "milk", 100)
    moved = told | {"time": moment(2), "updated_at": moment(1)}
    clean = Shop([told, event("anna", "milk", 3)]).write(tmp_path / "clean")
    past = rolled_up(clean, MONDAY)
    write(clean, "events", [moved])
    archive = open_archive(clean, past)
    assert archive.past is None
    assert [row["baskets"] for row in known(archive)[0]] == [2]
    archive.close()


def test_a_late_event_is_among_what_a_roll_up_is_made_from(tmp_path) -> None:
    clean = Shop([event("anna", "milk", 100), event("anna", "milk", 1)]).write(tmp_path / "clean")
    before = told_before(clean, MONDAY, TODAY)
    assert [name for name in before if name != "feature_set"] == [f"events/{moment(100).date()}"]
    write(clean, "events", [event("anna", "tea", 2)])
    assert told_before(clean, MONDAY, TODAY) == before
    write(clean, "events", [event("anna", "tea", 99, updated_at=moment(0.5))])
    assert told_before(clean, MONDAY, TODAY).keys() - before.keys() == {f"events/{TODAY}"}


def test_a_snapshot_is_the_same_with_and_without(tmp_path) -> None:
    shop = random_shop(5, users=9, items=20, baskets=120)
    clean = shop.write(tmp_path / "clean")
    whole, folder = open_archive(clean), last_monday(NOW, reach_days())
    wanted = compute_snapshot(whole, TODAY)
    whole.close()
    archive = open_archive(clean, rolled_up(clean, folder))
    assert archive.past is not None
    assert compute_snapshot(archive, TODAY) == wanted
    archive.close()


def test_the_last_monday_lies_so_many_days_back() -> None:
    for days in (0, 1, 6.5, 91):
        found = dt.datetime.fromtimestamp(last_monday(NOW, days), dt.UTC)
        assert (found.weekday(), found.hour, found.minute) == (0, 0, 0)
        assert days <= (NOW - found.timestamp()) / DAY < days + 7
    assert last_monday(NOW, float("inf")) is None


def test_a_log_is_read_as_it_was_written(archive, tmp_path) -> None:
    write_log(tmp_path / "log.parquet", archive.log)
    read = read_log(tmp_path / "log.parquet")
    for name, column in vars(archive.log).items():
        assert (column == getattr(read, name)).all()
