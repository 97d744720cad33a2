"""A snapshot is the end of a day, the same however often it is taken, and read only by the code that made it."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from feature_store.engine.duckdb import DuckDb
from feature_store.errors import ArchiveError, FeatureSetMismatchError
from feature_store.offline import Archive
from feature_store.registry import feature_set_id, stored_features
from feature_store.snapshot import arrays_of, compute_snapshot, read_snapshot, write_snapshot
from tests.feature_store.archive import NOW, TODAY, Shop, event, item, known, moment, open_shop, random_shop, user


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def written(tables, tmp_path):
    write_snapshot(tmp_path, tables, TODAY)
    return tmp_path


def test_what_is_written_is_read(written, snapshot) -> None:
    read = read_snapshot(written)
    assert read.as_of == snapshot.as_of == NOW
    assert read.users.tolist() == snapshot.users.tolist()
    assert read.user_values.tobytes() == snapshot.user_values.tobytes()
    assert read.item_side.items.tobytes() == snapshot.item_side.items.tobytes()
    assert read.item_side.categories.tobytes() == snapshot.item_side.categories.tobytes()
    assert read.item_side.rhythm.hours.tolist() == snapshot.item_side.rhythm.hours.tolist()
    assert read.item_side.catalog.ids.tolist() == snapshot.item_side.catalog.ids.tolist()
    assert read.item_side.catalog.titles.tolist() == snapshot.item_side.catalog.titles.tolist()


def test_taken_twice_it_is_the_same_byte_for_byte(shop, tables, tmp_path) -> None:
    archive = open_shop(shop, tmp_path)
    for name, found in {"one": tables, "other": compute_snapshot(archive, TODAY)}.items():
        (tmp_path / name).mkdir()
        write_snapshot(tmp_path / name, found, TODAY)
    archive.close()
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_a_sum_does_not_depend_on_the_order_of_its_rows(tmp_path) -> None:
    """As floats these three add up to just above or exactly the middle between two float32 values, by their order."""
    amounts = [0.17, 55_965.69, 16_721_251.14]
    found = []
    for order in ([0, 1, 2], [1, 2, 0], [2, 1, 0]):
        lines = [event("anna", f"item {at}", 3, value=amounts[at]) for at in order]
        archive = open_shop(Shop(lines), tmp_path / f"{order}")
        found.append(compute_snapshot(archive, TODAY)["user"]["user_spent_28d"].to_pylist())
        archive.close()
    assert found[0] == found[1] == found[2] == [16_777_216.0]


def test_values_lie_by_rows_of_the_catalog_and_of_users(tables, snapshot) -> None:
    for name, table, key, found in (
        ("item", tables["item"], "item_id", snapshot.item_side.items),
        ("user", tables["user"], "user_id", snapshot.user_values),
    ):
        ids = table[key].to_pylist()
        rows = snapshot.item_side.catalog.rows_of_ids(ids) if name == "item" else np.searchsorted(snapshot.users, ids)
        for at, feature in enumerate(stored_features(name)):
            assert found[rows, at].tolist() == table[feature.name].to_pylist()


def test_every_category_of_the_catalog_has_its_values(tables, snapshot) -> None:
    wanted = dict(
        zip(
            tables["category"]["category"].to_pylist(),
            tables["category"]["category_line_count_28d"].to_pylist(),
            strict=True,
        )
    )
    at = [feature.name for feature in stored_features("category")].index("category_line_count_28d")
    names = snapshot.item_side.catalog.names["category"].tolist()
    assert snapshot.item_side.categories[:, at].tolist() == [wanted[name] for name in names]
    assert "" in names


def test_the_vector_of_a_user_none_for_somebody_unknown(snapshot) -> None:
    assert snapshot.values_of("nobody").shape == (len(stored_features("user")),)
    for unknown in ("", "nobody at all", "zzz"):
        assert snapshot.values_of(unknown) is None


def test_who_and_what_came_later_is_not_there_yet(tmp_path) -> None:
    shop = Shop(
        [event("anna", "milk", 3), event("anna", "tea", 3)],
        [item("milk"), item("tea", days_ago=0), item("rum", days_ago=-1)],
        [user("anna"), user("zoe", days_ago=0)],
    )
    archive = open_shop(shop, tmp_path, TODAY + dt.timedelta(days=2))
    snapshot, history = known(archive)
    assert snapshot.users.tolist() == ["anna"]
    assert snapshot.item_side.catalog.ids.tolist() == ["milk"]
    assert len(history.item) == 1
    assert sorted(known(archive, TODAY + dt.timedelta(days=1))[0].users) == ["anna", "zoe"]
    archive.close()


def test_what_is_off_sale_and_who_has_left_is_known_as_of_the_day(tmp_path) -> None:
    """What a user bought before still counts for the item; item and user come back when their rows say so."""
    left, back = {"updated_at": moment(2.5)}, {"updated_at": moment(0.5)}
    shop = Shop(
        [event("bert", "tea", 5), event("anna", "soap", 5)],
        [item("tea"), item("soap"), item("soap", available=0, **left), item("soap", available=1, **back)],
        [user("anna", active=1), user("bert"), user("bert", active=0, **left), user("bert", **back)],
    )
    shop.write(tmp_path / "clean")
    for days_ago, on_sale, users in ((4, True, ["anna", "bert"]), (1, False, ["anna"]), (0, True, ["anna", "bert"])):
        archive = Archive(tmp_path / "clean", TODAY - dt.timedelta(days=days_ago), engine=DuckDb(threads=1))
        snapshot, _ = known(archive, TODAY - dt.timedelta(days=days_ago))
        catalog = snapshot.item_side.catalog
        assert catalog.available[catalog.rows_of_ids(["tea", "soap"])].tolist() == [True, on_sale]
        assert snapshot.users.tolist() == users
        buyers = [feature.name for feature in stored_features("item")].index("item_buyer_count")
        assert snapshot.item_side.items[catalog.rows_of_ids(["tea"])[0], buyers] == 1
        archive.close()


def test_a_folder_that_is_not_there_says_what_to_run(tmp_path) -> None:
    with pytest.raises(ArchiveError, match=r"day=2017-11-05.*vitrine stage features"):
        read_snapshot(tmp_path / "day=2017-11-05")


@pytest.mark.parametrize("name", ["user.parquet", "item.parquet", "category.parquet", "shop.parquet", "snapshot.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_damaged_snapshot_is_named(written, name: str, damage: str) -> None:
    path = written / name
    good = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(good[:-9] if damage == "cut" else b"")
    with pytest.raises(ArchiveError, match=str(written)):
        read_snapshot(written)


@pytest.mark.parametrize("meta", ["{}", "[]", '"text"'])
def test_a_snapshot_that_does_not_say_what_made_it_is_refused(written, meta: str) -> None:
    (written / "snapshot.json").write_text(meta)
    with pytest.raises(ArchiveError, match=str(written)):
        read_snapshot(written)


def test_the_snapshot_of_another_feature_set_is_refused(written) -> None:
    meta = json.loads((written / "snapshot.json").read_text())
    (written / "snapshot.json").write_text(json.dumps(meta | {"feature_set": "00000000"}))
    (written / "shop.parquet").unlink()  # what an earlier feature set had no need of
    with pytest.raises(
        FeatureSetMismatchError, match=f"expected feature set {feature_set_id()}, found feature set 00000000"
    ):
        read_snapshot(written)


def test_a_shop_where_nothing_was_sold_has_defaults_everywhere(tmp_path) -> None:
    quiet = random_shop(seed=3, baskets=0)
    quiet.events = [event("later", "item 1", -0.5)]
    archive = open_shop(quiet, tmp_path, TODAY + dt.timedelta(days=1))
    snapshot = arrays_of(compute_snapshot(archive, TODAY), NOW)
    archive.close()
    defaults = np.array([feature.default for feature in stored_features("user")], np.float32)
    assert (snapshot.user_values == defaults).all()
