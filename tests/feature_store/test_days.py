"""A day ends at the shop's midnight, also on days of 23 and 25 hours."""

from __future__ import annotations

import datetime as dt

import pytest

from feature_store.days import end_of_day, partition_day
from feature_store.engine.duckdb import DuckDb
from feature_store.offline import Archive
from feature_store.snapshot import compute_snapshot
from tests.feature_store.archive import Shop, event

HOUR = 3600


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", "2017-03-12", 24),
        ("Asia/Shanghai", "2017-03-12", 24),
        ("America/Los_Angeles", "2017-03-12", 23),
        ("America/Los_Angeles", "2017-11-05", 25),
    ],
)
def test_a_day_has_as_many_hours_as_the_clock_shows(zone, day, hours) -> None:
    date = dt.date.fromisoformat(day)
    assert end_of_day(date, zone) - end_of_day(date - dt.timedelta(days=1), zone) == hours * HOUR


@pytest.mark.parametrize(
    ("zone", "ends", "partition"),
    [
        ("Asia/Shanghai", "2017-11-05T16:00:00+00:00", "2017-11-05"),
        ("America/Los_Angeles", "2017-11-06T08:00:00+00:00", "2017-11-06"),
    ],
)
def test_what_happens_before_the_shops_midnight_belongs_to_its_day(zone, ends, partition, tmp_path) -> None:
    """The clock went back in Los Angeles that morning."""
    end, day = dt.datetime.fromisoformat(ends), dt.date(2017, 11, 5)
    assert partition_day(end_of_day(day, zone) - 1) == dt.date.fromisoformat(partition)
    rows = [
        event(name, "milk", 0, time=end + dt.timedelta(seconds=seconds))
        for name, seconds in (("before", -1), ("after", 0), ("a week before", -7 * 24 * HOUR), ("earlier", -604_801))
    ]
    clean = Shop(rows).write(tmp_path / "clean")
    archive = Archive(clean, day + dt.timedelta(days=1), day=day, timezone=zone, engine=DuckDb(threads=1))
    table = compute_snapshot(archive, day)["item"]
    archive.close()
    assert table["item_buyer_count"].to_pylist() == [3]
    assert table["item_buyer_count_7d"].to_pylist() == [2]
    assert table["item_line_count_1d"].to_pylist() == [1]
