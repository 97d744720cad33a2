import datetime as dt
import multiprocessing
import time

import pyarrow as pa
import pytest

from feature_store.errors import ArchiveError
from feature_store.schema import USERS
from pipeline.sources.archive import (
    RAW,
    archive_lock,
    damaged_days,
    partition_file,
    read_partition,
    remove_unknown,
    write_partitions,
)
from pipeline.sources.canonical import arrow_schema

DAY, NEXT = dt.date(2017, 1, 2), dt.date(2017, 1, 3)
MOMENT = dt.datetime(2017, 1, 2, 8, tzinfo=dt.UTC)
ROWS = pa.table([["a", "b"], [None, "x"], [1, None], [MOMENT] * 2, [MOMENT] * 2], schema=arrow_schema(USERS))


@pytest.fixture
def workspace(settings):
    return settings().workspace


def write(workspace, *days):
    return write_partitions(workspace, RAW, "users", [(day, ROWS) for day in days])


def test_rows_come_back_as_they_were_written(workspace):
    known = write(workspace, DAY)
    found = read_partition(workspace, RAW, "users", DAY, known[DAY])
    assert found.equals(ROWS)
    assert known[DAY].rows == 2


def test_a_column_that_the_table_got_later_is_empty_in_older_partitions(workspace):
    older = ROWS.drop_columns(["active"])
    known = write_partitions(workspace, RAW, "users", [(DAY, older)])
    found = read_partition(workspace, RAW, "users", DAY, known[DAY])
    assert found.schema == arrow_schema(USERS)
    assert found["active"].to_pylist() == [None, None]
    assert found.drop_columns(["active"]).equals(older)
    some = read_partition(workspace, RAW, "users", DAY, known[DAY], ["user_id", "active"])
    assert some.column_names == ["user_id", "active"]


def test_the_same_rows_make_the_same_bytes_even_as_a_slice_of_more(workspace):
    whole = pa.concat_tables([ROWS, ROWS, ROWS])
    first = write(workspace, DAY)[DAY]
    assert write_partitions(workspace, RAW, "users", [(DAY, whole.slice(2, 2))])[DAY] == first


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_missing_or_changed_file_is_found_and_never_read(workspace, damage):
    known = write(workspace, DAY, NEXT)
    path = partition_file(workspace, RAW, "users", NEXT)
    damage(path)
    assert damaged_days(workspace, RAW, "users", known) == [NEXT]
    with pytest.raises(ArchiveError, match=str(path)):
        read_partition(workspace, RAW, "users", NEXT, known[NEXT])


def test_a_file_that_the_ledger_does_not_know_is_taken_away(workspace):
    known = write(workspace, DAY, NEXT)
    remove_unknown(workspace, RAW, "users", {DAY: known[DAY]})
    assert partition_file(workspace, RAW, "users", DAY).exists()
    assert not partition_file(workspace, RAW, "users", NEXT).exists()


def test_an_error_on_the_way_leaves_every_day_as_it_was(workspace):
    known = write(workspace, DAY)

    def days():
        yield DAY, ROWS.slice(0, 1)
        yield NEXT, ROWS
        raise OSError

    with pytest.raises(OSError):
        write_partitions(workspace, RAW, "users", days())
    assert damaged_days(workspace, RAW, "users", known) == []
    assert [path.name for path in workspace.raw.rglob("*") if path.is_file()] == ["part.parquet"]


def test_what_a_killed_run_left_aside_is_swept(workspace, settings):
    write(workspace, DAY)
    aside = partition_file(workspace, RAW, "users", DAY).with_name(".tmp-part.parquet-1")
    aside.touch()
    with archive_lock(settings()):
        assert not aside.exists()


def _hold(settings, held, seconds):
    with archive_lock(settings):
        held.set()
        time.sleep(seconds)


def test_a_second_run_waits_for_the_archive(settings):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=_hold, args=(settings(), held, 0.5))
    other.start()
    held.wait(30)
    start = time.monotonic()
    with archive_lock(settings()):
        waited = time.monotonic() - start
    other.join()
    assert waited > 0.3
