"""Reads the online store in Redis: pointer and user in one round trip."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from feature_store.errors import FeatureSetMismatchError, OnlineStoreError
from feature_store.online.packed import unpack
from feature_store.online.recent import Bounds, found_of
from feature_store.online.redis_address import Address, async_client, close, get_many
from feature_store.online.redis_layout import (
    as_bytes,
    clear_errors,
    current_key,
    history_key,
    read_pointer,
    user_key,
)
from feature_store.online.writing import SYNC_ONLY
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from feature_store.online.store import Found, Version

_AT_ONCE = 64
"""Reads at the same time; more wait, within their timeout."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Seen:
    """The pointer as last seen: its bytes, its version, and how the keys of the version begin."""

    raw: bytes
    version: Version
    stem: str


class RedisReader:
    """Asks for the pointer beside each user, so that a moved pointer is never missed: when it has moved, and only then,
    a second round trip follows.
    """

    def __init__(self, address: Address, prefix: str, timeout_ms: int, bounds: Bounds) -> None:
        self._bounds = bounds
        self._place, self._prefix, self._seconds = address.place, prefix, timeout_ms / 1000
        self._client = async_client(address, self._seconds)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._seen: _Seen | None = None

    async def read(self, user_id: str) -> Found:
        """As `OnlineReader.read`.

        Raises:
            OnlineStoreError: also when nothing was ever synced.
        """
        version, packed, recent = await self._within_time(self._fetch(user_id))
        return found_of(version, None if packed is None else unpack(packed), recent, self._bounds)

    async def version(self) -> Version | None:
        raw = as_bytes(await self._within_time(self._client.get(current_key(self._prefix))))
        return read_pointer(self._place, raw).version if raw else None

    async def close(self) -> None:
        await close(self._client)

    async def _fetch(self, user_id: str) -> tuple[Version, bytes | None, bytes | None]:
        current, history = current_key(self._prefix), history_key(self._prefix, user_id)
        seen = self._seen or self._follow(as_bytes(await self._client.get(current)))
        while True:
            raw, packed, recent = await get_many(self._client, current, user_key(seen.stem, user_id), history)
            if raw == seen.raw:
                self._seen = seen
                return seen.version, packed, recent
            seen = self._follow(raw)

    def _follow(self, raw: bytes | None) -> _Seen:
        if raw is None:
            raise OnlineStoreError(self._place, expected="a synced version", found="none", remedy=SYNC_ONLY)
        pointer = read_pointer(self._place, raw)
        if pointer.version.feature_set != feature_set_id():
            raise FeatureSetMismatchError(self._place, made_by=pointer.version.feature_set, this_code=feature_set_id())
        return _Seen(raw, pointer.version, pointer.stem)

    async def _within_time(self, work: Awaitable[_Result]) -> _Result:
        try:
            with clear_errors(self._place):
                async with asyncio.timeout(self._seconds), self._turns:
                    return await work
        except TimeoutError as error:
            limit = f"an answer within {self._seconds * 1000:.0f} ms"
            remedy = "See what keeps Redis busy (`SLOWLOG GET`), or raise `serving.online_timeout_ms`."
            raise OnlineStoreError(self._place, expected=limit, found="none", remedy=remedy) from error
