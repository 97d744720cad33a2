import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.errors import ArchiveError
from feature_store.schema import EVENTS, MAPPABLE_TABLES, PURCHASE, REFUND, REFUNDS, TABLES
from pipeline.cleaning.quarantine import quarantine_file
from pipeline.settings import Clean
from pipeline.sources.archive import CLEAN, RAW, partition_file, write_partitions
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.ledger import open_ledger
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.workspace import partition_days
from tests.pipeline.stages.archives import DAY, archive_of, changed, fingerprints, run_killed

NEXT = DAY + dt.timedelta(days=1)
NEW = DAY + dt.timedelta(days=3)
"""The day that a run of NEXT reads for the first time."""


def rows(made, name, day=None):
    days = [day] if day else partition_days(made.workspace.clean, name)
    files = [partition_file(made.workspace, CLEAN, name, each) for each in days]
    return pa.concat_tables([pq.ParquetFile(path).read() for path in files]).to_pylist()


def report(made, day=DAY):
    return json.loads((made.workspace.reports(day) / "clean.json").read_text())


def rule(made, table, name, day=DAY):
    (found,) = [each for each in report(made, day)["tables"][table]["rules"] if each["rule"] == name]
    return next(found[effect] for effect in ("dropped", "changed", "quarantined") if effect in found)


def line(made):
    """A line of 2017-01-09 that is left after cleaning: (order id, line number)."""
    event = rows(made, "events", dt.date(2017, 1, 9))[0]
    return event["basket_id"], int(event["event_id"].split(":")[1])


def test_every_partition_is_in_the_canonical_schema(archive):
    for name, table in TABLES.items():
        for day in partition_days(archive.workspace.clean, name):
            schema = pq.read_schema(partition_file(archive.workspace, CLEAN, name, day))
            assert schema.remove_metadata() == arrow_schema(table)


def test_events_are_the_lines_that_are_left(archive):
    lines, events = rows(archive, "order_items"), rows(archive, "events")
    orders = {order["order_id"]: order for order in rows(archive, "orders")}
    assert len(events) == len(lines) > 1000
    for event, line in zip(events, lines, strict=True):
        assert event["event_id"] == f"{line['order_id']}:{line['line_number']}"
        assert event["time"] == orders[event["basket_id"]]["created_at"]
        assert (event["value"], event["quantity"], event["item_id"]) == (
            line["amount"],
            line["quantity"],
            line["item_id"],
        )


def test_the_report_adds_up(archive):
    total = report(archive)["total"]
    assert total["rows_in"] - total["dropped"] - total["quarantined"] == total["rows_out"]
    for name, table in report(archive)["tables"].items():
        assert (
            table["rows_in"] - table["dropped"] - table["quarantined"] == table["rows_out"] == len(rows(archive, name))
        )
    assert total["events"] == len(rows(archive, "events"))
    assert rule(archive, "order_items", "excluded_departments") > 0
    assert rule(archive, "order_items", "no_quantity") > 0


def test_running_again_changes_nothing_not_even_the_report(archive):
    before = archive_of(archive) | fingerprints(archive.workspace.reports(DAY))
    assert clean(DAY, archive).rows == 0
    assert archive_of(archive) | fingerprints(archive.workspace.reports(DAY)) == before


def test_cleaning_needs_no_source(archive):
    archive.workspace.demo_shop.unlink()
    before = archive_of(archive)
    partition_file(archive.workspace, CLEAN, "events", DAY).unlink()
    clean(DAY, archive)
    assert archive_of(archive) == before


def test_the_next_day_cleans_one_more_day(archive):
    extract(NEXT, archive)
    result = clean(NEXT, archive)
    assert partition_days(archive.workspace.clean, "events")[-1] == NEW
    assert result.counts["events"] == len(rows(archive, "events", NEW))


