"""Takes one user out of an online store, whichever versions of it still exist."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from feature_store.online import redis_layout, sqlite_layout
from feature_store.online.redis_address import client, read_address

_SQLITE = "sqlite:///"
_SECONDS = 30


def forget_user(url: str, prefix: str, user: str) -> int:
    """Delete the user's records from the store that the URL names; how many there were.

    Raises:
        OnlineStoreError: the store cannot be reached or refuses.
    """
    if url.startswith(_SQLITE):
        return _from_sqlite(Path(url.removeprefix(_SQLITE)), user)
    return _from_redis(url, prefix, user)


def _from_sqlite(path: Path, user: str) -> int:
    if not path.exists():
        return 0
    with (
        sqlite_layout.clear_errors(path),
        closing(sqlite3.connect(path, timeout=_SECONDS, isolation_level=None)) as store,
    ):
        store.executescript(sqlite_layout.TABLES)
        store.execute("PRAGMA secure_delete = ON")  # the bytes too, not only the way to them
        removed = store.execute("DELETE FROM records WHERE user = ?", (user,)).rowcount
        removed += store.execute("DELETE FROM recent WHERE user = ?", (user,)).rowcount
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return removed


def _from_redis(url: str, prefix: str, user: str) -> int:
    """Every key of the user below the prefix, what they did since too: versions that expire are in no list any more."""
    address = read_address(url)
    pattern = f"{_literal(prefix)}:*:u:{{{_literal(user)}}}"
    with redis_layout.clear_errors(address.place), client(address, _SECONDS) as store:
        keys = [*store.scan_iter(match=pattern, count=1_000), redis_layout.history_key(prefix, user)]
        return int(store.delete(*keys))


def _literal(text: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
