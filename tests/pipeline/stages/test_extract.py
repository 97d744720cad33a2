import datetime as dt
import shutil
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.schema import SOURCE_TABLES
from pipeline.demo.shop import load_demo_shop
from pipeline.errors import DayOutsideDataError, EmptyDayError, SourceError
from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.drift import accept_shape
from pipeline.sources.ledger import open_ledger
from pipeline.sources.watermark import watermark
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.stages.features import features
from pipeline.stages.validate import validate
from pipeline.upkeep import reconcile
from pipeline.workspace import partition_days
from tests.pipeline.stages.archives import DAY, archive_of, changed, fingerprints, run_killed

NEXT = DAY + dt.timedelta(days=1)
LAST = DAY + dt.timedelta(days=2)


def raw(made, name, day):
    return pq.ParquetFile(partition_file(made.workspace, RAW, name, day)).read()


def count(shop, query):
    with changed(shop) as connection:
        return connection.execute(query).fetchone()[0]


def nothing_written(made):
    return not made.workspace.raw.exists() and not made.workspace.ledger.exists()


def test_the_archive_has_every_row_up_to_the_last_judged_day(archive):
    for name, source in {
        "users": "users",
        "prices": "item_prices",
        "orders": "orders",
        "order_items": "order_items",
    }.items():
        rows = sum(len(raw(archive, name, day)) for day in partition_days(archive.workspace.raw, name))
        assert rows == count(
            archive.workspace.demo_shop, f"SELECT count(*) FROM {source} WHERE updated_at < '2017-01-13'"
        )


def test_a_partition_holds_its_own_day(archive):
    for name, table in SOURCE_TABLES.items():
        days = partition_days(archive.workspace.raw, name)
        assert days[-1] <= LAST
        for day in days:
            assert {moment.date() for moment in raw(archive, name, day)[table.cursor].to_pylist()} == {day}


def test_running_again_reads_and_changes_nothing(archive):
    before = archive_of(archive)
    result = extract(DAY, archive)
    assert result.rows == 0
    assert archive_of(archive) == before


def test_the_next_day_reads_one_more_day_and_makes_the_same_archive_as_one_run(archive, short, tmp_path):
    result = extract(NEXT, archive)
    third = LAST + dt.timedelta(days=1)
    assert result.counts["orders"] == len(raw(archive, "orders", third))
    with open_ledger(archive.workspace.ledger) as ledger:
        entry = ledger.extractions("orders")[-1]
        assert (entry.cursor_before.date(), entry.end - entry.cursor_before) == (third, dt.timedelta(days=1))
        assert entry.cursor_before - entry.start == dt.timedelta(minutes=10), "what was committed late is read too"
        assert entry.cursor_after == entry.end == watermark(ledger, "demo", "orders")
    at_once = short(work_dir=tmp_path / "other")
    at_once.workspace.demo_shop.parent.mkdir(parents=True)
    shutil.copyfile(archive.workspace.demo_shop, at_once.workspace.demo_shop)
    extract(NEXT, at_once)
    assert fingerprints(at_once.workspace.raw) == fingerprints(archive.workspace.raw)


def test_an_earlier_day_is_already_there(archive):
    assert extract(dt.date(2017, 1, 5), archive).rows == 0


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1 rubbish PAR1")])
def test_missing_and_damaged_partitions_are_read_again(archive, damage):
    before = archive_of(archive)
    for day in (5, 6, 9):
        damage(partition_file(archive.workspace, RAW, "order_items", dt.date(2017, 1, day)))
    assert extract(DAY, archive).counts["days_mended"] == 3
    assert archive_of(archive) == before


