"""A day of which something was told later is made again, as if it had been told in time; other days stay."""

from __future__ import annotations

import datetime as dt

import pytest

from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline.knowledge import open_archive, purchased
from pipeline.locks import day_lock
from pipeline.stages.features import features, stale_days
from tests.feature_store.archive import TODAY, Shop, event, item, moment, price, user, write

YESTERDAY = TODAY - dt.timedelta(days=1)
SHOP = Shop(
    [event("anna", "milk", 3.5), event("bert", "bread", 1.5), event("anna", "bread", 0.5)],
    [item("milk", "dairy"), item("bread", "bakery")],
    [user("anna"), user("bert")],
    [price("milk", 2.0, 9)],
)
LATE = event("bert", "milk", 1.25, value=7.0)
"""Happened yesterday."""


@pytest.fixture
def ours(settings):
    made = settings()
    SHOP.write(made.workspace.clean)
    return made


def files(folder) -> dict[str, bytes]:
    made = (path for path in folder.rglob("*") if path.is_file() and path.name != "made_from.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in made}


def test_a_back_dated_event_makes_its_day_again_as_if_it_had_come_in_time(ours, settings, tmp_path) -> None:
    for day in (YESTERDAY - dt.timedelta(days=1), YESTERDAY):
        features(day, ours)
    before = files(ours.workspace.features(YESTERDAY))
    untouched = ours.workspace.features(YESTERDAY - dt.timedelta(days=1)).stat().st_ino
    write(ours.workspace.clean, "events", [SHOP.events[2], LATE | {"updated_at": moment(0.25)}], TODAY)
    assert stale_days(TODAY, ours) == [YESTERDAY]

    assert features(TODAY, ours).counts["days made again"] == 1

    in_time = settings(work_dir=tmp_path / "in time")
    Shop([*SHOP.events, LATE], SHOP.items, SHOP.users, SHOP.prices).write(in_time.workspace.clean)
    features(YESTERDAY, in_time)
    again = files(ours.workspace.features(YESTERDAY))
    assert again == files(in_time.workspace.features(YESTERDAY)) != before
    assert ours.workspace.features(YESTERDAY - dt.timedelta(days=1)).stat().st_ino == untouched
    assert stale_days(TODAY, ours) == []


def test_what_the_source_says_of_items_later_does_not_reach_an_earlier_day(ours) -> None:
    features(YESTERDAY, ours)
    before = files(ours.workspace.features(YESTERDAY))
    write(ours.workspace.clean, "items", [item("milk", "drinks", updated_at=moment(0.5))], TODAY)
    assert stale_days(TODAY, ours) == []
    write(ours.workspace.clean, "events", [SHOP.events[2], LATE | {"updated_at": moment(0.25)}], TODAY)
    features(TODAY, ours)
    after = files(ours.workspace.features(YESTERDAY))
    assert after["category.parquet"] != before["category.parquet"]
    assert b"drinks" not in after["category.parquet"]


def test_a_new_day_makes_no_other_stale(ours) -> None:
    features(YESTERDAY, ours)
    assert features(TODAY, ours).counts["days made again"] == 0


def test_a_rewritten_partition_and_other_code_make_a_day_stale(ours) -> None:
    features(YESTERDAY, ours)
    write(ours.workspace.clean, "events", [SHOP.events[0] | {"value": 5.0}])
    assert stale_days(TODAY, ours) == [YESTERDAY]
    features(YESTERDAY, ours)
    record = ours.workspace.features(YESTERDAY) / "made_from.json"
    record.write_text(record.read_text().replace('"feature_set": "', '"feature_set": "0'))
    assert stale_days(TODAY, ours) == [YESTERDAY]


def test_a_day_beyond_the_horizon_or_held_by_another_run_is_left(ours, settings) -> None:
    features(YESTERDAY, ours)
    (ours.workspace.features(YESTERDAY) / "made_from.json").unlink()
    assert stale_days(TODAY, settings(compute={"stale_days": 0})) == []
    with day_lock(YESTERDAY, ours):
        assert features(TODAY, ours).counts["days made again"] == 0
    assert stale_days(TODAY, ours) == [YESTERDAY]


@pytest.mark.parametrize(("zone", "known"), [("Asia/Shanghai", ["anna"]), ("America/Los_Angeles", ["anna", "bert"])])
def test_a_day_ends_at_the_shops_midnight_and_training_asks_then(zone, known, settings) -> None:
    """Bert bought at 04:00 UTC of the next day, which was the evening before in Los Angeles."""
    made = settings(timezone=zone)
    shop = Shop([event("anna", "milk", 0.5), event("bert", "milk", -1 / 6)], users=[user("anna"), user("bert")])
    shop.write(made.workspace.clean)
    features(TODAY, made)
    snapshot = read_snapshot(made.workspace.features(TODAY))
    history = read_history(made.workspace.features(TODAY))
    assert snapshot.as_of == made.end_of(TODAY)
    assert [name for row, name in enumerate(snapshot.users) if len(history.of(row).item)] == known
    assert stale_days(TODAY + dt.timedelta(days=1), made) == []
    tomorrow = TODAY + dt.timedelta(days=1)
    with open_archive(tomorrow, made, since=tomorrow) as archive:
        assert sorted(purchased(archive, tomorrow, tomorrow)) == sorted({"anna", "bert"} - set(known))
    assert stale_days(tomorrow, settings(timezone="UTC")) == [TODAY]
