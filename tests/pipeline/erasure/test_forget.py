"""Nothing of an erased user is left in files or stores, nothing of anybody else is lost, and it stays that way."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from feature_store.history_files import read_history
from feature_store.online.connect import open_reader
from feature_store.online.forget import forget_user
from feature_store.online.redis_layout import user_key
from feature_store.snapshot import read_snapshot
from pipeline.demo import tables
from pipeline.erasure.forget import forget
from pipeline.erasure.releases import remove_due
from pipeline.errors import LockedError, PipelineError, SettingsError
from pipeline.locks import day_lock
from pipeline.recommender.release import current, names
from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.stages.publish import publish
from pipeline.stages.recall import recall
from pipeline.upkeep import backfill, reconcile
from tests.bucket_server import BUCKET, KEY_ID, REGION, SECRET
from tests.oss_server import Oss
from tests.pipeline.conftest import DAY

PLACES = (
    "raw",
    "clean",
    "quarantine",
    "features",
    "recall",
    "rollups",
    "reports",
    "exposures",
    "damaged",
    "online",
    "spill",
)
WHOEVER_ASKS = ("rollups", "reports", "online")
"""Roll-ups and the lists of examples in reports name nobody, and go whoever asks; stores say how many records went."""


@pytest.fixture
def finished(finished_run, tmp_path):
    return finished_run.copy(tmp_path)


@pytest.fixture
def oss(monkeypatch):
    with Oss() as server:
        values = {"ENDPOINT": server.endpoint, "ACCESS_KEY_ID": KEY_ID, "ACCESS_KEY_SECRET": SECRET, "REGION": REGION}
        for name, value in values.items():
            monkeypatch.setenv(f"OSS_{name}", value)
        monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
        yield server


def content(folder):
    """Every file below a folder, by its bytes; locks and receipts aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and not {"locks", "receipts"} & {*path.parts}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows(made, layer):
    """Every row of a layer, as text, by table."""
    found = {}
    for path in sorted((made.work_dir / layer).glob("*/day=*/part.parquet")):
        found.setdefault(path.parts[-3], []).extend(map(str, pq.ParquetFile(path).read().to_pylist()))
    return found


def record(made, user):
    async def read():
        reader = open_reader(made.online_url, made.online_prefix, 5000, made.online_history.bounds())
        try:
            return (await reader.read(user)).record
        finally:
            await reader.close()

    return asyncio.run(read())


@pytest.mark.slow
def test_the_user_is_gone_everywhere_and_the_others_are_not(finished):
    folder = finished.workspace.features(DAY)
    snapshot = read_snapshot(folder)
    user, other = map(str, snapshot.users[3:5])
    others_events = read_history(folder).of(4)
    (folder / "history.parquet").touch()  # as earlier code left it
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
    assert (read_history(folder).of(3).time == others_events.time).all()
    assert not (folder / "history.parquet").exists()
    assert record(finished, user) is None
    assert record(finished, other) is not None
    assert receipt["removed"]["online"]["sqlite"] == 1
    assert receipt["removed"]["features"][str(DAY)]["vectors"] == 1
    assert list(receipt["removed"]["recall"]) == [str(DAY)]
    assert not finished.workspace.recall(DAY).exists()
    assert receipt["removed"]["rollups"] == 1
    assert not list(finished.workspace.rollups.iterdir())


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
    assert second["removed"] == {place: second["removed"][place] for place in PLACES}
    assert not any(second["removed"][place] for place in PLACES if place != "online")
    assert second["remains"] == first["remains"]


@pytest.mark.slow
def test_somebody_nobody_knows_gets_a_receipt_with_a_section_for_every_place(finished):
    before = content(finished.work_dir)
    (receipt,) = json.loads(forget("never seen", finished).read_text())
    assert receipt["finished"]
    assert set(receipt["removed"]) == set(PLACES)
    assert not any(receipt["removed"][place] for place in PLACES if place not in WHOEVER_ASKS)
    assert set(receipt["removed"]["online"].values()) == {0}
    assert receipt["remains"]["releases"] == receipt["remains"]["object_store"] == {}
    after = content(finished.work_dir)
    changed = {name for name in before if after.get(name) != before[name]}
    theirs = {name for name in changed if name.partition("/")[0] not in {"rollups", "evaluation"}}
    assert theirs <= {"ledger.db", "feature_store.db"}


@pytest.mark.slow
def test_the_next_release_holds_no_row_of_the_user_and_the_one_before_goes_in_time(finished):
    before = read_snapshot(finished.workspace.features(DAY))
    old = current(finished.releases)
    (receipt,) = json.loads(forget(str(before.users[3]), finished).read_text())
    due = dt.date.fromisoformat(receipt["remains"]["releases"][old]["removed_by"])
    assert receipt["remains"]["releases"][old]["holds"] == "a row of the UserCF index"
    with pytest.raises(PipelineError, match="vitrine stage recall"):
        publish(DAY, finished)
    recall(DAY, finished)
    publish(DAY, finished)
    new = current(finished.releases)
    assert new != old
    rows = [len(np.load(finished.releases / name / "recall/usercf/latest.npy")) for name in (old, new)]
    assert rows == [len(before.users), len(before.users) - 1]
    second = json.loads(forget(str(before.users[3]), finished).read_text())[-1]
    assert list(second["remains"]["releases"]) == [old]

    assert remove_due(finished, due - dt.timedelta(days=1)) == []
    assert remove_due(finished, due) == [old]
    assert names(finished.releases) == [new]
    assert remove_due(finished, due) == []


