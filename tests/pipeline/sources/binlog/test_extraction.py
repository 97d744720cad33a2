"""A real MariaDB with a binlog: whatever changes in it, and however, the archive says the same after the next run."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re

import pytest
import sqlalchemy as sa

from feature_store.errors import ArchiveError
from pipeline.erasure.forget import forget
from pipeline.sources.binlog.position import Position, move_position, stored_position
from pipeline.sources.ledger import open_ledger
from tests.pipeline.sources.histories import BEGIN, run_killed
from tests.servers import binlog_server

pytestmark = pytest.mark.slow


def status(shop, number):
    return shop.archived_rows("orders")[str(number),]["status"]


def notes(shop, name="orders"):
    return [entry.note for entry in shop.entries(name)]


@pytest.fixture
def shop(followed):
    """Three orders of two lines, archived."""
    made = followed()
    for number in (1, 2, 3):
        made.place(number, BEGIN)
    made.extract()
    return made


def test_the_first_reading_takes_everything_even_what_is_dated_later(followed):
    shop = followed()
    shop.place(1, BEGIN)
    shop.place(2, BEGIN + dt.timedelta(days=40))
    shop.extract()
    assert shop.differences() == {}
    assert "first reading" in notes(shop)[0]


def test_inserts_updates_and_deletes_are_found_and_counted(shop):
    shop.place(4, BEGIN)
    shop.run(
        f"UPDATE orders SET status = 'sent', updated_at = '{BEGIN + dt.timedelta(hours=3)}' WHERE basket_id = 1",
        "UPDATE orders SET status = 'paid' WHERE basket_id = 2",
        "DELETE FROM orders WHERE basket_id = 3",
    )
    shop.extract()
    assert shop.differences() == {}
    entry = shop.entries("orders")[-1]
    assert (entry.inserted, entry.updated, entry.deleted) == (1, 2, 1)
    assert (status(shop, 1), status(shop, 2)) == ("sent", "paid"), "the second left its cursor as it was"
    assert json.loads(shop.tombstones("orders")[-1])["order_id"] == "3"
    before, after = entry.note.split(" → ")
    assert before != after


def test_a_run_without_changes_writes_nothing(shop):
    files = {path: path.stat().st_mtime_ns for path in shop.settings.workspace.raw.rglob("*.parquet")}
    shop.extract()
    assert files == {path: path.stat().st_mtime_ns for path in shop.settings.workspace.raw.rglob("*.parquet")}
    assert shop.entries("orders")[-1].rows == 0


def test_a_row_that_changes_its_key_is_another_row(shop):
    shop.run("UPDATE order_items SET line_number = 7 WHERE basket_id = 1 AND line_number = 2")
    shop.extract()
    assert shop.differences() == {}
    assert ("1", 7) in shop.archived_rows("order_items")


def test_an_older_cursor_replaces_a_newer_version(shop):
    shop.run(f"UPDATE orders SET updated_at = '{BEGIN - dt.timedelta(days=9)}', status = 'old' WHERE basket_id = 1")
    shop.extract()
    assert shop.differences() == {}
    assert status(shop, 1) == "old"


def test_a_transaction_that_was_rolled_back_changes_nothing(shop):
    shop.apply(("roll back", 1, None))
    shop.extract()
    assert shop.differences() == {}
    assert shop.entries("order_items")[-1].rows == 0


def test_a_row_that_is_taken_away_softly_counts_for_nothing(followed):
    column = "ALTER TABLE orders ADD COLUMN deleted_at DATETIME"
    shop = followed(lambda content: content["tables"]["orders"].update(deleted="deleted_at"), prepare=(column,))
    shop.run(f"INSERT INTO orders VALUES (1, 1, 1, 'paid', '{BEGIN}', '{BEGIN}', NULL)")
    shop.extract()
    shop.run("UPDATE orders SET deleted_at = NOW() WHERE basket_id = 1")
    shop.extract()
    assert status(shop, 1) == "cancelled"
    shop.run("UPDATE orders SET deleted_at = NULL WHERE basket_id = 1")
    shop.extract()
    assert status(shop, 1) == "paid"


STATES = (
    "CREATE TABLE states (id INT PRIMARY KEY, name VARCHAR(20), colour VARCHAR(20))",
    "INSERT INTO states VALUES (1, 'new', 'red'), (2, 'done', 'blue')",
    "ALTER TABLE orders ADD COLUMN state INT",
)


def with_states(content):
    orders = content["tables"]["orders"]
    orders["joins"] = {"state": {"table": "states", "by": {"state": "id"}}}
    orders["columns"]["status"] = "state.name"


@pytest.fixture
def stated(followed):
    """`stated(**settings)`: orders whose status is a look-up table's."""

    def make(**overrides):
        shop = followed(with_states, prepare=STATES, **overrides)
        shop.run(
            *(f"INSERT INTO orders VALUES ({n}, 1, 1, '', '{BEGIN}', '{BEGIN}', {n % 2 + 1})" for n in range(1, 7))
        )
        shop.extract()
        return shop

    return make


