import datetime as dt

import pyarrow.parquet as pq
import pytest

from pipeline.errors import DayOutsideDataError
from pipeline.sources.archive import CLEAN, RAW, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.sources.watermark import watermark
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.upkeep import backfill, reconcile
from tests.pipeline.stages.archives import DAY, archive_of, changed, fingerprints

NEXT = DAY + dt.timedelta(days=1)
FIFTH = dt.date(2017, 1, 5)


def ids(made, name, day):
    return set(pq.ParquetFile(partition_file(made.workspace, RAW, name, day)).read()["order_id"].to_pylist())


def order_of(made, day):
    return min(ids(made, "orders", day))


def entries(made, name):
    with open_ledger(made.workspace.ledger) as ledger:
        return ledger.extractions(name)


def test_what_agrees_is_left_alone(archive):
    before = archive_of(archive)
    found = reconcile(None, None, archive)
    assert {each.table: each.differences for each in found} == {each.table: [] for each in found}
    assert archive_of(archive) == before


def test_deleted_rows_are_found_by_day_and_taken_away(archive):
    order = order_of(archive, FIFTH)
    before = fingerprints(archive.workspace.raw)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"DELETE FROM orders WHERE basket_id = {order}")
    differences = [str(each) for found in reconcile(None, None, archive) for each in found.differences]
    assert len(differences) == 1
    assert differences[0].startswith("orders 2017-01-05: keys differ")
    assert order not in ids(archive, "orders", FIFTH)
    after = fingerprints(archive.workspace.raw)
    assert [path for path in before if before[path] != after[path]] == ["raw/orders/day=2017-01-05/part.parquet"]
    entry = entries(archive, "orders")[-1]
    assert (entry.kind, entry.deleted, entry.note) == ("reconcile", 1, differences[0])
    with open_ledger(archive.workspace.ledger) as ledger:
        assert ledger.gone_ids("order_id") == {order}


def test_lines_and_events_of_a_deleted_order_leave_the_clean_archive_whatever_their_day(archive):
    """The shop deleted the order alone; its lines, of another day, are nobody's now."""
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE order_items SET updated_at = '2017-01-06 10:00:00' WHERE basket_id = {order}")
    reconcile(None, None, archive)
    clean(DAY, archive)
    assert order in clean_events(archive, dt.date(2017, 1, 6))
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"DELETE FROM orders WHERE basket_id = {order}")
    reconcile(None, None, archive)
    clean(DAY, archive)
    assert order not in clean_events(archive, dt.date(2017, 1, 6))
    with open_ledger(archive.workspace.ledger) as ledger:
        assert not ledger.has_fresh_tombstones()


def clean_events(made, day):
    return set(pq.ParquetFile(partition_file(made.workspace, CLEAN, "events", day)).read()["basket_id"].to_pylist())


def test_a_row_committed_days_late_is_found(archive):
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute("INSERT INTO orders VALUES (99, 1, 1, 'completed', '2017-01-05 10:00:00', '2017-01-05 10:00:00')")
    found = {each.table: each for each in reconcile(None, None, archive)}
    assert found["orders"].inserted == 1
    assert "99" in ids(archive, "orders", FIFTH)


def test_a_value_that_changed_under_its_cursor_is_found_only_where_rows_are_compared(archive):
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET status = 'cancelled' WHERE basket_id = {order}")
    by_keys = archive.model_copy(update={"extract": archive.extract.model_copy(update={"reconcile": "keys"})})
    assert [each for found in reconcile(None, None, by_keys) for each in found.differences] == []
    assert sum(found.updated for found in reconcile(None, None, archive)) == 1


@pytest.mark.parametrize("depth", ["keys", "rows"])
def test_a_cursor_that_went_backwards_takes_its_row_along(archive, depth):
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET updated_at = '2017-01-03 10:00:00' WHERE basket_id = {order}")
    made = archive.model_copy(update={"extract": archive.extract.model_copy(update={"reconcile": depth})})
    reconcile(None, None, made)
    assert order in ids(archive, "orders", dt.date(2017, 1, 3))
    assert order not in ids(archive, "orders", FIFTH)


def test_only_the_named_days_are_repaired(archive):
    with changed(archive.workspace.demo_shop) as shop:
        for day in (FIFTH, dt.date(2017, 1, 7)):
            shop.execute(f"DELETE FROM orders WHERE basket_id = {order_of(archive, day)}")
    found = {each.table: each for each in reconcile(FIFTH, FIFTH, archive)}
    assert [each.day for each in found["orders"].differences] == [FIFTH]
    assert [each.day for found in reconcile(None, None, archive) for each in found.differences] == [dt.date(2017, 1, 7)]


def test_rows_without_a_readable_cursor_are_counted_and_what_is_archived_of_them_stays(archive):
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET updated_at = '0000-00-00 00:00:00' WHERE basket_id = {order}")
    found = {each.table: each for each in reconcile(None, None, archive)}
    assert (found["orders"].unreadable, found["orders"].deleted) == (1, 0)
    assert order in ids(archive, "orders", FIFTH)


def test_every_nth_run_compares(archive):
    made = archive.model_copy(update={"extract": archive.extract.model_copy(update={"reconcile_every": 2})})
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"DELETE FROM orders WHERE basket_id = {order}")
    assert extract(NEXT, made).counts["deleted"] == 1
    assert [entry.kind for entry in entries(archive, "orders")] == ["new", "new", "reconcile"]
    extract(NEXT + dt.timedelta(days=1), made)
    assert [entry.kind for entry in entries(archive, "orders")][-1] == "new"


def test_a_backfill_replaces_its_days_and_moves_no_watermark(archive):
    order = order_of(archive, FIFTH)
    with changed(archive.workspace.demo_shop) as shop:
        shop.execute(f"UPDATE orders SET status = 'lost' WHERE basket_id = {order}")
    before = fingerprints(archive.workspace.raw)
    taken = backfill(FIFTH, dt.date(2017, 1, 6), archive)
    after = fingerprints(archive.workspace.raw)
    assert [path for path in before if before[path] != after[path]] == ["raw/orders/day=2017-01-05/part.parquet"]
    assert (taken["orders"].updated, taken["orders"].inserted, taken["orders"].deleted) == (1, 0, 0)
    entry = entries(archive, "orders")[-1]
    assert (entry.kind, entry.cursor_before) == ("backfill", entry.cursor_after)
    with open_ledger(archive.workspace.ledger) as ledger:
        assert watermark(ledger, "demo", "orders").date() == dt.date(2017, 1, 13)


def test_a_backfill_reaches_no_further_than_extraction(archive):
    with pytest.raises(DayOutsideDataError, match="stage extract"):
        backfill(FIFTH, dt.date(2017, 1, 13), archive)
