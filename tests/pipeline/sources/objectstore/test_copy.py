"""Releases and archive are copied whole, once, and what points to them last."""

import json

import pytest

from feature_store.errors import ArchiveError
from pipeline.errors import ObjectStoreError
from pipeline.recommender.release import current, write_decision
from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.sources.objectstore import retrying
from pipeline.sources.objectstore.book import ledger_key, read_book
from pipeline.sources.objectstore.copy import copy_archive, copy_release
from pipeline.sources.objectstore.store import open_store
from pipeline.stages.publish import publish
from tests.bucket_server import BUCKET
from tests.pipeline.conftest import DAY
from tests.pipeline.sources.objectstore.small_shop import DAYS, add_release, fill_archive, settings_of, shorten


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def shop(tmp_path, oss):  # noqa: ARG001 -- the bucket
    settings = settings_of(tmp_path, "oss")
    fill_archive(settings)
    return settings


def written(oss):
    return [(method, key) for method, key, _ in oss.seen if method in ("PUT", "DELETE")]


def test_a_release_is_copied_once_and_pointed_to_last(shop, oss):
    folder = add_release(shop, DAYS[0])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert copy_release(folder, shop) == len(files)
    for path in files:
        assert oss.objects[f"releases/{folder.name}/{path.relative_to(folder).as_posix()}"] == path.read_bytes()
    assert json.loads(oss.objects["releases/current"]) == {"release": folder.name}
    ends = [f"releases/{folder.name}/{name}" for name in ("decision.json", "manifest.json")]
    assert [key for _, key in written(oss)[-3:]] == [*ends, "releases/current"]
    oss.seen.clear()
    assert copy_release(folder, shop) == 0
    assert [key for _, key in written(oss)] == [ends[0], "releases/current"]


def test_a_refused_release_is_not_pointed_to_until_a_person_says_so(shop, oss):
    champion, refused = add_release(shop, DAYS[0]), add_release(shop, DAYS[1], promoted=False)
    copy_release(champion, shop)
    copy_release(refused, shop, in_use=False)
    assert json.loads(oss.objects["releases/current"]) == {"release": champion.name}
    assert json.loads(oss.objects[f"releases/{refused.name}/decision.json"])["promoted"] is False
    write_decision(refused, {"promoted": True, "forced": {"why": "a test"}})
    copy_release(refused, shop)
    assert json.loads(oss.objects[f"releases/{refused.name}/decision.json"])["promoted"] is True
    assert json.loads(oss.objects["releases/current"]) == {"release": refused.name}


def test_the_archive_s_copy_takes_what_is_missing_and_nothing_damaged(shop, oss):
    assert copy_archive(shop) == 4 * len(DAYS)
    path = partition_file(shop.workspace, RAW, "orders", DAYS[0])
    (key,) = [key for key in oss.objects if key.startswith(f"archive/raw/orders/day={DAYS[0]}/")]
    assert oss.objects[key] == path.read_bytes()
    oss.seen.clear()
    assert copy_archive(shop) == 0
    assert written(oss) == []
    del oss.objects[key]
    assert copy_archive(shop) == 1
    del oss.objects[key]
    path.write_bytes(b"damaged")
    with pytest.raises(ArchiveError, match="another checksum"):
        copy_archive(shop)


def test_a_changed_partition_is_another_object_and_the_old_one_goes_after_the_book(shop, oss):
    copy_archive(shop)
    before = read_book(*open_store(shop.archive_url))
    (old,) = [key for key in oss.objects if key.startswith(f"archive/raw/orders/day={DAYS[0]}/")]
    first_format = f"archive/raw/orders/day={DAYS[0]}/part.parquet"
    oss.objects |= {"archive/raw/orders/of-somebody.parquet": b"not ours", first_format: b"ours"}
    shorten(shop, DAYS[0])
    oss.seen.clear()
    assert copy_archive(shop) == 1
    changes = written(oss)
    book = changes.index(("PUT", "archive/archive.json"))
    assert all(method == "PUT" for method, _ in changes[:book])
    gone = [key for method, key in changes[book + 1 :] if method == "DELETE"]
    assert sorted(gone) == sorted([old, f"archive/{ledger_key(before.ledger)}", first_format])
    assert oss.objects["archive/raw/orders/of-somebody.parquet"] == b"not ours"


def test_a_copy_that_dies_on_its_way_leaves_the_one_of_before(shop, oss):
    copy_archive(shop)
    before = dict(oss.objects)
    (receipt,) = shop.workspace.receipts.glob("*.json")
    receipt.write_text('["more"]\n')
    shorten(shop, DAYS[0])
    path = partition_file(shop.workspace, RAW, "orders", DAYS[0])
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    with pytest.raises(ArchiveError):
        copy_archive(shop)
    assert {key: oss.objects[key] for key in before} == before
    path.write_bytes(content)
    assert copy_archive(shop) == 1


def test_the_copy_of_another_ledger_is_never_replaced(shop, oss):
    copy_archive(shop)
    held = dict(oss.objects)
    with open_ledger(shop.workspace.ledger) as ledger, ledger.transaction():
        ledger.connection.execute("UPDATE salt SET value = x'00'")
    with pytest.raises(ObjectStoreError, match="vitrine restore"):
        copy_archive(shop)
    assert oss.objects == held


def test_nothing_is_copied_unless_it_is_asked_for(shop, oss):
    settings = shop.model_copy(update={"archive_url": None, "releases_url": None})
    assert copy_archive(settings) == copy_release(settings.releases / "x", settings) == 0
    assert oss.seen == []


@pytest.mark.slow
def test_a_store_that_is_down_fails_the_stage_but_not_the_release(finished_run, tmp_path, oss):
    urls = {"releases_url": f"oss://{BUCKET}/releases", "archive_url": f"oss://{BUCKET}/archive"}
    finished = finished_run.copy(tmp_path, **urls)
    name = current(finished.releases)
    oss.fail("unavailable", "GET", 99)
    with pytest.raises(ObjectStoreError, match="503"):
        publish(DAY, finished)
    assert current(finished.releases) == name
    oss.faults.clear()
    publish(DAY, finished)
    assert json.loads(oss.objects["releases/current"]) == {"release": name}
    assert read_book(*open_store(finished.archive_url)) is not None
