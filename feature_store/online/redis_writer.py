"""Fills the online store in Redis: a new version under keys of its own, one pointer moved last."""

from __future__ import annotations

import logging
import re
import secrets
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import redis

from feature_store.errors import OnlineStoreError
from feature_store.online.redis_address import Address, Client, client, memory_of
from feature_store.online.redis_layout import (
    Pointer,
    as_bytes,
    as_text,
    clear_errors,
    current_key,
    doomed_key,
    read_pointer,
    user_key,
    versions_key,
    writing_key,
)
from feature_store.online.room import require_room
from feature_store.online.writing import Filled, Packed, check, fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from redis.client import Pipeline

    from feature_store.online.store import UserRecord, Version

log = logging.getLogger(__name__)

_BATCH = 200
"""Users per pipeline, one round trip: about 1 MB with 200 events a user, 12 MB with 3,000."""
_SECONDS_PER_CALL = 10
_ATTEMPTS = 5
"""How often a step is tried again when another writer moved at the same moment."""
GRACE_SECONDS = 3_600
"""How long the version before stays readable."""
ALIVE_SECONDS = 60
"""A writer that has sent nothing for so long is taken for dead, and its version is deleted."""


class RedisWriter:
    """Fills the keys below `prefix` of the Redis at `address`."""

    def __init__(self, address: Address, prefix: str) -> None:
        self._address, self._prefix, self._place = address, prefix, address.place

    def require_room(self, sizes: NDArray[np.integer]) -> None:
        """As `OnlineWriter.require_room`."""
        with clear_errors(self._place), client(self._address, _SECONDS_PER_CALL) as opened:
            _delete_dead_versions(opened, self._place, self._prefix)
            require_room(self._place, sizes, memory_of(opened))

    def write(self, version: Version, records: Iterable[tuple[str, UserRecord]]) -> int:
        """As `OnlineWriter.write`; of two writers at once, the one that finishes last is seen."""
        with clear_errors(self._place), client(self._address, _SECONDS_PER_CALL) as opened:
            return _Writing(opened, self._place, self._prefix, version).run(records)


class _Writing:
    """One version on its way into Redis."""

    def __init__(self, client: Client, place: str, prefix: str, version: Version) -> None:
        self._client, self._place, self._prefix, self._version = client, place, prefix, version
        self._stem = f"{prefix}:{version.feature_set}:{version.name}-{secrets.token_hex(4)}"

    def run(self, records: Iterable[tuple[str, UserRecord]]) -> int:
        _delete_dead_versions(self._client, self._place, self._prefix)
        self._register()
        try:
            filled = fill(self._version, records, _BATCH, self._send)
            self._verify(filled)
        except BaseException:
            with suppress(
                redis.RedisError, redis.RedisClusterException
            ):  # the first error is the one to report; the next write cleans up
                _delete(self._client, self._prefix, self._stem)
            raise
        replaced = self._move_pointer()
        if replaced and replaced.stem != self._stem:
            self._let_expire(replaced.stem)
        return filled.size

    def _verify(self, filled: Filled) -> None:
        if not self._client.sismember(versions_key(self._prefix), self._stem):
            raise self._taken_for_dead()
        keys = [user_key(self._stem, user) for user, _ in filled.sample]
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(key)
            read_back = [as_bytes(value) for value in pipe.execute()]
        check(self._place, self._version, filled, read_back)

    def _register(self) -> None:
        with self._client.pipeline(transaction=True) as pipe:
            pipe.sadd(versions_key(self._prefix), self._stem)
            pipe.set(writing_key(self._prefix, self._stem), 1, ex=ALIVE_SECONDS)
            pipe.execute()

    def _send(self, batch: Sequence[Packed]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(writing_key(self._prefix, self._stem), 1, ex=ALIVE_SECONDS)
            for user, packed in batch:
                pipe.set(user_key(self._stem, user), packed)
            for result in pipe.execute(
                raise_on_error=False
            ):  # raised by redis-py, an error would quote the packed value
                if isinstance(result, redis.RedisError):
                    raise result

    def _move_pointer(self) -> Pointer | None:
        """Make this version the one that readers see; the one they saw until now."""
        for _ in range(_ATTEMPTS):
            with self._client.pipeline(transaction=True) as pipe, suppress(redis.WatchError):
                _watch(pipe, versions_key(self._prefix))
                if not pipe.sismember(versions_key(self._prefix), self._stem):
                    break
                pipe.multi()
                pipe.get(current_key(self._prefix))
                pipe.set(current_key(self._prefix), Pointer(self._version, self._stem).to_json())
                pipe.delete(writing_key(self._prefix, self._stem))
                replaced = pipe.execute()[0]
                return read_pointer(self._place, replaced) if replaced else None
        raise self._taken_for_dead()

    def _taken_for_dead(self) -> OnlineStoreError:
        return OnlineStoreError(
            self._place,
            expected=f"version {self._version.name} whole, its writer never silent for more than {ALIVE_SECONDS} s",
            found="that another sync took this one for dead, or that Redis lost its keys",
            remedy="Readers keep the version before; run the sync stage again.",
        )

    def _let_expire(self, stem: str) -> None:
        for keys in _keys(self._client, stem):
            with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.expire(key, GRACE_SECONDS)
                pipe.execute()
        self._client.srem(versions_key(self._prefix), stem)


def _delete_dead_versions(client: Client, place: str, prefix: str) -> None:
    """Delete what killed writers left; first moved aside, so that one that was only slow cannot point to it."""
    for _ in range(_ATTEMPTS):
        with client.pipeline(transaction=True) as pipe, suppress(redis.WatchError):
            _watch(pipe, current_key(prefix), versions_key(prefix))
            dead = _dead(pipe, place, prefix)
            pipe.multi()
            for stem in dead:
                pipe.srem(versions_key(prefix), stem)
                pipe.sadd(doomed_key(prefix), stem)
            pipe.execute()
            break
    for stem in map(as_text, client.smembers(doomed_key(prefix))):
        log.warning("unfinished version deleted", extra={"version": stem})
        _delete(client, prefix, stem)


def _dead(pipe: Pipeline, place: str, prefix: str) -> list[str]:
    pointer = pipe.get(current_key(prefix))
    used = read_pointer(place, as_bytes(pointer) or b"").stem if pointer else None
    stems = map(as_text, pipe.smembers(versions_key(prefix)))
    return [stem for stem in stems if stem != used and not pipe.exists(writing_key(prefix, stem))]


def _delete(client: Client, prefix: str, stem: str) -> None:
    for keys in _keys(client, stem):
        client.unlink(*keys)
    with client.pipeline(transaction=True) as pipe:
        pipe.srem(versions_key(prefix), stem)
        pipe.srem(doomed_key(prefix), stem)
        pipe.delete(writing_key(prefix, stem))
        pipe.execute()


def _keys(client: Client, stem: str) -> Iterator[list[bytes]]:
    """The keys of a version, a batch at a time."""
    pattern = re.sub(r"([*?\[\]\\])", r"\\\1", stem) + ":u:*"
    keys = client.scan_iter(match=pattern, count=1_000)
    while batch := list(islice(keys, _BATCH)):
        yield batch


def _watch(pipe: Pipeline, *keys: str) -> None:
    """Make the pipe's next transaction fail when somebody else changes one of `keys` before it."""
    pipe.watch(*keys)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
