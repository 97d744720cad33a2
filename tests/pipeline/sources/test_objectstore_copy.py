"""Releases and archive are copied whole, once, and the pointer last."""

import json

import pytest

from feature_store.errors import ArchiveError
from pipeline.errors import ObjectStoreError
from pipeline.recommender import release
from pipeline.sources import objectstore
from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.objectstore_copy import copy_archive, copy_release
from pipeline.stages.publish import publish
from tests.oss_server import BUCKET, KEY_ID, REGION, SECRET, Oss
from tests.pipeline.conftest import DAY


@pytest.fixture
def oss(monkeypatch):
    monkeypatch.setattr(objectstore, "FIRST_PAUSE_SECONDS", 0.0)
    with Oss() as server:
        values = {"ENDPOINT": server.endpoint, "ACCESS_KEY_ID": KEY_ID, "ACCESS_KEY_SECRET": SECRET, "REGION": REGION}
        for name, value in values.items():
            monkeypatch.setenv(f"OSS_{name}", value)
        monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
        yield server


@pytest.fixture
def finished(finished_run, tmp_path):
    return finished_run.copy(tmp_path, releases_url=f"oss://{BUCKET}/releases", archive_url=f"oss://{BUCKET}/archive")


def test_publishing_copies_the_release_and_points_to_it_last(finished, oss):
    publish(DAY, finished)
    name = release.current(finished.releases)
    folder = finished.releases / name
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert oss.objects[f"releases/{name}/{path.relative_to(folder).as_posix()}"] == path.read_bytes()
    assert json.loads(oss.objects["releases/current"]) == {"release": name}
    puts = [key for method, key, _ in oss.seen if method == "PUT" and key.startswith("releases/")]
    assert puts[-2:] == [f"releases/{name}/manifest.json", "releases/current"]


def test_what_was_copied_is_not_copied_again(finished, oss):
    publish(DAY, finished)
    oss.seen.clear()
    publish(DAY, finished)
    assert [key for method, key, _ in oss.seen if method == "PUT"] == ["releases/current"]


def test_a_store_that_is_down_fails_the_stage_but_not_the_release(finished, oss):
    name = release.current(finished.releases)
    oss.fail("unavailable", "GET", 99)
    with pytest.raises(ObjectStoreError, match="503"):
        publish(DAY, finished)
    assert release.current(finished.releases) == name
    oss.faults.clear()
    assert copy_release(finished.releases / name, finished) > 0


def test_the_archive_s_copy_follows_changes_and_takes_nothing_damaged(finished, oss):
    assert copy_archive(finished) > 100
    path = partition_file(finished.workspace, RAW, "orders", DAY)
    key = f"archive/raw/orders/day={DAY}/part.parquet"
    assert oss.objects[key] == path.read_bytes()
    assert copy_archive(finished) == 0
    book = json.loads(oss.objects["archive/archive.json"])
    oss.objects["archive/archive.json"] = json.dumps({**book, key.removeprefix("archive/"): "another"}).encode()
    assert copy_archive(finished) == 1
    oss.objects["archive/archive.json"] = b"{}"
    path.write_bytes(b"damaged")
    with pytest.raises(ArchiveError, match="another checksum"):
        copy_archive(finished)


def test_nothing_is_copied_unless_it_is_asked_for(finished_run, tmp_path, oss):
    settings = finished_run.copy(tmp_path)
    assert copy_archive(settings) == copy_release(settings.releases / "x", settings) == 0
    assert oss.seen == []