def test_a_change_of_a_look_up_table_changes_the_rows_that_join_to_it(stated):
    shop = stated()
    shop.run("UPDATE states SET name = 'sent' WHERE id = 2")
    shop.extract()
    assert [status(shop, number) for number in (1, 2, 3)] == ["sent", "new", "sent"]
    shop.run("DELETE FROM states WHERE id = 1", "UPDATE states SET id = 9 WHERE id = 2")
    shop.extract()
    assert shop.differences() == {}
    assert status(shop, 1) is None


def test_columns_of_a_look_up_table_that_no_row_shows_are_nothing(stated):
    shop = stated()
    shop.run("UPDATE states SET colour = 'green'")
    shop.extract()
    assert shop.entries("orders")[-1].rows == 0


def test_more_joined_rows_than_may_be_followed_are_compared_whole(stated):
    shop = stated(extract={"reconcile_every": 0, "binlog_keys": 2})
    shop.run("UPDATE states SET name = 'sent' WHERE id = 2")
    shop.extract()
    assert shop.differences() == {}
    assert "more than 2 rows are joined to look-up rows" in notes(shop)[-1]


def test_more_changed_rows_than_may_be_followed_are_compared_whole(followed):
    shop = followed(extract={"reconcile_every": 0, "binlog_keys": 2})
    shop.extract()
    for number in (1, 2, 3):
        shop.place(number, BEGIN)
    shop.extract()
    assert shop.differences() == {}
    assert "more than 2 rows of `orders` changed" in notes(shop)[-1]
    assert len(shop.entries("orders", "reconcile")) == 1


def test_a_truncated_table_is_compared_whole(shop):
    shop.run("TRUNCATE TABLE order_items")
    shop.anchor()
    shop.extract()
    assert shop.differences() == {}
    assert len(shop.archived_rows("order_items")) == 2, "the lines of the anchor"
    assert "TRUNCATE" in notes(shop, "order_items")[-1]
    assert "compared whole" not in notes(shop)[-1], "orders are followed as ever"


def test_a_changed_definition_is_compared_whole(shop):
    shop.run("ALTER TABLE orders ADD COLUMN colour VARCHAR(9)")
    shop.extract()
    assert "ALTER" in notes(shop)[-1]
    assert shop.differences() == {}


def test_rows_that_a_foreign_key_takes_away_are_found_though_no_event_tells(followed):
    key = "FOREIGN KEY (basket_id) REFERENCES orders (basket_id) ON DELETE CASCADE"
    shop = followed(prepare=("DELETE FROM order_items", "DELETE FROM orders", f"ALTER TABLE order_items ADD {key}"))
    shop.anchor()
    shop.place(1, BEGIN)
    shop.extract()
    shop.run("DELETE FROM orders WHERE basket_id = 1")
    shop.extract()
    assert shop.differences() == {}
    assert "a foreign key passed on" in notes(shop, "order_items")[-1]


def test_changes_logged_by_statement_are_found(shop):
    with shop.engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION binlog_format = 'STATEMENT'")
        connection.exec_driver_sql("UPDATE orders SET status = 'sent' WHERE basket_id = 1")
        connection.commit()
        connection.exec_driver_sql("SET SESSION binlog_format = 'ROW'")
    shop.extract()
    assert shop.differences() == {}
    assert re.search("UPDATE|cannot be read", notes(shop)[-1]), "MySQL's statements are more than the library knows"


def test_a_distributed_transaction_counts_when_it_is_committed(shop):
    with shop.engine.connect() as connection:
        for statement in (
            "XA START 'far'",
            "UPDATE orders SET status = 'sent' WHERE basket_id = 1",
            "XA END 'far'",
            "XA PREPARE 'far'",
        ):
            connection.exec_driver_sql(statement)
        shop.extract()
        assert status(shop, 1) == "placed"
        connection.exec_driver_sql("XA COMMIT 'far'")
        connection.invalidate()
    shop.extract()
    assert status(shop, 1) == "sent"


def test_a_purged_log_is_told_and_the_table_compared_whole(shop, caplog):
    shop.run("UPDATE orders SET status = 'sent' WHERE basket_id = 1", "DELETE FROM orders WHERE basket_id = 2")
    shop.purge()
    with caplog.at_level(logging.WARNING):
        shop.extract()
    (told,) = [record for record in caplog.records if record.message == "the binlog was lost, comparing whole"]
    assert "binlog_expire_logs_seconds" in told.remedy
    assert shop.differences() == {}
    assert "is lost" in notes(shop)[-1]
    shop.run("UPDATE orders SET status = 'paid' WHERE basket_id = 1")
    shop.extract()
    assert status(shop, 1) == "paid"
    assert "compared whole" not in notes(shop)[-1], "the new position is good"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ({"gtid": "", "server": "another"}, "another one"),
        ({"gtid": "0-1-99999999"}, "not in the master's binlog|cannot be read|of kind CREATE"),
        ({"gtid": "", "offset": 2**31}, "impossible position|position > file size"),
    ],
)
def test_a_position_that_the_server_does_not_know_is_lost(shop, place, found):
    with open_ledger(shop.settings.workspace.ledger) as ledger, ledger.transaction():
        known = stored_position(ledger, "demo", "orders")
        move_position(ledger, "demo", "orders", Position(**{**vars(known), **place}))
    shop.run("DELETE FROM orders WHERE basket_id = 2")
    shop.extract()
    assert shop.differences() == {}
    assert re.search(found, notes(shop)[-1]), "in MariaDB's words or in MySQL's"
    assert "compared whole" not in notes(shop, "order_items")[-1], "its own position was good"


