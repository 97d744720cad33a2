"""Opens the online store that a URL names. Passwords in URLs never appear in an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redis.connection import parse_url

from feature_store.errors import OnlineStoreError, VitrineError
from feature_store.online.redis_layout import SCHEMES
from feature_store.online.redis_reader import RedisReader
from feature_store.online.redis_writer import RedisWriter
from feature_store.online.sqlite_reader import SqliteReader
from feature_store.online.sqlite_writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.online.store import OnlineReader, OnlineWriter, UserRecord

_SQLITE = "sqlite:///"


def open_writer(url: str, prefix: str) -> OnlineWriter:
    """The writer for `redis://`, `rediss://`, `unix://` or `sqlite:///path`; nothing is reached before it writes.

    `prefix` begins every key in Redis; a SQLite file holds one store.

    Raises:
        OnlineStoreError: another kind of URL.
    """
    return SqliteWriter(_path(url)) if url.startswith(_SQLITE) else RedisWriter(_checked(url), prefix)


def open_reader(url: str, prefix: str, timeout_ms: int) -> OnlineReader:
    """The reader for the same URLs; every read ends within `timeout_ms`, whatever the store does.

    Raises:
        OnlineStoreError: another kind of URL.
    """
    if url.startswith(_SQLITE):
        return SqliteReader(_path(url), timeout_ms)
    return RedisReader(_checked(url), prefix, timeout_ms)


async def first_answer(readers: Sequence[OnlineReader], user_id: str) -> tuple[UserRecord | None, list[VitrineError]]:
    """The user's record from the first reader that answers, and what stopped those before it; with as many errors
    as readers nobody answered.
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


def _checked(url: str) -> str:
    scheme = url.partition("://")[0] if "://" in url else "none"
    if scheme not in SCHEMES:
        raise _bad_url(f"the scheme `{scheme}`")
    try:
        parse_url(url)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    except ValueError:
        # What urllib complains of may be a piece of the password: one with `#` or `/` in it must be percent-encoded.
        raise _bad_url("one that cannot be read (are special characters in the password percent-encoded?)") from None
    return url


def _bad_url(found: str) -> OnlineStoreError:
    return OnlineStoreError(
        "VITRINE_ONLINE_STORE_URL",
        expected=f"a URL that begins with {', '.join(f'{name}://' for name in SCHEMES)} or {_SQLITE}",
        found=found,
        remedy="Mend it, or leave it out to use the SQLite file in the work folder.",
    )
