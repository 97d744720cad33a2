"""Reads the online store in Redis: pointer and user in one round trip."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from feature_store.errors import FeatureSetMismatchError, OnlineStoreError
from feature_store.online.packed import unpack
from feature_store.online.redis_layout import as_bytes, clear_errors, current_key, place_of, read_pointer, user_key
from feature_store.online.writing import SYNC_ONLY
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from feature_store.online.store import UserRecord, Version

_CONNECTIONS = 64
"""Reads at the same time; more wait, within their timeout."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Seen:
    """The pointer as last seen: its bytes, and how the keys of its version begin."""

    raw: bytes
    stem: str


class RedisReader:
    """Asks for the pointer beside each user, so that a moved pointer is never missed: when it has moved, and only then,
    a second round trip follows.
    """

    def __init__(self, url: str, prefix: str, timeout_ms: int) -> None:
        self._place, self._prefix, self._seconds = place_of(url), prefix, timeout_ms / 1000
        again = Retry(NoBackoff(), 1)  # a connection that Redis closed while idle is made anew at once
        pool = redis.BlockingConnectionPool.from_url(
            url, max_connections=_CONNECTIONS, timeout=self._seconds, retry=again, protocol=2
        )
        self._client = redis.Redis.from_pool(pool)
        self._seen: _Seen | None = None

    async def read(self, user_id: str) -> UserRecord | None:
        """As `OnlineReader.read`.

        Raises:
            OnlineStoreError: also when nothing was ever synced.
        """
        packed = await self._within_time(self._fetch(user_id))
        return None if packed is None else unpack(packed)

    async def version(self) -> Version | None:
        raw = as_bytes(await self._within_time(self._client.get(current_key(self._prefix))))
        return read_pointer(self._place, raw).version if raw else None

    async def close(self) -> None:
        await self._client.aclose()

    async def _fetch(self, user_id: str) -> bytes | None:
        current = current_key(self._prefix)
        seen = self._seen or self._follow(as_bytes(await self._client.get(current)))
        while True:
            raw, packed = map(as_bytes, await self._client.mget(current, user_key(seen.stem, user_id)))
            if raw == seen.raw:
                self._seen = seen
                return packed
            seen = self._follow(raw)

    def _follow(self, raw: bytes | None) -> _Seen:
        if raw is None:
            raise OnlineStoreError(self._place, expected="a synced version", found="none", remedy=SYNC_ONLY)
        pointer = read_pointer(self._place, raw)
        if pointer.version.feature_set != feature_set_id():
            raise FeatureSetMismatchError(self._place, made_by=pointer.version.feature_set, this_code=feature_set_id())
        return _Seen(raw, pointer.stem)

    async def _within_time(self, work: Awaitable[_Result]) -> _Result:
        try:
            with clear_errors(self._place):
                async with asyncio.timeout(self._seconds):
                    return await work
        except TimeoutError as error:
            limit = f"an answer within {self._seconds * 1000:.0f} ms"
            remedy = "See what keeps Redis busy (`SLOWLOG GET`), or raise `serving.online_timeout_ms`."
            raise OnlineStoreError(self._place, expected=limit, found="none", remedy=remedy) from error
