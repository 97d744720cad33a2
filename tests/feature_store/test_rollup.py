"""A snapshot that goes on from a roll-up is the one that reads everything, to the bit, whatever was told when."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.engine.duckdb import DuckDb
from feature_store.offline import Archive
from feature_store.rollup import Rollup, last_monday, told_before, write_rollup
from feature_store.snapshot import compute_snapshot
from feature_store.views import reach_days
from tests.feature_store.archive import DAY, NOW, TODAY, Shop, event, item, moment, random_shop, user, write

MONDAY = last_monday(NOW, 30)
EARLIER = MONDAY - 5 * 7 * DAY


def history(told: list[tuple]) -> Shop:
    """Purchases and views of a few people, told in time, late, or again with another amount; some at a boundary."""
    events = []
    for number, (who, what, half_days, boundary, late, kind, quantity, again) in enumerate(told):
        time = moment(0) - dt.timedelta(seconds=half_days * DAY // 2 + 1)
        if boundary is not None:
            time = dt.datetime.fromtimestamp(boundary, dt.UTC)
        known = min(time + dt.timedelta(days=late), moment(0) - dt.timedelta(seconds=1))
        row = event(f"user {who}", f"item {what}", 0, time=time, event_id=f"{number}", kind=kind)
        row |= {"quantity": quantity, "updated_at": known}
        events.append(row)
        if again:
            events.append(row | {"quantity": 9.5, "updated_at": known + (moment(0) - known) / 2})
    return Shop(events, [item(f"item {number}") for number in range(5)], [user("user 1")])


EVENTS = st.tuples(
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 120),
    st.sampled_from([None, None, None, MONDAY - 1, MONDAY, EARLIER - 1, EARLIER]),
    st.sampled_from([0, 0, 1, 60]),
    st.sampled_from(["purchase", "purchase", "view"]),
    st.sampled_from([1.0, 0.1, 0.317]),
    st.booleans(),
)
"""User, item, half days ago, or a moment at a boundary; days late, kind, pieces, whether told again."""


def open_archive(clean, past=None) -> Archive:
    return Archive(clean, TODAY, past=past, engine=DuckDb(threads=1))


def rolled_up(clean, until: int, past: Rollup | None = None) -> Rollup:
    folder = clean.parent / f"before={until}{'' if past is None else ' from another'}"
    folder.mkdir()
    archive = open_archive(clean, past)
    write_rollup(folder, archive, until)
    archive.close()
    return Rollup(until, folder)


def known(archive: Archive) -> tuple[list, ...]:
    """Everything that may come from a roll-up."""
    told = archive.ever(NOW)
    with archive.log() as log:
        parts = (told.pairs, told.gaps, log)
        return tuple(archive.frame(rows.order_by(rows.columns)).to_pylist() for rows in parts)


FIRST, LAST = ((0, 0, 0, moment, 0, "purchase", 1.0, False) for moment in (EARLIER - DAY, MONDAY + DAY))


@given(told=st.lists(EVENTS, max_size=30))
@settings(max_examples=10, deadline=None, database=None, derandomize=True)
def test_a_roll_up_and_what_came_after_it_are_the_whole(told) -> None:
    with TemporaryDirectory() as folder:
        clean = history([FIRST, *told, LAST]).write(Path(folder) / "clean")
        wanted = read_whole(clean)
        first = rolled_up(clean, EARLIER)
        for past in (first, rolled_up(clean, MONDAY, first)):
            archive = open_archive(clean, past)
            assert archive.past == past
            assert known(archive) == wanted
            archive.close()


A_YEAR = EVENTS.map(lambda told: (*told[:2], told[2] * 5, None, *told[4:]))
"""The same over 300 days, so that windows end before, at and after the roll-up."""


@given(told=st.lists(A_YEAR, min_size=1, max_size=40))
@settings(max_examples=8, deadline=None, database=None, derandomize=True)
def test_the_next_day_from_a_roll_up_is_the_whole_next_day_whatever_happened(told) -> None:
    """Rolled up for today, used for tomorrow, which told of more: every stored feature of everybody."""
    tomorrow, until = TODAY + dt.timedelta(days=1), last_monday(NOW, reach_days())
    long_ago = (0, 0, 2 * 290, None, 0, "purchase", 1.0, False)
    with TemporaryDirectory() as folder:
        clean = history([long_ago, *told]).write(Path(folder) / "clean")
        past = rolled_up(clean, until)
        write(clean, "events", [event(f"user {who}", f"item {what}", -0.5) for who, what, *_ in told[:5]])
        snapshots = []
        for known_before in (None, past):
            archive = Archive(clean, tomorrow, past=known_before, engine=DuckDb(threads=1))
            assert archive.past == known_before
            snapshots.append(compute_snapshot(archive, tomorrow))
            archive.close()
        assert snapshots[0] == snapshots[1]


def read_whole(clean):
    archive = open_archive(clean)
    found = known(archive)
    archive.close()
    return found


def test_events_since_then_are_read_alone(tmp_path) -> None:
    clean = Shop([event("anna", "milk", 100), event("anna", "milk", 60.5), event("anna", "milk", 1)]).write(
        tmp_path / "clean"
    )
    past = rolled_up(clean, MONDAY)
    archive = open_archive(clean, past)
    assert archive.frame(archive.events).num_rows == 1
    ((row,), gaps, log) = known(archive)
    assert (row["lines"], row["last"] - row["first"]) == (3, 99 * DAY)
    assert sorted(gap["gap"] / DAY for gap in gaps) == [39.5, 59.5]
    assert len(log) == 3
    archive.close()


class Counting(DuckDb):
    """Remembers which files it was asked to read of a table."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.read: dict[str, set[str]] = {}

    def rows(self, name, files, moment):
        self.read.setdefault(name, set()).update(files)
        return super().rows(name, files, moment)


def test_the_next_day_reads_only_what_came_after_the_roll_up_and_is_the_whole_day(tmp_path) -> None:
    days, until = 200, last_monday(NOW, reach_days())
    clean = Shop([event("anna", "milk", days_ago - 0.5) for days_ago in range(days)]).write(tmp_path / "clean")
    past, tomorrow = rolled_up(clean, until), TODAY + dt.timedelta(days=1)
    read, snapshots = [], []
    for known_before in (None, past):
        archive = Archive(clean, tomorrow, past=known_before, engine=Counting())
        snapshots.append(compute_snapshot(archive, tomorrow))
        read.append((len(archive.engine.read["events"]), archive.frame(archive.events).num_rows))
        archive.close()
    since = int((NOW - until) / DAY) + 1
    assert read == [(days, days), (since, since)]
    assert since < days - 90
    assert snapshots[0] == snapshots[1]


def test_an_event_that_moved_across_the_boundary_counts_once(tmp_path) -> None:
    told = event("anna", "milk", 100)
    moved = told | {"time": moment(2), "updated_at": moment(1)}
    clean = Shop([told, event("anna", "milk", 3)]).write(tmp_path / "clean")
    past = rolled_up(clean, MONDAY)
    write(clean, "events", [moved])
    archive = open_archive(clean, past)
    assert archive.past is None
    assert [row["lines"] for row in known(archive)[0]] == [2]
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