def test_a_damaged_partition_is_named_and_kept_as_it_was_found(archive, caplog):
    path = partition_file(archive.workspace, RAW, "order_items", dt.date(2017, 1, 5))
    path.write_bytes(b"PAR1 rubbish PAR1")
    extract(DAY, archive)
    (told,) = [each for each in caplog.records if each.message == "damaged partition, making it again"]
    kept = archive.workspace.damaged / "raw" / "order_items" / "day=2017-01-05" / "part.parquet"
    assert (told.file, told.kept) == (str(path), str(kept))
    assert kept.read_bytes() == b"PAR1 rubbish PAR1"
    caplog.clear()
    extract(DAY, archive)
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.slow
def test_a_damaged_day_that_held_older_versions_is_read_again_and_says_how_many_were_lost(archive):
    """Twelve orders of one day change later: the archive keeps both versions, the shop only the new one."""
    damaged, changed_on = dt.date(2017, 1, 5), dt.date(2017, 1, 13)
    with changed(archive.workspace.demo_shop) as shop:
        at = f"status = 'sent', updated_at = '{changed_on} 08:00:00'"
        on_day = f"SELECT basket_id FROM orders WHERE date(updated_at) = '{damaged}' ORDER BY 1 LIMIT 12"
        moved = {str(number) for (number,) in shop.execute(on_day).fetchall()}
        shop.execute(f"UPDATE orders SET {at} WHERE basket_id IN ({', '.join(moved)})")
    for stage in (extract, clean, validate):
        stage(NEXT, archive)
    assert moved <= set(raw(archive, "orders", damaged)["order_id"].to_pylist())
    partition_file(archive.workspace, RAW, "orders", damaged).write_bytes(b"PAR1 rubbish PAR1")
    assert extract(NEXT, archive).counts["days_mended"] == 1
    with open_ledger(archive.workspace.ledger) as ledger:
        entry = ledger.extractions("orders")[-1]
    assert (entry.kind, entry.deleted) == ("mend", 0)
    assert entry.note == "12 superseded or deleted rows could not be read again"
    assert not moved & set(raw(archive, "orders", damaged)["order_id"].to_pylist())
    newest = dict(
        zip(*raw(archive, "orders", changed_on).select(["order_id", "status"]).to_pydict().values(), strict=True)
    )
    assert {newest[number] for number in moved} == {"sent"}
    assert [each for found in reconcile(None, None, archive) for each in found.differences] == []
    for stage in (clean, validate, features):
        assert stage(NEXT, archive).rows > 0


def test_a_changed_row_comes_again_in_the_partition_of_its_change(archive):
    with changed(archive.workspace.demo_shop) as shop:
        (order_id,) = shop.execute("SELECT min(basket_id) FROM orders").fetchone()
        changes = "status = 'cancelled', updated_at = '2017-01-13 08:00:00'"
        shop.execute(f"UPDATE orders SET {changes} WHERE basket_id = {order_id}")
    extract(NEXT, archive)
    rows = raw(archive, "orders", dt.date(2017, 1, 13)).filter(pa.compute.field("order_id") == str(order_id))
    assert rows["status"].to_pylist() == ["cancelled"]


@pytest.mark.slow
def test_mariadb_makes_the_same_archive_as_sqlite(short, tmp_path, mysql_database):
    sqlite = f"sqlite:///{tmp_path}/shop.db"
    found = []
    for number, url in enumerate((sqlite, mysql_database)):
        load_demo_shop(url, households=20)
        made = short(work_dir=tmp_path / str(number), database_url=url)
        extract(DAY, made)
        found.append(fingerprints(made.workspace.raw))
    assert found[0] == found[1]
    assert len(found[0]) > 20


@pytest.mark.parametrize("renames", [1, 12, 30])
@pytest.mark.usefixtures("small_shop")
def test_a_killed_run_continues_and_the_archive_is_that_of_one_never_killed(short, archive_tree, renames):
    made = short()
    run_killed("extract", made, renames)
    extract(DAY, made)
    assert fingerprints(made.workspace.raw) == archive_tree


@pytest.fixture
def archive_tree(archived_work):
    return fingerprints(archived_work / "raw")


@pytest.mark.usefixtures("small_shop")
def test_the_watermark_stays_when_a_run_dies_before_the_ledger_knows_its_files(short):
    made = short()
    run_killed("extract", made, 3)  # the users' third file: nothing of them is entered yet
    with open_ledger(made.workspace.ledger) as ledger:
        assert watermark(ledger, "demo", "users") is None
        assert ledger.partitions(RAW, "users") == {}


def test_a_day_without_orders_is_told_before_anything_is_written(small_shop, short):
    with changed(small_shop) as shop:
        shop.execute("DELETE FROM orders WHERE date(updated_at) = '2017-01-10'")
    with pytest.raises(EmptyDayError, match="table `orders`"):
        extract(DAY, short())
    assert nothing_written(short())


def test_orders_without_lines_are_told(small_shop, short):
    with changed(small_shop) as shop:
        shop.execute("DELETE FROM order_items WHERE date(updated_at) = '2017-01-10'")
    with pytest.raises(EmptyDayError, match="table `order_items`"):
        extract(DAY, short())


