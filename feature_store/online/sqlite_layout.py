"""The tables of the SQLite store, and what its errors mean to a person."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_store.errors import OnlineStoreError
from feature_store.online.writing import SYNC_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, feature_set TEXT NOT NULL, name TEXT NOT NULL,
    as_of INTEGER NOT NULL, users INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    version INTEGER NOT NULL, user TEXT NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (version, user));
CREATE TABLE IF NOT EXISTS recent (user TEXT PRIMARY KEY, latest INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pointer (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
"""


def open_to_write(path: Path, seconds: float) -> sqlite3.Connection:
    """The file, made where there is none; whoever writes at the same time is waited for."""
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(TABLES)
    return connection


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the store at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        remedy = "Free space and sync again; readers keep the version before." if full else SYNC_ONLY
        raise unusable(path, "a readable online store", str(error), remedy) from error


def unusable(path: Path, expected: str, found: str, remedy: str = SYNC_ONLY) -> OnlineStoreError:
    return OnlineStoreError(str(path), expected=expected, found=found, remedy=remedy)
