"""Reads the online store in one SQLite file: the embedded default, and what serving falls back to when Redis fails."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from feature_store.errors import FeatureSetMismatchError
from feature_store.online.packed import unpack
from feature_store.online.recent import Bounds, found_of
from feature_store.online.sqlite_layout import clear_errors, unusable
from feature_store.online.store import Found, Version
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_Result = TypeVar("_Result")
_VERSION = "SELECT feature_set, name, as_of, users FROM versions JOIN pointer ON pointer.version = versions.id"
_READ = """
SELECT versions.feature_set, versions.name, versions.as_of, versions.users, records.packed, recent.packed
FROM pointer JOIN versions ON versions.id = pointer.version
LEFT JOIN records ON records.version = pointer.version AND records.user = ?1
LEFT JOIN recent ON recent.user = ?1
"""
"""Pointer and user in one statement: never half a version."""


class SqliteReader:
    """Reads `path` in a thread of its own, so that a slow disk never holds up the event loop."""

    def __init__(self, path: Path, timeout_ms: int, bounds: Bounds) -> None:
        self._bounds = bounds
        self._path, self._seconds = path, timeout_ms / 1000
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="online-store")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    async def read(self, user_id: str) -> Found:
        """As `OnlineReader.read`.

        Raises:
            OnlineStoreError: also when the file is lost, damaged, or was never synced.
        """
        found = await self._in_thread(self._fetch, _READ, (user_id,))
        if found is None:
            raise unusable(self._path, "a synced version", "none")
        feature_set, *rest, packed, recent = found
        if feature_set != feature_set_id():
            raise FeatureSetMismatchError(str(self._path), made_by=str(feature_set), this_code=feature_set_id())
        version = Version(feature_set, *rest)
        return found_of(version, None if packed is None else unpack(packed), recent, self._bounds)

    async def version(self) -> Version | None:
        found = await self._in_thread(self._fetch, _VERSION, ())
        return Version(*found) if found else None

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._forget)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except TimeoutError as error:
            limit = f"an answer within {self._seconds * 1000:.0f} ms"
            raise unusable(self._path, limit, "none", "See what keeps the disk busy.") from error

    def _fetch(self, query: str, bound: Sequence[str]) -> tuple[Any, ...] | None:
        try:
            with clear_errors(self._path):
                row: tuple[Any, ...] | None = self._open().execute(query, bound).fetchone()
                return row
        except OSError as error:
            raise unusable(self._path, "the online store", str(error)) from error

    def _open(self) -> sqlite3.Connection:
        """The connection, opened again when somebody has put another file in the place of the one it reads."""
        status = self._path.stat()
        if self._connection is None or (status.st_dev, status.st_ino) != self._file:
            self._forget()
            address = f"file:{quote(str(self._path))}?mode=ro"
            self._connection = sqlite3.connect(address, uri=True, timeout=self._seconds, isolation_level=None)
            self._file = (status.st_dev, status.st_ino)
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
