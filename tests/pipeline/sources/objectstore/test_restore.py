"""What is lost comes back from the copies: whole, checked, without whoever was forgotten, and nothing newer goes."""

import datetime as dt
import hashlib
import shutil

import pytest

from feature_store.errors import ArchiveError
from feature_store.snapshot import read_snapshot
from pipeline.day_run import run
from pipeline.erasure.forget import forget
from pipeline.errors import ObjectStoreError, ReleaseError, RestoreError
from pipeline.recommender.release import current, names, point_to, read_decision
from pipeline.sources.archive import CLEAN, RAW, damaged_days, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.sources.objectstore import retrying
from pipeline.sources.objectstore.book import marks_of, partitions_of, read_marks
from pipeline.sources.objectstore.copy import copy_archive, copy_release
from pipeline.sources.objectstore.restore import restore
from pipeline.sources.objectstore.store import open_store
from tests.bucket_server import BUCKET
from tests.pipeline.conftest import DAY
from tests.pipeline.sources.objectstore.small_shop import (
    DAYS,
    add_release,
    archived,
    fill_archive,
    mark_forgotten,
    settings_of,
    shorten,
)
from tests.pipeline.test_day_run import content

EVERYTHING = 4 * len(DAYS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def shop(tmp_path, s3):  # noqa: ARG001 -- the bucket
    """A work folder whose copies are in the bucket: two releases in use one after the other, then one refused."""
    settings = settings_of(tmp_path / "work")
    fill_archive(settings)
    copy_archive(settings)
    for day, promoted in zip(DAYS, (True, True, False), strict=True):
        copy_release(add_release(settings, day, promoted=promoted), settings, in_use=promoted)
    return settings


def files(settings):
    """Every file that a copy brings back, by its bytes."""
    paths = [path for place in (RAW, CLEAN, "releases", "receipts") for path in (settings.work_dir / place).rglob("*")]
    kept = [path for path in paths if path.is_file() and not path.name.endswith(".lock")]
    return {str(path.relative_to(settings.work_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def known(settings):
    with open_ledger(settings.workspace.ledger) as ledger:
        watermarks = ledger.connection.execute("SELECT * FROM watermarks ORDER BY table_name").fetchall()
        return partitions_of(ledger), marks_of(ledger), watermarks


def key_of(s3, start):
    (key,) = [key for key in s3.objects if key.startswith(start)]
    return key


def test_a_lost_work_folder_comes_back_whole(shop):
    before, ledger, release = files(shop), known(shop), current(shop.releases)
    shutil.rmtree(shop.work_dir)
    done = restore([], shop)
    assert files(shop) == before
    assert known(shop) == ledger
    assert (done.partitions, done.kept, done.in_use) == (EVERYTHING, 0, release)
    again = restore([], shop)
    assert (again.partitions, again.kept, again.releases) == (0, EVERYTHING, ())


def test_a_refused_release_stays_refused(shop):
    shutil.rmtree(shop.work_dir)
    restore([shop.releases_url], shop)
    *_, in_use, refused = names(shop.releases)
    assert current(shop.releases) == in_use
    assert read_decision(shop.releases / refused)["promoted"] is False
    with pytest.raises(ReleaseError, match="refused"):
        point_to(shop.releases, refused)


def test_the_release_in_use_serves_though_an_older_one_is_damaged(shop, s3):
    oldest, in_use, _ = names(shop.releases)
    s3.objects[f"releases/{oldest}/ranker/model.onnx"] = b"damaged"
    s3.metadata[f"releases/{oldest}/ranker/model.onnx"] = {}
    shutil.rmtree(shop.work_dir)
    with pytest.raises(ObjectStoreError, match="SHA-256"):
        restore([shop.releases_url], shop)
    assert current(shop.releases) == in_use
    assert oldest not in names(shop.releases)


def test_a_restore_that_died_goes_on_where_it_stopped(shop, s3):
    before = files(shop)
    shutil.rmtree(shop.work_dir)
    key = key_of(s3, f"archive/raw/orders/day={DAYS[-1]}/")
    held = s3.objects.pop(key)
    with pytest.raises(ObjectStoreError, match="NoSuchKey"):
        restore([], shop)
    assert not shop.workspace.ledger.exists()
    s3.objects[key] = held
    assert restore([], shop).kept > 0
    assert files(shop) == before


@pytest.mark.parametrize("start", [f"archive/clean/orders/day={DAYS[1]}/", "archive/ledger/", "archive/receipts/"])
def test_what_is_damaged_in_the_copy_is_not_taken(shop, s3, start):
    shutil.rmtree(shop.work_dir)
    key = key_of(s3, start)
    s3.objects[key], s3.metadata[key] = b"damaged", {}
    with pytest.raises(ObjectStoreError, match="SHA-256"):
        restore([], shop)
    assert not shop.workspace.ledger.exists()


def test_a_lost_partition_comes_back_though_the_folder_is_newer(shop):
    mark_forgotten(shop, "anna")
    marks = known(shop)[1]
    with pytest.raises(RestoreError, match="not newer than the copy"):
        restore([shop.archive_url], shop)
    partition_file(shop.workspace, RAW, "orders", DAYS[0]).write_bytes(b"damaged")
    assert restore([shop.archive_url], shop).partitions == 1
    with open_ledger(shop.workspace.ledger) as ledger:
        assert damaged_days(shop.workspace, RAW, "orders", ledger.partitions(RAW, "orders")) == []
    restore([shop.archive_url], shop, force=True)
    assert known(shop)[1] == marks, "nobody who was forgotten comes back by force"
    assert "anna" not in str(archived(shop))


def test_what_changed_after_the_copy_goes_only_by_force(shop):
    before = files(shop)
    shorten(shop, DAYS[0])
    newer = files(shop)
    with pytest.raises(RestoreError, match=f"raw/orders/day={DAYS[0]}"):
        restore([], shop)
    assert files(shop) == newer
    restore([], shop, force=True)
    assert files(shop) == before


def test_whoever_is_marked_beside_the_copy_is_taken_out_of_it(shop, s3):
    """The machine dies between the marks and the rest of the next copy."""
    marks, before, told = "archive/forgotten.json", dict(s3.objects), dict(s3.metadata)
    mark_forgotten(shop, "anna")
    copy_archive(shop)
    s3.objects = before | {marks: s3.objects[marks]}
    s3.metadata = told | {marks: s3.metadata[marks]}
    shutil.rmtree(shop.work_dir)
    assert restore([], shop).erased == EVERYTHING
    assert "anna" not in str(archived(shop))
    assert str(archived(shop)).count("bert") > EVERYTHING
    assert known(shop)[1] == read_marks(*open_store(shop.archive_url))
    assert b"anna" not in shop.workspace.ledger.read_bytes()


def test_the_archive_of_another_shop_is_not_replaced(shop):
    lineage = known(shop)[1].lineage
    with open_ledger(shop.workspace.ledger) as ledger, ledger.transaction():
        ledger.connection.execute("UPDATE salt SET value = x'00'")
    with pytest.raises(RestoreError, match="another shop"):
        restore([], shop)
    restore([], shop, force=True)
    assert known(shop)[1].lineage == lineage


def test_of_two_machines_restored_from_one_copy_the_second_does_not_write_over_the_first(shop, s3, tmp_path):
    first, second = (settings_of(tmp_path / name) for name in ("first", "second"))
    for machine in (first, second):
        restore([], machine)
    shorten(first, DAYS[0])
    shorten(second, DAYS[1])
    assert [copy_archive(first), copy_archive(first)] == [1, 0], "it takes over, and goes on"
    held = dict(s3.objects)
    for late in (second, shop):
        with pytest.raises(ObjectStoreError, match=r"another work folder .*vitrine restore --force"):
            copy_archive(late)
    assert s3.objects == held
    restore([], second, force=True)
    assert archived(second) == archived(first)
    copy_archive(second)
    with pytest.raises(ObjectStoreError, match="another work folder"):
        copy_archive(first)


def test_a_damaged_ledger_is_left_to_a_person(shop):
    shop.workspace.ledger.write_bytes(b"no SQLite file" * 1000)
    with pytest.raises(ArchiveError, match="vitrine restore"):
        restore([], shop, force=True)
    shop.workspace.ledger.rename(shop.work_dir / "aside.db")
    assert restore([], shop).kept == EVERYTHING


def test_where_there_is_no_copy_is_told_before_anything_changes(shop):
    shutil.rmtree(shop.work_dir)
    with pytest.raises(RestoreError, match="elsewhere"):
        restore([shop.archive_url, f"s3://{BUCKET}/elsewhere"], shop)
    assert not shop.workspace.raw.exists()
    with pytest.raises(RestoreError, match="--from"):
        restore([], shop.model_copy(update={"archive_url": None, "releases_url": None}))


@pytest.fixture
def run_and_copied(finished_run, tmp_path, s3):  # noqa: ARG001 -- the bucket
    """A finished run whose copies are in the bucket, and whose shop is elsewhere."""
    urls = {"releases_url": f"s3://{BUCKET}/releases", "archive_url": f"s3://{BUCKET}/archive"}
    database = tmp_path / "shop.db"
    settings = finished_run.copy(tmp_path, **urls, database_url=f"sqlite:///{database}")
    settings.workspace.demo_shop.rename(database)
    copy_archive(settings)
    copy_release(settings.releases / current(settings.releases), settings)
    return settings


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whoever_was_forgotten_stays_forgotten(run_and_copied):
    settings = run_and_copied
    user = str(read_snapshot(settings.workspace.features(DAY)).users[3])

    def of_user():
        return [row for layer in (RAW, CLEAN) for row in archived(settings)[layer, "orders"] if row["user_id"] == user]

    assert of_user()
    forget(user, settings)
    marks = known(settings)[1]
    receipts = {path.name: path.read_bytes() for path in settings.workspace.receipts.iterdir()}
    shutil.rmtree(settings.work_dir)
    assert restore([], settings).erased == 0, "the request itself has replaced the copy"
    assert of_user() == []
    assert known(settings)[1] == marks
    assert {path.name: path.read_bytes() for path in settings.workspace.receipts.iterdir()} == receipts


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_a_restore_the_next_day_is_as_if_nothing_had_happened(run_and_copied, finished_run, tmp_path):
    tomorrow = DAY + dt.timedelta(days=1)
    undisturbed = finished_run.copy(tmp_path / "undisturbed", database_url=run_and_copied.database_url)
    list(run(tomorrow, undisturbed))
    shutil.rmtree(run_and_copied.work_dir)
    restore([], run_and_copied)
    list(run(tomorrow, run_and_copied))
    made, expected = content(run_and_copied.work_dir), content(undisturbed.work_dir)
    assert [path for path, each in expected.items() if f"day={DAY}" not in path and made.get(path) != each] == []
    layers = (f"{RAW}/", f"{CLEAN}/", "releases/")
    for found in (made, expected):
        assert [path for path in found if path.startswith(layers)]
    assert {path: each for path, each in made.items() if path.startswith(layers)} == {
        path: each for path, each in expected.items() if path.startswith(layers)
    }
    assert known(run_and_copied)[0] == known(undisturbed)[0]