@pytest.mark.slow
def test_a_release_in_use_is_not_removed_however_late_it_is(finished, caplog):
    forget(str(read_snapshot(finished.workspace.features(DAY)).users[3]), finished)
    name = current(finished.releases)
    assert remove_due(finished, dt.date.max) == []
    assert current(finished.releases) == name in names(finished.releases)
    assert "publish a newer one" in caplog.text


@pytest.mark.slow
def test_an_old_release_that_names_the_user_is_listed_whatever_its_day(finished):
    name = current(finished.releases)
    golden = finished.releases / name / "golden_requests.jsonl"
    golden.write_text(json.dumps({"user_id": "somebody", "asked_at": 1}) + "\n")
    (receipt,) = json.loads(forget("somebody", finished).read_text())
    assert receipt["remains"]["releases"][name]["holds"] == "the id in a golden request"


@pytest.mark.slow
def test_nothing_that_a_run_leaves_in_text_names_a_user(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    places = ("reports", "evaluation", "train", "metrics", "releases", "mlartifacts")
    files = [path for place in places for path in (finished.work_dir / place).rglob("*") if path.is_file()]
    assert len(files) > 50
    said = re.compile(rb"user[_ ]?(id)?\W{1,4}" + user.encode() + rb"\b", re.IGNORECASE)
    assert [path for path in files if said.search(path.read_bytes())] == []
    asked = (finished.releases / current(finished.releases) / "golden_requests.jsonl").read_text().splitlines()
    assert {json.loads(line)["user_id"].partition("-")[0] for line in asked} == {"golden"}


@pytest.mark.slow
def test_while_a_day_is_run_nobody_is_erased_from_it(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    with day_lock(DAY, finished), pytest.raises(LockedError):
        forget(user, finished)
    unfinished, finished_now = json.loads(forget(user, finished).read_text())
    assert (unfinished["finished"], finished_now["finished"]) == (False, True)
    assert finished_now["removed"]["features"][str(DAY)]["vectors"] == 1
    assert list(finished_now["remains"]["releases"]) == list(unfinished["remains"]["releases"])


@pytest.mark.slow
def test_a_forgotten_user_who_orders_again_under_the_same_id_stays_left_out(finished):
    user = str(read_snapshot(finished.workspace.features(DAY)).users[3])
    forget(user, finished)
    erased = rows(finished, "raw")
    noon = dt.datetime.combine(DAY + dt.timedelta(days=8), dt.time(12))
    stamps = {"created_at": noon, "updated_at": noon}
    line = {"basket_id": 99, "line_number": 1, "quantity": 1, "sales_value": 1, "discount": 0, **stamps}
    engine = sa.create_engine(f"sqlite:///{finished.workspace.demo_shop}")
    with engine.begin() as shop:
        item = shop.execute(sa.select(tables.ITEMS.c.product_id).limit(1)).scalar_one()
        order = {"basket_id": 99, "household_id": int(user), "store_id": 1, "status": "completed", **stamps}
        shop.execute(sa.insert(tables.ORDERS), order)
        shop.execute(sa.insert(tables.ORDER_ITEMS), {**line, "product_id": item})
        shop.execute(sa.insert(tables.ORDERS), {**order, "basket_id": 98, "household_id": 1_000_000})
    engine.dispose()
    extract(DAY + dt.timedelta(days=1), finished)
    new = {table: set(rows(finished, "raw")[table]) - set(erased[table]) for table in ("orders", "order_items")}
    assert [row for row in new["orders"] if "'order_id': '98'" in row]
    assert not [row for row in (*new["orders"], *new["order_items"]) if "'order_id': '99'" in row]


@pytest.mark.slow
def test_the_copy_of_the_archive_follows_at_once_and_that_of_releases_in_time(finished_run, tmp_path, oss):
    settings = finished_run.copy(
        tmp_path, releases_url=f"oss://{BUCKET}/releases", archive_url=f"oss://{BUCKET}/archive"
    )
    publish(DAY, settings)
    user = str(read_snapshot(settings.workspace.features(DAY)).users[3])
    old = current(settings.releases)

    def copied(table):
        keys = [key for key in oss.objects if key.startswith(f"archive/raw/{table}/")]
        return [row for key in keys for row in pq.read_table(pa.BufferReader(oss.objects[key]))["user_id"].to_pylist()]

    assert user in copied("orders")
    receipt = json.loads(forget(user, settings).read_text())[-1]
    assert set(receipt["remains"]["object_store"]) == {"releases", "archive"}
    assert user not in copied("orders")
    assert user not in copied("users")
    assert copied("orders")
    recall(DAY, settings)
    publish(DAY, settings)
    assert [key for key in oss.objects if key.startswith(f"releases/{old}/")]
    remove_due(settings, dt.date.max)
    assert not [key for key in oss.objects if key.startswith(f"releases/{old}/")]
    assert [key for key in oss.objects if key.startswith(f"releases/{current(settings.releases)}/")]


def test_no_user_is_nobody(finished):
    with pytest.raises(SettingsError, match="--user"):
        forget("", finished)


def test_a_user_leaves_every_version_in_redis_and_nobody_else_does(redis_prefix):
    import redis

    url, prefix = redis_prefix
    with redis.Redis.from_url(url) as client:
        for user in ("7", "77", "*"):
            for version in ("v1", "v2"):
                client.set(user_key(f"{prefix}:set:{version}", user), b"x")
        assert forget_user(url, prefix, "*") == 2
        assert forget_user(url, prefix, "7") == 2
        assert {key.decode() for key in client.scan_iter(f"{prefix}:*")} == {
            user_key(f"{prefix}:set:{version}", "77") for version in ("v1", "v2")
        }
