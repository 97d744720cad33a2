"""A SQLite file that is lost, damaged, full, or replaced under a reader."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import open_reader
from tests.feature_store.online.stores import BOUNDS

if TYPE_CHECKING:
    from pathlib import Path

MANY = [f"user {number}" for number in range(700)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feature_store.db"


def test_a_lost_file_says_what_to_do(sqlite_store, path: Path) -> None:
    with pytest.raises(OnlineStoreError, match="--sync-only"):
        sqlite_store.markers("a")
    assert not path.exists()


def test_a_file_that_is_no_database_says_what_to_do_and_the_next_write_replaces_it(sqlite_store, path: Path) -> None:
    path.write_bytes(b"something else entirely" * 1_000)
    with pytest.raises(OnlineStoreError, match="--sync-only"):
        sqlite_store.markers("a")
    sqlite_store.write("v1", ["a"], 1.0)
    assert sqlite_store.markers("a") == [1.0]


def test_a_damaged_file_is_made_anew_by_the_next_write(sqlite_store, path: Path) -> None:
    sqlite_store.write("v1", MANY, 1.0)
    damaged = bytearray(path.read_bytes())
    damaged[4_096 : len(damaged) // 2] = bytes(len(damaged) // 2 - 4_096)
    path.write_bytes(damaged)
    with pytest.raises(OnlineStoreError, match="--sync-only"):
        sqlite_store.markers(*MANY)
    sqlite_store.write("v2", MANY, 2.0)
    assert set(sqlite_store.markers(*MANY)) == {2.0}


def test_a_truncated_record_is_an_error_not_a_user(sqlite_store, path: Path) -> None:
    sqlite_store.write("v1", ["a"], 1.0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET packed = substr(packed, 1, 40)")
    with pytest.raises(OnlineStoreError, match="found 40 bytes"):
        sqlite_store.markers("a")


def test_a_reader_finds_the_file_that_took_the_place_of_a_lost_one(sqlite_store, path: Path) -> None:
    """Delete the store under a serving process, sync again: the same request gets its answer again."""
    sqlite_store.write("v1", ["a"], 1.0)

    async def read() -> float:
        reader = open_reader(sqlite_store.url, "", 2_000, BOUNDS)
        await reader.read("a")
        for file in path.parent.glob("feature_store.db*"):
            file.unlink()
        with pytest.raises(OnlineStoreError, match="--sync-only"):
            await reader.read("a")
        await asyncio.to_thread(sqlite_store.write, "v2", ["a"], 2.0)
        record = (await reader.read("a")).record
        await reader.close()
        return float(record.values[0])

    assert asyncio.run(read()) == 2.0


def test_only_the_file_lost_but_not_its_log_is_no_trap(sqlite_store, path: Path) -> None:
    sqlite_store.write("v1", MANY, 1.0)
    with closing(sqlite3.connect(path)) as holding:  # keeps the log and its index alive
        holding.execute("SELECT COUNT(*) FROM records").fetchone()
        path.unlink()
        assert path.with_name("feature_store.db-shm").exists()
        sqlite_store.write("v2", MANY, 2.0)
        assert set(sqlite_store.markers(*MANY)) == {2.0}


def test_a_database_without_room_moves_no_pointer(sqlite_store, path: Path, record) -> None:
    sqlite_store.write("v1", ["a"], 1.0)

    def records():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 7")
        raise sqlite3.OperationalError("database or disk is full")
        yield "a", record(2.0)

    with pytest.raises(OnlineStoreError, match="disk is full"):
        sqlite_store.write_records("v2", records(), 1)
    assert sqlite_store.markers("a") == [1.0]
