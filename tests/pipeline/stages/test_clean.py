import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.errors import ArchiveError
from feature_store.schema import EVENTS, TABLES
from pipeline.settings import Clean
from pipeline.sources.archive import CLEAN, RAW, partition_file
from pipeline.sources.canonical import arrow_schema
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
    return found.get("dropped", found.get("changed"))


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
    assert total["rows_in"] - total["dropped"] == total["rows_out"]
    for name, table in report(archive)["tables"].items():
        assert table["rows_in"] - table["dropped"] == table["rows_out"] == len(rows(archive, name))
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
    clean(DAY, archive)
    assert archive_of(archive) == before


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
    extract(NEXT, made)
    clean(NEXT, made)
    assert rows(made, "events", dt.date(2017, 1, 9)) == expected


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
