"""One online store under test, and records that can be told apart."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from feature_store.online.connect import open_history, open_reader, open_writer
from feature_store.online.redis_address import client, read_address
from feature_store.online.store import UserRecord, Version
from feature_store.registry import feature_set_id
from feature_store.schema import EVENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from feature_store.online.recent import Bounds, Event
    from feature_store.online.store import Found

BOUNDS = dict.fromkeys(EVENT_KINDS, 5)


def make_record(marker: float, events: int = 3) -> UserRecord:
    """A record that can be told from others by its `marker`."""
    return UserRecord(
        as_of=1_000,
        values=np.full(4, marker, np.float32),
        item=np.arange(events, dtype=np.int64) - 1,
        time=np.arange(events, dtype=np.int64) + 10,
        kind=np.zeros(events, np.uint8),
        quantity=np.ones(events, np.float32),
        value=np.full(events, marker, np.float32),
    )


class Store:
    """One store under test, written and read as the pipeline and serving do."""

    def __init__(self, url: str, prefix: str = "test", timeout_ms: int = 2_000) -> None:
        self.url, self.prefix, self.timeout_ms = url, prefix, timeout_ms

    def write(self, name: str, users: Iterable[str], marker: float, feature_set: str | None = None) -> int:
        names = list(users)
        return self.write_records(name, [(user, make_record(marker)) for user in names], len(names), feature_set)

    def write_records(
        self, name: str, records: Iterable[tuple[str, UserRecord]], users: int, feature_set: str | None = None
    ) -> int:
        version = Version(feature_set or feature_set_id(), name, 1_000, users)
        return open_writer(self.url, self.prefix).write(version, records)

    def write_at(self, name: str, as_of: int, records: Sequence[tuple[str, UserRecord]]) -> int:
        version = Version(feature_set_id(), name, as_of, len(records))
        return open_writer(self.url, self.prefix).write(version, records)

    def append(self, *events: Event, bounds: Bounds = BOUNDS) -> int:
        async def send() -> int:
            history = open_history(self.url, self.prefix, self.timeout_ms, bounds)
            try:
                return await history.append(events)
            finally:
                await history.close()

        return asyncio.run(send())

    def find(self, user: str = "a", bounds: Bounds = BOUNDS) -> Found:
        async def read() -> Found:
            reader = open_reader(self.url, self.prefix, self.timeout_ms, bounds)
            try:
                return await reader.read(user)
            finally:
                await reader.close()

        return asyncio.run(read())

    def markers(self, *users: str) -> list[float | None]:
        """What a reader that starts now finds for each user."""

        async def read() -> list[float | None]:
            reader = open_reader(self.url, self.prefix, self.timeout_ms, BOUNDS)
            try:
                records = [(await reader.read(user)).record for user in users]
                return [None if record is None else float(record.values[0]) for record in records]
            finally:
                await reader.close()

        return asyncio.run(read())

    def version(self) -> Version | None:
        async def ask() -> Version | None:
            reader = open_reader(self.url, self.prefix, self.timeout_ms, BOUNDS)
            try:
                return await reader.version()
            finally:
                await reader.close()

        return asyncio.run(ask())

    def held(self) -> int:
        """How many versions have records in the store."""
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                return int(connection.execute("SELECT COUNT(DISTINCT version) FROM records").fetchone()[0])
        with client(read_address(self.url), 10) as store:
            return len({key.split(b":u:")[0] for key in store.scan_iter(match=f"{self.prefix}:*:u:*")})

    def lasting(self) -> int:
        """How many versions stay for ever, unless another one is written."""
        if self.url.startswith("sqlite"):
            return self.held()
        with client(read_address(self.url), 10) as store:
            keys = [key for key in store.scan_iter(match=f"{self.prefix}:*:u:*") if store.ttl(key) == -1]
            return len({key.split(b":u:")[0] for key in keys})

    def forget_heartbeats(self) -> None:
        """As if a minute had passed since a writer was killed."""
        if not self.url.startswith("sqlite"):
            with client(read_address(self.url), 10) as store:
                for key in store.scan_iter(match=f"{{{self.prefix}}}:writing:*"):
                    store.delete(key)
