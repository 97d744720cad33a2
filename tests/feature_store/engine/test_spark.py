"""Spark computes what DuckDB computes: the same definitions, the same archive, the same values."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from feature_store.engine.connect import open_engine
from feature_store.engine.spark import LEAST_JAVA, java_version
from feature_store.errors import ArchiveError, EngineError
from feature_store.offline import Archive
from feature_store.registry import stored_features
from feature_store.rollup import Rollup, last_monday, write_rollup
from feature_store.snapshot import arrays_of, compute_snapshot
from feature_store.spec import ENTITIES
from feature_store.views import reach_days
from tests.feature_store.archive import NOW, TODAY, Shop, event, item, moment, price, random_shop, user, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from feature_store.engine import Engine
    from feature_store.history import History

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("java"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def java() -> Iterator[None]:
    version = java_version()
    if version is None or version < LEAST_JAVA:
        reason = f"Java {LEAST_JAVA} or later is needed, found {version}: install openjdk-17-jre-headless"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:  # a Java that lives for a minute need not compile twice
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A busy shop with everything that engines are known to treat differently."""
    shop = random_shop(seed=11, users=120, items=90, baskets=1500)
    late = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(microseconds=1)
    shop.events += [
        event("user 1", "item 3", 0, time=late, value=1 / 3, quantity=0.1 + 0.2, discount=2.5e-7),
        event("user 1", "item 4", -0.25),  # after the day
        event("ümlaut", "Ä", 2),
        event("Zoe", "", 2, basket_id=""),
        event("x" * 300, "item 5", 91),  # at the edge of a window
        *shop.visits,
    ]
    shop.items += [item("Ä", "Käse", brand="É"), item("", None), item("tomorrow", days_ago=-1)]
    shop.users += [user("tomorrow", days_ago=-1), *(user(name) for name in {row["user_id"] for row in shop.events})]
    second = moment(3).replace(microsecond=0)
    for micro, money in ((10, 7.0), (999_999, 3.1), (500, 5.0)):  # three prices within one second
        shop.prices.append(price("item 6", money, 0) | {"valid_from": second.replace(microsecond=micro)})
    folder = tmp_path_factory.mktemp("engines") / "clean"
    for table in (
        "events",
        "items",
        "users",
        "prices",
        "promotions",
    ):  # in few partitions, for Spark takes its time with each
        rows = getattr(shop, table)
        for half in (0, 1):
            write(folder, table, rows[half::2], TODAY - dt.timedelta(days=2 - half))
    # The source changed rows: one later, one at the same moment in a later partition.
    changed = shop.events[7]
    write(folder, "events", [changed | {"value": 99.25, "updated_at": moment(-0.5)}], TODAY)
    write(folder, "items", [item("item 9", "moved", updated_at=shop.items[10]["updated_at"])], TODAY)
    return folder


@dataclass(frozen=True)
class Computed:
    """What one engine made of the archive."""

    snapshot: dict[str, pa.Table]
    history: History
    exact: list[pa.Table]
    """Sums, ages and the last of several prices in double precision: what columns of features are cast from."""


def rolled_up(clean: Path, engine: Engine, folder: Path) -> Rollup:
    """The past until some weeks ago, written by the engine."""
    folder.mkdir()
    past = Rollup(last_monday(NOW, reach_days()), folder)
    write_rollup(folder, Archive(clean, TODAY, engine=engine), past.until)
    return past


def compute(clean: Path, engine: Engine, past: Rollup | None = None) -> Computed:
    archive = Archive(clean, TODAY, past=past, engine=engine)
    try:
        assert archive.past == past
        tables = compute_snapshot(archive, TODAY)
        known = arrays_of(tables, NOW)
        recent = archive.events.filter(archive.events["seconds"] >= NOW - 91 * 86_400)
        sums = recent.group_by("user_id").aggregate(
            money=recent["value"].cast("decimal(38, 6)").sum().cast("float64"),
            age=((NOW - recent["seconds"]) / 86_400.0).min(),
        )
        last = archive.prices["price"].argmax(archive.prices["valid_from"])
        prices = archive.prices.group_by("item_id").aggregate(price=last)
        exact = [archive.frame(table.order_by(table.columns[0])) for table in (sums, prices)]
        return Computed(tables, archive.history(known.item_side.catalog, known.users, NOW), exact)
    finally:
        archive.close()


@pytest.fixture(scope="module")
def spill(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("beside") / "spill"


@pytest.fixture(scope="module")
def both(clean, spill) -> list[Computed]:
    """The same partitions in DuckDB, read whole, and in Spark, which goes on from a roll-up of its own."""
    whole = compute(clean, open_engine("duckdb", spill=spill))
    spark = open_engine("spark", spill=spill)
    return [whole, compute(clean, spark, rolled_up(clean, spark, spill.parent / "before"))]


def assert_same(ours: pa.Table, theirs: pa.Table) -> None:
    """Texts and whole numbers equal, other numbers to nine digits."""
    assert ours.schema.types == theirs.schema.types
    assert ours.num_rows == theirs.num_rows > 0
    for name in ours.column_names:
        if pa.types.is_floating(ours[name].type):
            one, other = ours[name].to_numpy().astype(float), theirs[name].to_numpy().astype(float)
            assert (np.abs(one - other) <= 1e-9 * np.abs(one)).all(), name
        else:
            assert ours[name].to_pylist() == theirs[name].to_pylist(), name


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_snapshot_is_the_same_on_both(entity, both) -> None:
    assert_same(*(computed.snapshot[entity] for computed in both))


def test_every_stored_feature_is_compared_by_values_that_differ(both) -> None:
    for feature in (each for entity in ENTITIES for each in stored_features(entity)):
        assert len(set(both[0].snapshot[feature.entity][feature.name].to_pylist())) > 1, feature.name


def test_before_it_becomes_float32_a_value_has_nine_equal_digits(both) -> None:
    for ours, theirs in zip(*(computed.exact for computed in both), strict=True):
        assert_same(ours, theirs)


def test_histories_are_the_same_to_the_bit(both) -> None:
    ours, theirs = (computed.history for computed in both)
    assert all(getattr(ours, name).tobytes() == getattr(theirs, name).tobytes() for name in vars(ours))


def test_a_closed_engine_leaves_its_log_and_no_session(both, spill) -> None:
    from pyspark import SparkContext

    assert len(both) == 2
    assert SparkContext._active_spark_context is None
    assert SparkContext._gateway is None
    assert "spark.log" in {path.name for path in spill.iterdir()}


def test_a_partition_that_cannot_be_read_or_lacks_a_column_is_named(tmp_path) -> None:
    import pyarrow.parquet as pq

    clean = Shop([event("anna", "milk", 3), event("anna", "milk", 1)]).write(tmp_path / "clean")
    first, second = sorted((clean / "events").glob("day=*/part.parquet"))
    good = second.read_bytes()
    pq.write_table(pq.read_table(second).drop_columns("value"), second)
    engine = open_engine("spark", spill=tmp_path / "spill")
    with pytest.raises(engine.failures, match=f"{second}.*value"):
        engine.rows("events", [str(first), str(second)], "time")
    second.write_bytes(good[:-9])
    with pytest.raises(ArchiveError, match=rf"table events: .*{second}"):
        Archive(clean, TODAY, engine=engine)


def test_a_session_that_does_not_start_says_why(tmp_path) -> None:
    with pytest.raises(EngineError, match=r"expected a session of local\[x\], found .*Could not parse.*spark_master"):
        open_engine("spark", spark_master="local[x]", spill=tmp_path)
