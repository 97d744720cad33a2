"""Opens the online store that a URL names. Passwords in URLs never appear in an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from feature_store.errors import VitrineError
from feature_store.online.redis_address import read_address
from feature_store.online.redis_history import RedisHistory
from feature_store.online.redis_reader import RedisReader
from feature_store.online.redis_writer import RedisWriter
from feature_store.online.sqlite_history import SqliteHistory
from feature_store.online.sqlite_reader import SqliteReader
from feature_store.online.sqlite_writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.online.recent import Bounds
    from feature_store.online.store import Found, OnlineHistory, OnlineReader, OnlineWriter

_SQLITE = "sqlite:///"


def open_writer(url: str, prefix: str) -> OnlineWriter:
    """The writer for a URL of a Redis (`redis_address`) or `sqlite:///path`; nothing is reached before it writes.

    `prefix` begins every key in Redis; a SQLite file holds one store.

    Raises:
        OnlineStoreError: another kind of URL.
    """
    return SqliteWriter(_path(url)) if url.startswith(_SQLITE) else RedisWriter(read_address(url), prefix)


def open_reader(url: str, prefix: str, timeout_ms: int, bounds: Bounds) -> OnlineReader:
    """The reader for the same URLs; every read ends within `timeout_ms`, whatever the store does.

    bounds: of each kind of event, how many a history holds; none of a kind that is not named

    Raises:
        OnlineStoreError: another kind of URL.
    """
    if url.startswith(_SQLITE):
        return SqliteReader(_path(url), timeout_ms, bounds)
    return RedisReader(read_address(url), prefix, timeout_ms, bounds)


def open_history(url: str, prefix: str, timeout_ms: int, bounds: Bounds) -> OnlineHistory:
    """What takes events between two syncs, for the same URLs.

    Raises:
        OnlineStoreError: another kind of URL.
    """
    if url.startswith(_SQLITE):
        return SqliteHistory(_path(url), timeout_ms, bounds)
    return RedisHistory(read_address(url), prefix, timeout_ms, bounds)


async def first_answer(readers: Sequence[OnlineReader], user_id: str) -> tuple[Found | None, list[VitrineError]]:
    """What is known of the user, from the first reader that answers, and what stopped those before it; with as many
    errors as readers nobody answered.
    """
    errors: list[VitrineError] = []
    for reader in readers:
        try:
            return await reader.read(user_id), errors
        except VitrineError as error:  # unreachable, late, or filled by another feature set: the next one may do better
            errors.append(error)
    return None, errors


def _path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
