"""Nothing of an erased user is left in files or stores, nothing of anybody else is lost, and it stays that way."""

from __future__ import annotations

import asyncio
import json

import pyarrow.parquet as pq
import pytest

from feature_store.online.connect import open_reader
from feature_store.online.forget import forget_user
from feature_store.snapshot import read_history, read_snapshot
from pipeline.errors import SettingsError
from pipeline.forget import forget
from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.upkeep import backfill, reconcile
from tests.pipeline.conftest import DAY


@pytest.fixture
def finished(finished_run, tmp_path):
    return finished_run.copy(tmp_path)


def rows(made, layer):
    """Every row of a layer, as text, by table."""
    found = {}
    for path in sorted((made.work_dir / layer).glob("*/day=*/part.parquet")):
        found.setdefault(path.parts[-3], []).extend(map(str, pq.ParquetFile(path).read().to_pylist()))
    return found


def record(made, user):
    async def read():
        reader = open_reader(made.online_url, made.online_prefix, 5000)
        try:
            return await reader.read(user)
        finally:
            await reader.close()

    return asyncio.run(read())


@pytest.mark.slow
def test_the_user_is_gone_everywhere_and_the_others_are_not(finished):
    folder = finished.workspace.features(DAY)
    snapshot = read_snapshot(folder)
    user, other = map(str, snapshot.users[3:5])
    others_events = read_history(folder, snapshot).of(4)
    before = rows(finished, "raw")
    receipt = json.loads(forget(user, finished).read_text())[-1]

    theirs = [row for row in before["orders"] if f"'user_id': '{user}'" in row]
    after = rows(finished, "raw")
    assert len(before["orders"]) - len(after["orders"]) == len(theirs) == receipt["removed"]["raw"]["orders"]["rows"]
    assert len(before["order_items"]) - len(after["order_items"]) == receipt["removed"]["raw"]["order_items"]["rows"]
    for layer in ("raw", "clean"):
        assert not [row for table in rows(finished, layer).values() for row in table if f"'user_id': '{user}'" in row]
    left = read_snapshot(folder)
    assert left.values_of(user) is None
    assert (left.values_of(other) == snapshot.values_of(other)).all()
    assert (read_history(folder, left).of(3).time == others_events.time).all()
    assert record(finished, user) is None
    assert record(finished, other) is not None
    assert receipt["removed"]["online"]["sqlite"] == 1
    assert receipt["removed"]["features"][str(DAY)]["vectors"] == 1


@pytest.mark.slow
def test_the_receipt_holds_no_id_in_clear_text(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    path = forget(user, finished)
    (receipt,) = json.loads(path.read_text())
    assert len(receipt["user"]) == 32
    assert user not in path.name
    assert f'"{user}"' not in path.read_text()


@pytest.mark.slow
def test_no_later_reading_brings_the_user_back(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    with open_ledger(finished.workspace.ledger) as ledger:
        days = sorted(ledger.partitions(RAW, "orders"))
    forget(user, finished)
    erased = rows(finished, "raw")
    partition_file(finished.workspace, RAW, "orders", days[5]).unlink()
    extract(DAY, finished)
    backfill(days[0], days[20], finished)
    assert [each for found in reconcile(None, None, finished) for each in found.differences] == []
    assert rows(finished, "raw") == erased
    clean(DAY, finished)
    assert not [row for table in rows(finished, "clean").values() for row in table if f"'user_id': '{user}'" in row]


@pytest.mark.slow
def test_asking_twice_keeps_both_receipts(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    forget(user, finished)
    first, second = json.loads(forget(user, finished).read_text())
    assert first["removed"]["raw"]
    assert second["removed"]["raw"] == {}


def test_no_user_is_nobody(finished):
    with pytest.raises(SettingsError, match="--user"):
        forget("", finished)


def test_a_user_leaves_every_version_in_redis_and_nobody_else_does(redis_prefix):
    import redis

    url, prefix = redis_prefix
    with redis.Redis.from_url(url) as client:
        for user in ("7", "77", "*"):
            for version in ("v1", "v2"):
                client.set(f"{prefix}:set:{version}:u:{user}", b"x")
        assert forget_user(url, prefix, "*") == 2
        assert forget_user(url, prefix, "7") == 2
        assert {key.decode() for key in client.scan_iter(f"{prefix}:*")} == {
            f"{prefix}:set:{version}:u:77" for version in ("v1", "v2")
        }
