"""The archive tells each row in its latest version, up to its day and no further, or says which file is at fault."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from feature_store.days import end_of_day
from feature_store.engine.duckdb import DuckDb
from feature_store.errors import ArchiveError
from feature_store.history import build_history
from feature_store.offline import Archive
from feature_store.schema import EVENT_KINDS, EXPOSURE
from feature_store.views import Views
from tests.feature_store.archive import (
    NOW,
    TODAY,
    Shop,
    event,
    item,
    known,
    moment,
    open_shop,
    price,
    promotion,
    user,
    write,
)

YESTERDAY = TODAY - dt.timedelta(days=1)
SMALL = Shop(
    [event("anna", "milk", 3), event("anna", "bread", 3), event("bert", "milk", 1)],
    [item("milk", "dairy"), item("bread", "bakery")],
    prices=[price("milk", 2.0, 9)],
)


@pytest.fixture
def clean(tmp_path):
    return SMALL.write(tmp_path / "clean")


def rows(clean, query: str, through: dt.date = TODAY) -> list[dict]:
    archive = Archive(clean, through, engine=(engine := DuckDb(threads=1)))
    try:
        return engine.connection.con.sql(query).to_arrow_table().to_pylist()
    finally:
        archive.close()


def test_a_day_ends_where_the_next_begins() -> None:
    assert end_of_day(dt.date(1970, 1, 1)) == 86_400
    assert end_of_day(TODAY) == dt.datetime(2017, 11, 6, tzinfo=dt.UTC).timestamp() == NOW


def test_events_carry_their_second(clean) -> None:
    found = rows(clean, "SELECT item_id, seconds FROM events ORDER BY item_id, seconds")
    assert [tuple(row.values()) for row in found] == [
        ("bread", NOW - 3 * 86_400),
        ("milk", NOW - 3 * 86_400),
        ("milk", NOW - 86_400),
    ]


def categories(clean) -> set[tuple[str, str]]:
    """Item and category of each purchase, as features see them."""
    archive = Archive(clean, TODAY, engine=DuckDb(threads=1))
    bought = archive.frame(Views(archive, NOW, math.inf).of("purchases", "category").rows)
    archive.close()
    return set(zip(bought["item_id"].to_pylist(), bought["category"].to_pylist(), strict=True))


def test_where_something_was_shown_is_not_read(tmp_path) -> None:
    shown = event("anna", "milk", 1, kind="click", slot="home", position=2, request_id="r-1")
    clean = Shop([shown], [item("milk")]).write(tmp_path / "clean")
    (found,) = rows(clean, "SELECT * FROM events")
    assert not set(EXPOSURE) & set(found)
    assert found["kind"] == "click"


def test_an_event_of_an_item_without_category_or_that_the_shop_never_listed_is_kept(tmp_path) -> None:
    clean = Shop([event("anna", "ghost", 1)], [item("ghost", None)]).write(tmp_path)
    write(clean, "events", [event("anna", "unlisted", 2)])
    assert categories(clean) == {("ghost", ""), ("unlisted", "")}


def test_the_last_moment_of_a_day_belongs_to_it(tmp_path) -> None:
    late = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(milliseconds=300)
    clean = Shop([event("anna", "milk", 0, time=late)]).write(tmp_path)
    assert rows(clean, "SELECT seconds FROM events") == [{"seconds": NOW - 1}]


def test_the_version_that_the_source_changed_last_wins(clean) -> None:
    write(clean, "items", [item("milk", "drinks", updated_at=moment(1))], YESTERDAY)
    write(clean, "items", [item("milk", "older", updated_at=moment(2))], TODAY)
    assert rows(clean, "SELECT category FROM items WHERE item_id = 'milk'") == [{"category": "drinks"}]
    assert categories(clean) == {("milk", "drinks"), ("bread", "bakery")}


def test_of_versions_changed_at_one_moment_the_later_partition_wins(clean) -> None:
    write(clean, "items", [item("milk", "first", updated_at=moment(1))], YESTERDAY)
    write(clean, "items", [item("milk", "second", updated_at=moment(1))], TODAY)
    assert rows(clean, "SELECT category FROM items WHERE item_id = 'milk'") == [{"category": "second"}]


def test_a_changed_event_counts_once(clean) -> None:
    line = event("bert", "milk", 1)
    write(clean, "events", [line | {"value": 0.5, "updated_at": moment(-0.5)}])
    later = TODAY + dt.timedelta(days=1)
    assert rows(clean, "SELECT value FROM events WHERE user_id = 'bert'", later) == [{"value": 0.5}]
    assert rows(clean, "SELECT value FROM events WHERE user_id = 'bert'") == [{"value": 1.0}]


class OneHash(DuckDb):
    """Every text has the same hash."""

    def hashed(self, texts):
        return texts.length() * 0


@pytest.mark.parametrize("engine", [DuckDb, OneHash])
def test_keys_of_equal_hash_are_told_apart(clean, engine) -> None:
    def values() -> list[float]:
        archive = Archive(clean, TODAY, engine=engine(threads=1))
        found = archive.frame(archive.events)["value"].to_pylist()
        archive.close()
        return sorted(found)

    assert values() == [1.0, 1.0, 1.0]
    write(clean, "events", [event("bert", "milk", 1) | {"value": 0.5, "updated_at": moment(0.1)}])
    assert values() == [0.5, 1.0, 1.0]


def test_partitions_after_the_day_are_not_even_opened(clean) -> None:
    for table in ("events", "items", "users", "prices"):
        future = clean / table / f"day={TODAY + dt.timedelta(days=1)}" / "part.parquet"
        future.parent.mkdir(parents=True)
        future.write_bytes(b"not Parquet")
    assert len(rows(clean, "FROM events")) == 3


@pytest.mark.parametrize("table", ["events", "items", "users", "prices"])
def test_a_table_without_partitions_is_named(clean, table: str) -> None:
    for path in (clean / table).glob("day=*/part.parquet"):
        path.unlink()
    with pytest.raises(ArchiveError, match=f"table {table}: .*vitrine stage"):
        Archive(clean, TODAY)


def test_a_shop_may_tell_of_no_promotions_or_plan_the_first_later(clean) -> None:
    def told(day):
        archive = Archive(clean, day)
        return archive.frame(archive.promotions)

    assert len(told(TODAY)) == 0
    write(clean, "promotions", [promotion("milk", "advertised", -9, 7)])
    assert len(told(TODAY)) == 0
    assert len(told(TODAY + dt.timedelta(days=7))) == 1


def test_before_the_first_partition_there_is_nothing(clean) -> None:
    with pytest.raises(ArchiveError, match="up to 2001-01-01"):
        Archive(clean, dt.date(2001, 1, 1))


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "flipped"])
def test_a_partition_that_cannot_be_read_is_named(clean, damage: str) -> None:
    path = next((clean / "events").glob("day=2017-11-0*/part.parquet"))
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 8] ^= 0xFF
    path.write_bytes({"cut": good[:-9], "empty": b"", "other": b"PAR1 but nothing else", "flipped": flipped}[damage])
    with pytest.raises(ArchiveError) as caught:
        Archive(clean, TODAY)
    assert str(path) in str(caught.value)
    assert "table events" in str(caught.value)


def test_a_partition_without_a_column_is_named(clean) -> None:
    import pyarrow.parquet as pq

    for path in (clean / "prices").glob("day=*/part.parquet"):
        pq.write_table(pq.read_table(path).drop_columns("valid_from"), path)
    with pytest.raises(ArchiveError, match=r"table prices: .*valid_from"):
        Archive(clean, TODAY)


class TestHistory:
    """What users did, in rows of a catalog."""

    def test_it_holds_every_event_before_the_moment(self, tmp_path) -> None:
        archive = open_shop(SMALL, tmp_path)
        snapshot, history = known(archive)
        catalog = snapshot.item_side.catalog
        anna, bert = (history.of(user) for user in np.searchsorted(snapshot.users, ["anna", "bert"]))
        assert sorted(catalog.ids[anna.item]) == ["bread", "milk"]
        assert catalog.ids[bert.item].tolist() == ["milk"]
        assert bert.time.tolist() == [NOW - 86_400]
        assert bert.kind.tolist() == [EVENT_KINDS.index("purchase")]
        assert archive.history(catalog, snapshot.users, NOW - 86_400).of(1).item.tolist() == []
        archive.close()

    def test_events_of_others_and_with_items_outside_the_catalog_are_left_out(self, tmp_path) -> None:
        archive = open_shop(SMALL, tmp_path)
        snapshot, _ = known(archive)
        empty = known(open_shop(Shop([event("x", "y", 1)]), tmp_path / "other"))[0].item_side.catalog
        assert archive.history(empty, snapshot.users, NOW).item.tolist() == []
        strangers = archive.history(snapshot.item_side.catalog, np.array(["zoe"]), NOW)
        assert (strangers.users, len(strangers.item)) == (1, 0)
        archive.close()

    def test_the_engine_sorts_as_numpy_does(self, tmp_path) -> None:
        """Users by code point, then time, item key, kind, quantity and value, as single floats, unknown ones last."""
        random, events = np.random.default_rng(4), []
        users, kinds = ["", "Z", "a", "ab", "é", "\uffff", "\U0001f600"], EVENT_KINDS[:3]
        for number in range(600):
            time = moment(1) + dt.timedelta(seconds=int(random.integers(4)), milliseconds=int(random.integers(1000)))
            told = event(str(random.choice(users)), f"item {random.integers(9)}", 0, time=time, event_id=f"{number}")
            told |= {"kind": str(random.choice(kinds)), "quantity": float(random.choice([1, 1 + 1e-9, 2]))}
            events.append(told | {"value": random.choice([None, 0.1, 5])})
        archive = open_shop(Shop(events), tmp_path)
        snapshot, history = known(archive)
        archive.close()
        wanted = build_history(
            np.searchsorted(snapshot.users, [row["user_id"] for row in events]),
            snapshot.item_side.catalog.rows_of_ids([row["item_id"] for row in events]),
            np.array([int(row["time"].timestamp()) for row in events]),
            np.array([EVENT_KINDS.index(row["kind"]) for row in events]),
            *(np.array([row[name] for row in events], np.float32) for name in ("quantity", "value")),
            users=len(users),
        )
        assert snapshot.users.tolist() == sorted(users)
        assert all(
            np.array_equal(getattr(history, name), column, equal_nan=True) for name, column in vars(wanted).items()
        )

    def test_the_order_of_rows_in_a_partition_does_not_matter(self, tmp_path, shop) -> None:
        turned = Shop(*(rows[::-1] for rows in vars(shop).values()))
        one, other = open_shop(shop, tmp_path / "one"), open_shop(turned, tmp_path / "other")
        first, second = known(one)[1], known(other)[1]
        assert all(getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in vars(first))
        one.close()
        other.close()


def test_a_user_without_events_has_an_empty_history(tmp_path) -> None:
    archive = open_shop(Shop(SMALL.events, SMALL.items, [user("zoe")]), tmp_path)
    snapshot, history = known(archive)
    assert snapshot.users.tolist() == ["anna", "bert", "zoe"]
    assert np.diff(history.offsets).tolist() == [2, 1, 0]
    archive.close()