def test_a_damaged_clean_partition_is_made_again(archive):
    before = archive_of(archive)
    path = partition_file(archive.workspace, CLEAN, "orders", DAY)
    path.write_bytes(path.read_bytes()[:-10])
    damaged = path.read_bytes()
    clean(DAY, archive)
    assert archive_of(archive) == before
    assert (archive.workspace.damaged / "clean" / "orders" / f"day={DAY}" / "part.parquet").read_bytes() == damaged


def test_a_damaged_raw_partition_is_told_with_the_remedy(archive):
    path = partition_file(archive.workspace, RAW, "order_items", DAY)
    path.write_bytes(b"rubbish")
    partition_file(archive.workspace, CLEAN, "events", DAY).unlink()
    with pytest.raises(ArchiveError, match="vitrine stage extract") as error:
        clean(DAY, archive)
    assert str(path) in str(error.value)


def test_days_that_were_never_extracted_are_told(archive, short, tmp_path):
    with pytest.raises(ArchiveError, match="everything up to 2017-01-13"):
        clean(NEXT, archive)
    with pytest.raises(ArchiveError, match="nothing"):
        clean(DAY, short(work_dir=tmp_path / "empty"))


def test_other_choices_clean_everything_again(archive):
    other = archive.model_copy(update={"clean": Clean(excluded_departments=("GROCERY",))})
    clean(DAY, other)
    assert rule(other, "order_items", "excluded_departments") > 1000


def test_an_order_cancelled_later_takes_its_lines_with_it(archive):
    order_id, _ = line(archive)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(
            f"UPDATE orders SET status = 'cancelled', updated_at = '{NEW} 08:00:00' WHERE basket_id = {order_id}"
        )
    extract(NEXT, archive)
    clean(NEXT, archive)
    assert order_id not in {event["basket_id"] for event in rows(archive, "events")}
    assert order_id not in {order["order_id"] for order in rows(archive, "orders")}
    assert rule(archive, "orders", "superseded", NEXT) == 1


def test_a_line_changed_later_counts_once_as_it_is_now(archive):
    order_id, number = line(archive)
    where = f"basket_id = {order_id} AND line_number = {number}"
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE order_items SET sales_value = 99, updated_at = '{NEW} 08:00:00' WHERE {where}")
    extract(NEXT, archive)
    clean(NEXT, archive)
    found = [event for event in rows(archive, "events") if event["event_id"] == f"{order_id}:{number}"]
    assert [event["value"] for event in found] == [99]
    assert found[0]["time"].date() == dt.date(2017, 1, 9)
    assert found[0]["updated_at"].date() == NEW
    assert rule(archive, "order_items", "superseded", NEXT) == 1


