"""Takes events of users into the online store in one SQLite file, between two syncs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from feature_store.online.recent import RECENT, Bounds, Event, Rows, appended, rows_by_user
from feature_store.online.sqlite_layout import clear_errors, open_to_write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class SqliteHistory:
    """Appends to the file at `path` in a thread of its own; a sync that writes meanwhile makes it wait, not fail."""

    def __init__(self, path: Path, timeout_ms: int, bounds: Bounds) -> None:
        self._path, self._seconds, self._bounds = path, timeout_ms / 1000, bounds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="online-history")

    async def append(self, events: Sequence[Event]) -> int:
        """As `OnlineHistory.append`."""
        rows = rows_by_user(events)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._append, rows)

    async def close(self) -> None:
        self._thread.shutdown()

    def _append(self, rows: Mapping[str, Rows]) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with clear_errors(self._path), closing(open_to_write(self._path, self._seconds)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                return sum(self._append_to(user, new, connection) for user, new in rows.items())

    def _append_to(self, user: str, new: Rows, connection: sqlite3.Connection) -> int:
        held = connection.execute("SELECT packed FROM recent WHERE user = ?", (user,)).fetchone()
        packed, added = appended(held[0] if held else b"", new.tobytes(), self._bounds)
        if added:
            latest = int(np.frombuffer(packed, RECENT)["time"].max(initial=0))
            connection.execute("INSERT OR REPLACE INTO recent VALUES (?, ?, ?)", (user, latest, packed))
        return added
