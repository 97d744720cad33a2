"""What users do between two syncs, in every store: kept once, bounded, read after the snapshot, not lost by a sync."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from feature_store.errors import OnlineStoreError
from feature_store.history import History
from feature_store.online.connect import open_history
from feature_store.online.forget import forget_user
from feature_store.online.recent import KEEP_SECONDS, RECENT, Event, appended, rows_by_user
from feature_store.online.store import Found
from feature_store.registry import stored_features
from feature_store.schema import EVENT_KINDS, item_keys
from tests.feature_store.online.stores import BOUNDS

NOW = 2_000
"""After the moment of the snapshots here, 1000."""


def view(number: int, time: int = NOW, kind: str = "view", user: str = "a") -> Event:
    return Event(f"{kind}-{number}", user, kind, f"item {number}", time, 1.0, float(number))


def test_what_is_appended_is_read_after_the_snapshot_once_per_event_id(store) -> None:
    store.write("v1", ["a", "b"], 1.0)
    assert store.append(view(1), view(2, NOW + 1), view(1)) == 2
    assert store.append(view(2, NOW + 9), view(3, NOW - 5), view(3, user="b")) == 2
    record = store.find().record
    assert record.time.tolist() == [10, 11, 12, NOW - 5, NOW, NOW + 1]
    assert record.item[3:].tolist() == item_keys(["item 3", "item 1", "item 2"]).tolist()
    assert record.value[3:].tolist() == [3.0, 1.0, 2.0]
    assert {EVENT_KINDS[code] for code in record.kind[3:]} == {"view"}
    assert len(np.frombuffer(store.find().recent, RECENT)) == 3
    assert store.find("b").record.time.tolist() == [10, 11, 12, NOW]


def test_of_each_kind_the_latest_stay(store) -> None:
    store.write("v1", ["a"], 1.0)
    for number in range(8):
        store.append(view(number, NOW + number), view(number, NOW, "cart") if number < 2 else view(0, NOW, "cart"))
    kept = np.frombuffer(store.find().recent, RECENT)
    assert kept["time"][kept["kind"] == EVENT_KINDS.index("view")].tolist() == [NOW + n for n in range(3, 8)]
    assert (kept["kind"] == EVENT_KINDS.index("cart")).sum() == 2


def test_a_reader_keeps_the_bound_of_snapshot_and_recent_together_as_training_does(store) -> None:
    store.write("v1", ["a"], 1.0)  # three purchases
    store.append(*(view(number, NOW + number % 2, "purchase") for number in range(4)))
    record = store.find().record
    everything = store.find(bounds={"purchase": 100}).record
    columns = (everything.item, everything.time, everything.kind, everything.quantity, everything.value)
    latest = History(np.array([0, 7]), *columns).latest(BOUNDS)
    assert record.time.tolist() == latest.time.tolist() == [12, NOW, NOW, NOW + 1, NOW + 1]
    assert record.item.tolist() == latest.item.tolist()


def test_appends_survive_a_sync_and_what_the_snapshot_knows_is_not_doubled(store, record) -> None:
    store.write("v1", ["a"], 1.0)
    store.append(view(1, NOW), view(2, NOW + 100))
    known = record(2.0, 4)
    store.write_at("v2", NOW + 50, [("a", replace(known, as_of=NOW + 50, time=np.array([10, 11, 12, NOW])))])
    assert store.find().record.time.tolist() == [10, 11, 12, NOW, NOW + 100]
    store.write_at("v3", NOW + 101, [("a", replace(known, as_of=NOW + 101))])
    assert store.find().recent == b""


def test_somebody_new_has_the_defaults_and_what_they_did(store) -> None:
    store.write("v1", ["a"], 1.0)
    store.append(view(1, user="new"))
    record = store.find("new").record
    assert record.values.tolist() == [np.float32(feature.default) for feature in stored_features("user")]
    assert (record.as_of, record.time.tolist()) == (1_000, [NOW])
    assert store.find("nobody").record is None


def test_who_is_forgotten_takes_appends_along(store) -> None:
    store.write("v1", ["a", "b"], 1.0)
    store.append(view(1), view(1, user="b"))
    assert forget_user(store.url, store.prefix, "a") == 2
    assert store.find() == Found("v1", None, b"")
    assert store.find("b").recent


def test_an_event_nobody_knows_is_refused_whole(store) -> None:
    for wrong in (view(1, kind="yawn"), view(1, -1), view(1, 2**32)):
        with pytest.raises(OnlineStoreError, match="expected one of purchase"):
            store.append(view(2), wrong)
    store.write("v1", ["a"], 1.0)
    assert store.find().recent == b""


def test_what_is_a_week_older_than_the_latest_goes() -> None:
    old, new = (rows_by_user([view(number, time)])["a"].tobytes() for number, time in ((1, 5), (2, 6 + KEEP_SECONDS)))
    assert appended(old, new, BOUNDS) == (new, 1)


def test_what_is_a_week_older_goes_in_every_store(store) -> None:
    store.write("v1", ["a"], 1.0)
    store.append(view(1, NOW))
    store.append(view(2, NOW + KEEP_SECONDS + 1), view(3, NOW + 1))
    assert np.frombuffer(store.find().recent, RECENT)["time"].tolist() == [NOW + 1, NOW + KEEP_SECONDS + 1]


def test_appends_at_once_are_all_kept(store) -> None:
    store.write("v1", ["a"], 1.0)

    async def send() -> int:
        histories = [open_history(store.url, store.prefix, store.timeout_ms, {"view": 100}) for _ in range(3)]
        added = await asyncio.gather(*(history.append([view(number)]) for number in range(10) for history in histories))
        for history in histories:
            await history.close()
        return sum(added)

    assert asyncio.run(send()) == 10
    assert len(store.find(bounds={"view": 100}).record.time) == 10