def test_a_line_waits_for_its_order_and_for_its_item(archive):
    """Both arrive a day late; then the archive's events are the ones of a shop where they were in time."""
    order_id, _ = line(archive)
    expected = rows(archive, "events", dt.date(2017, 1, 9))
    item_id = next(event["item_id"] for event in expected if event["basket_id"] != order_id)
    made = archive.model_copy(update={"work_dir": archive.work_dir.parent / "late"})
    made.workspace.demo_shop.parent.mkdir(parents=True)
    made.workspace.demo_shop.write_bytes(archive.workspace.demo_shop.read_bytes())
    with changed(made.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET updated_at = '{NEW} 08:00:00' WHERE basket_id = {order_id}")
        shop.execute(f"UPDATE items SET updated_at = '{NEW} 08:00:00' WHERE product_id = {item_id}")
    extract(DAY, made)
    clean(DAY, made)
    assert rule(made, "order_items", "unknown_orders") > 0
    assert rule(made, "order_items", "unknown_items") > 0
    waiting = pq.ParquetFile(quarantine_file(made.workspace, "order_items", dt.date(2017, 1, 9))).read().to_pylist()
    assert {row["reason"] for row in waiting if row["order_id"] == order_id} == {"unknown_orders"}
    assert {row["reason"] for row in waiting if row["item_id"] == item_id} >= {"unknown_items"}
    extract(NEXT, made)
    clean(NEXT, made)
    assert rows(made, "events", dt.date(2017, 1, 9)) == expected
    assert not quarantine_file(made.workspace, "order_items", dt.date(2017, 1, 9)).exists()


def test_an_item_that_moves_to_an_excluded_department_is_no_article_any_more(archive):
    item_id = rows(archive, "events", dt.date(2017, 1, 9))[0]["item_id"]
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(
            f"UPDATE items SET department = 'FUEL', updated_at = '{NEW} 08:00:00' WHERE product_id = {item_id}"
        )
    extract(NEXT, archive)
    clean(NEXT, archive)
    for name in ("events", "items", "prices"):
        assert item_id not in {row["item_id"] for row in rows(archive, name)}


def test_cleaning_day_by_day_makes_the_archive_of_cleaning_at_once(archive):
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET status = 'cancelled', updated_at = '{NEW} 08:00:00' WHERE basket_id % 5 = 0")
        shop.execute(f"UPDATE order_items SET quantity = 9, updated_at = '{NEW} 09:00:00' WHERE basket_id % 7 = 0")
    extract(NEXT, archive)
    clean(NEXT, archive)
    step_by_step = fingerprints(archive.workspace.clean)
    for path in archive.workspace.clean.rglob("*.parquet"):
        path.unlink()
    clean(NEXT, archive)
    assert fingerprints(archive.workspace.clean) == step_by_step


@pytest.mark.parametrize("renames", [1, 20, 65])
def test_a_killed_run_continues_and_the_archive_is_that_of_one_never_killed(archive, archived_work, renames):
    for path in archive.workspace.clean.rglob("*.parquet"):
        path.unlink()
    run_killed("clean", archive, renames)
    clean(DAY, archive)
    assert fingerprints(archive.workspace.clean) == fingerprints(archived_work / "clean")


def test_events_have_a_file_for_every_day_with_lines(archive):
    assert partition_days(archive.workspace.clean, EVENTS.name) == partition_days(archive.workspace.raw, "order_items")


def archive_raw(made, name, day, *new):
    """Rows of a table that the demo shop does not have, as extraction would archive them."""
    moment = dt.datetime.combine(day, dt.time(12), dt.UTC)
    rows = [{"created_at": moment, "updated_at": moment, **row} for row in new]
    days = [(day, pa.Table.from_pylist(rows, schema=arrow_schema(MAPPABLE_TABLES[name])))]
    with open_ledger(made.workspace.ledger) as ledger, ledger.transaction():
        ledger.record_partitions(RAW, name, write_partitions(made.workspace, RAW, name, days))


def purchased(made):
    return [event for event in rows(made, "events") if event["kind"] == PURCHASE]


def test_a_refund_that_comes_later_takes_its_money_off_the_line(archive):
    order_id, number = line(archive)
    event_id = f"{order_id}:{number}"
    before = {event["event_id"]: event["value"] for event in purchased(archive)}
    refund = {"order_id": order_id, "line_number": number, "quantity": None, "amount": before[event_id] / 2}
    archive_raw(archive, REFUNDS.name, DAY, {"refund_id": "half", **refund})
    clean(DAY, archive)
    after = {event["event_id"]: event["value"] for event in purchased(archive)}
    assert after == {**before, event_id: pytest.approx(before[event_id] / 2)}
    archive_raw(archive, REFUNDS.name, DAY, {"refund_id": "half", **refund}, {"refund_id": "rest", **refund})
    clean(DAY, archive)
    assert {event["event_id"] for event in purchased(archive)} == set(before) - {event_id}
    assert rule(archive, "order_items", "refunded") == 1


def returned(made):
    return [event for event in rows(made, "events") if event["kind"] == REFUND]


def test_what_came_back_is_an_event_of_the_refunds_own_time(archive):
    order_id, number = line(archive)
    (bought,) = [each for each in purchased(archive) if each["event_id"] == f"{order_id}:{number}"]
    refund = {"order_id": order_id, "line_number": number, "quantity": None, "amount": bought["value"]}
    archive_raw(
        archive, REFUNDS.name, NEXT, {"refund_id": "r", **refund}, {"refund_id": "strange", **refund, "order_id": "?"}
    )
    clean(DAY, archive)
    (told,) = returned(archive)
    assert told["time"].date() == NEXT
    names = ("user_id", "item_id", "basket_id", "quantity", "value")
    assert [told[name] for name in names] == [bought[name] for name in names]
    before = archive_of(archive)
    clean(DAY, archive)
    assert archive_of(archive) == before


def test_a_refund_that_was_taken_back_is_an_event_no_more(archive):
    order_id, number = line(archive)
    refund = {"refund_id": "r", "order_id": order_id, "line_number": number, "quantity": 1.0}
    archive_raw(archive, REFUNDS.name, DAY, {**refund, "amount": 0.5})
    clean(DAY, archive)
    assert len(returned(archive)) == 1
    archive_raw(archive, REFUNDS.name, NEXT, {**refund, "amount": 0.0})
    clean(DAY, archive)
    assert returned(archive) == []


def test_events_that_the_shop_writes_stand_beside_purchases(archive):
    bought = rows(archive, "events", DAY)
    moment = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
    click = {**bought[0], "event_id": "click", "kind": "click", "quantity": 0.0, "value": 0.0, "updated_at": moment}
    click |= {"slot": "home", "position": 2, "request_id": "r-1"}
    archive_raw(archive, EVENTS.name, DAY, click, {**click, "event_id": "unknown", "item_id": "unheard of"})
    clean(DAY, archive)
    assert rows(archive, "events", DAY) == [*bought, click]
    assert report(archive)["tables"]["events"]["quarantined"] == 1
    before = archive_of(archive)
    clean(DAY, archive)
    assert archive_of(archive) == before


def test_events_wait_for_their_user(archive):
    """A login reaches the web log before, or after, the row of its user reaches the shop's database."""
    moment = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
    click = {**rows(archive, "events", DAY)[0], "event_id": "click", "kind": "click", "updated_at": moment}
    archive_raw(archive, EVENTS.name, DAY, {**click, "user_id": "newcomer"})
    clean(DAY, archive)
    (waiting,) = pq.read_table(quarantine_file(archive.workspace, EVENTS.name, DAY)).to_pylist()
    assert (waiting["user_id"], waiting["reason"]) == ("newcomer", "unknown_users")
    user = {"user_id": "newcomer", "segment": None, "created_at": moment}
    archive_raw(archive, "users", DAY, user)
    clean(DAY, archive)
    assert [each["event_id"] for each in rows(archive, "events", DAY) if each["user_id"] == "newcomer"] == ["click"]
    assert not quarantine_file(archive.workspace, EVENTS.name, DAY).exists()


def test_a_lost_quarantine_is_written_again(archive):
    price = {"item_id": "unheard of", "valid_from": dt.datetime(2017, 1, 1, tzinfo=dt.UTC), "price": 1.0}
    archive_raw(archive, "prices", DAY, price)
    clean(DAY, archive)
    path = quarantine_file(archive.workspace, "prices", DAY)
    content = path.read_bytes()
    path.unlink()
    clean(DAY, archive)
    assert path.read_bytes() == content


def test_the_page_needs_nothing_but_itself(archive):
    page = (archive.workspace.reports(DAY) / "clean.html").read_text()
    assert not any(word in page for word in ("http", "src=", "@import", "<script"))
    for name, table in report(archive)["tables"].items():
        assert f"{name}: {table['rows_in']:,} rows in" in page


def test_days_of_a_later_month_are_clipped_and_reported(archive):
    """With bounds of January alone there is nothing to compare: the archive's first month is left as it is."""
    assert report(archive)["outliers"]["month"] == "2017-01-01"
    assert report(archive)["outliers"]["shop"] is None
    assert rule(archive, "order_items", "outliers") == 0