def test_without_gtids_file_and_offset_are_enough(shop):
    with open_ledger(shop.settings.workspace.ledger) as ledger, ledger.transaction():
        known = stored_position(ledger, "demo", "orders")
        move_position(ledger, "demo", "orders", Position(known.file, known.offset, "", known.server))
    shop.run("UPDATE orders SET status = 'sent' WHERE basket_id = 1")
    shop.extract()
    assert status(shop, 1) == "sent"
    assert "compared whole" not in notes(shop)[-1]


def test_a_restarted_server_is_followed_on(shop):
    shop.run("UPDATE orders SET status = 'sent' WHERE basket_id = 1")
    shop.engine.dispose()
    binlog_server().restart()
    shop.run("UPDATE orders SET status = 'sent' WHERE basket_id = 2")
    shop.extract()
    assert shop.differences() == {}
    assert "compared whole" not in notes(shop)[-1]


def test_a_run_that_is_killed_anywhere_changes_nothing_twice(shop):
    for point in range(1, 80, 11):
        shop.run(f"UPDATE orders SET status = 's{point}' WHERE basket_id = 1")
        shop.run("DELETE FROM order_items WHERE basket_id = 2")
        run_killed(shop.day, shop.settings, point)
    shop.extract()
    assert shop.differences() == {}
    named = [json.loads(ids) for ids in shop.tombstones("order_items")]
    assert [each["order_id"] for each in named].count("2") >= 2, "told, though a killed run had taken them out"


def test_a_table_of_the_watermark_is_compared_whole_when_it_is_followed_first(followed, binlog_mapping):
    shop = followed(lambda content: content.update(mode="watermark"))
    shop.place(1, BEGIN)
    shop.extract()
    shop.run("DELETE FROM orders WHERE basket_id = 1")
    binlog_mapping()
    shop.extract()
    assert shop.differences() == {}
    shop.run("DELETE FROM order_items WHERE basket_id = 1")
    shop.extract()
    assert shop.differences() == {}


def test_what_an_expression_makes_a_key_of_is_read_by_watermark(followed, caplog):
    def change(content):
        content["tables"]["users"]["columns"]["user_id"] = {"expression": "household_id + 0"}

    with caplog.at_level(logging.WARNING):
        shop = followed(change)
        shop.extract()
    (told,) = [record for record in caplog.records if "read by watermark" in record.message]
    assert (told.table, told.reason) == ("users", "the key column `user_id` is an expression")
    assert shop.entries("users") == []
    assert len(shop.entries("users", "new")) == 1
    assert len(shop.entries("orders")) == 1


def test_a_server_that_cannot_be_followed_is_read_by_watermark(followed, caplog):
    shop = followed()
    shop.place(1, BEGIN)
    admin = sa.create_engine(binlog_server().url, poolclass=sa.pool.NullPool)
    with admin.begin() as connection:
        connection.exec_driver_sql("SET GLOBAL binlog_row_image = 'MINIMAL'")
        try:
            with caplog.at_level(logging.WARNING):
                shop.extract()
        finally:
            connection.exec_driver_sql("SET GLOBAL binlog_row_image = 'FULL'")
    (told,) = [record for record in caplog.records if "cannot be followed" in record.message]
    assert (told.expected, told.found) == ("binlog_row_image = FULL", "MINIMAL")
    assert "SET GLOBAL binlog_row_image = 'FULL'" in told.remedy
    assert shop.entries("orders") == []
    assert ("1",) in shop.archived_rows("orders")


def test_a_forgotten_user_stays_forgotten(shop):
    forget("1", shop.settings)
    shop.place(9, BEGIN)
    shop.run(
        "UPDATE users SET household_composition = 'one' WHERE household_id = 1",
        "DELETE FROM orders WHERE basket_id = 3",
    )
    shop.extract()
    assert shop.archived_rows("users") == {}
    assert shop.archived_rows("orders") == {}
    assert shop.tombstones("orders") == []


def test_the_position_moves_only_with_the_files(tmp_path):
    with open_ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(ArchiveError, match="expected the transaction that enters the archived files"):
            move_position(ledger, "demo", "orders", Position("binlog.000001", 4))
        assert stored_position(ledger, "demo", "orders") is None
