import datetime as dt
import sqlite3
from contextlib import closing

import pytest

from feature_store.errors import ArchiveError
from pipeline.sources.ledger import Extraction, Partition, open_ledger
from pipeline.sources.watermark import archived_through, move_watermark, site_watermarks, watermark

DAY = dt.date(2017, 1, 2)
MIDNIGHT = dt.datetime(2017, 1, 3, tzinfo=dt.UTC)


@pytest.fixture
def ledger(tmp_path):
    with open_ledger(tmp_path / "ledger.db") as opened:
        yield opened


def test_what_is_entered_is_found_again(ledger):
    entry = Extraction("demo", "users", DAY, MIDNIGHT, MIDNIGHT, 3, 0.5, None, MIDNIGHT)
    partition = Partition(3, "abc", "def", {"rows_in": 4}, "c1")
    with ledger.transaction():
        ledger.record_partitions("raw", "users", {DAY: partition})
        ledger.record_extraction(entry)
    assert ledger.partitions("raw", "users") == {DAY: partition}
    assert ledger.partitions("clean", "users") == {}
    assert ledger.extractions("users") == [entry]


def test_a_watermark_moves_only_with_the_files_it_speaks_of(ledger):
    with pytest.raises(ArchiveError, match="transaction"):
        move_watermark(ledger, "demo", "users", MIDNIGHT)
    assert watermark(ledger, "demo", "users") is None


def test_a_transaction_that_fails_leaves_files_and_watermark_as_they_were(ledger):
    def fail():
        with ledger.transaction():
            ledger.record_partitions("raw", "users", {DAY: Partition(3, "abc")})
            move_watermark(ledger, "demo", "users", MIDNIGHT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert watermark(ledger, "demo", "users") is None
    assert ledger.partitions("raw", "users") == {}


def test_a_watermark_is_kept_per_table(ledger):
    with ledger.transaction():
        move_watermark(ledger, "demo", "users", MIDNIGHT)
    assert watermark(ledger, "demo", "users") == archived_through(ledger, "users") == MIDNIGHT
    assert watermark(ledger, "demo", "orders") is archived_through(ledger, "orders") is None


def test_a_watermark_is_kept_per_site_where_there_are_sites(ledger):
    with ledger.transaction():
        move_watermark(ledger, "matomo", "visits", MIDNIGHT, sites=(1, 2))
    assert site_watermarks(ledger, "matomo", "visits", (2, 3)) == {2: MIDNIGHT}
    with ledger.transaction():
        move_watermark(ledger, "matomo", "visits", MIDNIGHT, sites=(1,))
    assert site_watermarks(ledger, "matomo", "visits", (1, 2)) == {1: MIDNIGHT}


def test_the_watermark_of_a_ledger_without_sites_counts_for_all_of_them(tmp_path):
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as old, old:
        old.execute("CREATE TABLE watermarks (source, table_name, extracted_through, PRIMARY KEY (source, table_name))")
        old.execute("INSERT INTO watermarks VALUES ('matomo', 'visits', ?)", (MIDNIGHT.isoformat(),))
    for _ in range(2):
        with open_ledger(tmp_path / "ledger.db") as ledger:
            assert watermark(ledger, "matomo", "visits") == MIDNIGHT
            assert site_watermarks(ledger, "matomo", "visits", (1, 2)) == {1: MIDNIGHT, 2: MIDNIGHT}


def test_one_work_folder_holds_one_shop(ledger):
    with ledger.transaction():
        move_watermark(ledger, "demo", "users", MIDNIGHT)
    with pytest.raises(ArchiveError, match="rows of `demo`"):
        watermark(ledger, "other", "users")


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ArchiveError, match=r"ledger\.db"), open_ledger(path):
        pass