@pytest.mark.parametrize("day", [dt.date(2016, 12, 31), dt.date(2017, 12, 31), dt.date(2031, 1, 1)])
@pytest.mark.usefixtures("small_shop")
def test_a_day_outside_the_data_is_told_with_the_days_there_are(short, day):
    with pytest.raises(DayOutsideDataError, match="Choose a day from 2017-01-01 to 2017-12-30") as error:
        extract(day, short())
    assert "orders from 2017-01-01 to 201" in error.value.found
    assert nothing_written(short())


def test_a_shop_without_orders_is_told(small_shop, short):
    with changed(small_shop) as shop:
        shop.execute("DELETE FROM orders")
    with pytest.raises(DayOutsideDataError, match="no orders at all"):
        extract(DAY, short())


def test_a_day_that_is_not_over_is_not_extracted(small_shop, settings):
    """Orders of today are there already, but the rest of the day is still to come and would be lost."""
    today = dt.datetime.now(dt.UTC).date()
    with changed(small_shop) as shop:
        shop.execute(f"UPDATE orders SET updated_at = '{today} 00:00:00' WHERE updated_at > '2017-12-31'")
    yesterday = today - dt.timedelta(days=1)
    with pytest.raises(DayOutsideDataError, match=f"Choose a day from 2017-01-01 to {yesterday}"):
        extract(today, settings(evaluation={"holdout": "preceding"}))


@pytest.mark.parametrize(
    ("change", "broken", "told"),
    [
        ("DROP TABLE item_prices", "prices", "item_prices"),
        ("ALTER TABLE items RENAME title TO name", "items", "title"),
        ("ALTER TABLE orders RENAME status TO state", "orders", "status"),
    ],
)
def test_a_missing_table_or_column_stops_its_table_and_no_other(small_shop, short, change, broken, told):
    with changed(small_shop) as shop:
        shop.execute(change)
    with pytest.raises(SourceError, match=told):
        extract(DAY, short())
    with open_ledger(short().workspace.ledger) as ledger:
        reached = {name for name in SOURCE_TABLES if watermark(ledger, "demo", name)}
    assert reached == set(SOURCE_TABLES) - {broken}


def test_two_broken_tables_are_told_together(small_shop, short):
    with changed(small_shop) as shop:
        shop.execute("DROP TABLE item_prices")
        shop.execute("ALTER TABLE items RENAME title TO name")
    with pytest.raises(SourceError, match=r"2 tables.*title.*item_prices"):
        extract(DAY, short())


def test_a_new_column_is_noted_in_the_ledger_and_ignored(archive):
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute("ALTER TABLE orders ADD COLUMN coupon TEXT")
    extract(NEXT, archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        assert ledger.extractions("orders")[-1].note == "new columns ignored: orders.coupon"
        assert ledger.extractions("users")[-1].note == ""


def test_a_retyped_column_stops_its_table_until_somebody_accepts_it(archive):
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute("ALTER TABLE order_items RENAME quantity TO old")
        shop.execute("ALTER TABLE order_items ADD COLUMN quantity VARCHAR(9)")
        shop.execute("UPDATE order_items SET quantity = old")
    with pytest.raises(SourceError, match=r"order_items\.quantity.*whole numbers.*text.*--accept order_items"):
        extract(NEXT, archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        assert watermark(ledger, "demo", "orders").date() == dt.date(2017, 1, 14)
        assert watermark(ledger, "demo", "order_items").date() == dt.date(2017, 1, 13)
        assert accept_shape(ledger, "order_items")
    extract(NEXT, archive)


def test_a_source_that_fails_leaves_archive_and_watermark_as_they_were(archive):
    before = archive_of(archive)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute("UPDATE order_items SET quantity = 'some' WHERE date(updated_at) = '2017-01-13'")
    with pytest.raises(SourceError, match="quantity"):
        extract(NEXT, archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        assert watermark(ledger, "demo", "order_items").date() == dt.date(2017, 1, 13)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute("UPDATE order_items SET quantity = 1 WHERE date(updated_at) = '2017-01-13'")
    extract(NEXT, archive)
    assert {path: archive_of(archive)[path] for path in before} == before


def test_two_days_at_once_do_not_hurt_each_other(small_shop, short):
    import multiprocessing

    made = short()
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=extract, args=(day, made)) for day in (DAY, NEXT)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    rows = sum(len(raw(made, "orders", day)) for day in partition_days(made.workspace.raw, "orders"))
    with sqlite3.connect(small_shop) as shop:
        assert shop.execute("SELECT count(*) FROM orders WHERE updated_at < '2017-01-14'").fetchone() == (rows,)
    shop.close()
