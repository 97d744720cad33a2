"""A Redis that is down, slow, full, read-only or not ours: one clear error each, and the pointer stays."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import open_reader
from feature_store.online.redis_layout import current_key, versions_key, writing_key
from feature_store.online.redis_writer import ALIVE_SECONDS, GRACE_SECONDS
from tests.feature_store.online import redis_servers
from tests.feature_store.online.stores import BOUNDS, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from feature_store.online.store import UserRecord

MANY = [f"user {number}" for number in range(700)]


def test_a_full_redis_moves_no_pointer(own_store, own_redis: redis.Redis, pointer: Callable[[], bytes]) -> None:
    own_store.write("v1", ["a"], 1.0)
    before = pointer()
    own_redis.config_set("maxmemory", own_redis.info("memory")["used_memory"] + 1_500_000)
    with pytest.raises(OnlineStoreError, match=r"expected room .* used memory > 'maxmemory'. Raise `maxmemory`"):
        own_store.write("v2", (f"user {number}" for number in range(14_000)), 2.0)
    assert pointer() == before
    assert own_store.markers("a") == [1.0]
    assert own_store.held() == 1
    own_redis.config_set("maxmemory", 0)
    own_store.write("v3", MANY, 3.0)
    assert own_store.markers("user 0") == [3.0]


def test_a_read_only_replica_moves_no_pointer(own_store, own_redis: redis.Redis, pointer: Callable[[], bytes]) -> None:
    own_store.write("v1", ["a"], 1.0)
    before = pointer()
    own_redis.replicaof("127.0.0.1", "1")
    with pytest.raises(OnlineStoreError, match="Name the primary"):
        own_store.write("v2", ["a"], 2.0)
    assert pointer() == before
    assert own_store.markers("a") == [1.0]
    own_redis.replicaof("NO", "ONE")
    own_store.write("v2", ["a"], 2.0)
    assert own_store.markers("a") == [2.0]


def test_a_redis_that_stands_still_for_a_while_is_waited_for(own_store, own_redis: redis.Redis, record) -> None:
    def slow() -> Iterator[tuple[str, UserRecord]]:
        for number, user in enumerate(MANY):
            if number == 500:
                own_redis.client_pause(300)
            yield user, record(1.0)

    own_store.write_records("v1", slow(), len(MANY))
    assert set(own_store.markers(*MANY)) == {1.0}


def test_a_redis_that_evicts_keys_is_found_out_before_the_pointer_moves(
    own_store, own_redis: redis.Redis, pointer: Callable[[], bytes], record
) -> None:
    def evicted() -> Iterator[tuple[str, UserRecord]]:
        for user in MANY:
            yield user, record(1.0)
        for key in own_redis.scan_iter(match="*:u:*"):
            own_redis.delete(key)

    with pytest.raises(OnlineStoreError, match="maxmemory-policy"):
        own_store.write_records("v1", evicted(), len(MANY))
    assert pointer() is None


def test_a_slow_redis_is_given_up_in_time(own_store, own_redis: redis.Redis) -> None:
    own_store.write("v1", ["a"], 1.0)

    async def read() -> float:
        reader = open_reader(own_store.url, own_store.prefix, 60, BOUNDS)
        await reader.read("a")
        own_redis.client_pause(1_500)
        start = time.perf_counter()
        with pytest.raises(OnlineStoreError, match="within 60 ms"):
            await reader.read("a")
        seconds = time.perf_counter() - start
        own_redis.client_unpause()
        assert (await reader.read("a")).record is not None
        await reader.close()
        return seconds

    assert asyncio.run(read()) < 1.0


def test_a_redis_that_is_down_is_an_error_at_once(tmp_path, own_store) -> None:
    own_store.url = f"unix://{tmp_path / 'nobody.sock'}"
    with pytest.raises(OnlineStoreError, match="expected a Redis that answers"):
        own_store.markers("a")
    with pytest.raises(OnlineStoreError, match="expected a Redis that answers"):
        own_store.write("v1", ["a"], 1.0)


def test_a_redis_killed_during_a_write_is_an_error(own_store, own_redis: redis.Redis, record) -> None:
    def killed() -> Iterator[tuple[str, UserRecord]]:
        for number, user in enumerate(MANY):
            if number == 500:
                own_redis.shutdown(nosave=True, now=True, force=True)
            yield user, record(1.0)

    with pytest.raises(OnlineStoreError, match="expected a Redis that answers"):
        own_store.write_records("v1", killed(), len(MANY))


def test_a_redis_killed_during_a_write_comes_back_with_the_version_before(tmp_path, record) -> None:
    """Killed as the kernel kills, and started again on the files that it left, as docker-compose.yml has it."""
    store = Store(f"unix://{tmp_path / 'redis.sock'}")
    options = ("--port", "0", "--unixsocket", f"{tmp_path}/redis.sock", "--appendonly", "yes")

    def started() -> AbstractContextManager[None]:
        return redis_servers.server(*options, "--appendfsync", "always", url=store.url, folder=tmp_path)

    with started():
        store.write("v1", MANY, 1.0)
        with redis.Redis(unix_socket_path=f"{tmp_path}/redis.sock") as client:
            process = client.info("server")["process_id"]

        def killed() -> Iterator[tuple[str, UserRecord]]:
            for number, user in enumerate(MANY):
                if number == 500:
                    os.kill(process, signal.SIGKILL)
                yield user, record(2.0)

        with pytest.raises(OnlineStoreError, match="expected a Redis that answers"):
            store.write_records("v2", killed(), len(MANY))
    with started():
        assert set(store.markers(*MANY)) == {1.0}
        assert store.held() == 2
        store.forget_heartbeats()
        store.write("v3", MANY, 3.0)
        assert set(store.markers(*MANY)) == {3.0}
        assert store.held() == 2  # v3, and v1 for its grace; nothing of the one that was cut off


def test_a_read_is_one_round_trip(own_store, own_redis: redis.Redis) -> None:
    own_store.write("v1", ["a"], 1.0)

    async def read(times: int) -> None:
        reader = open_reader(own_store.url, own_store.prefix, 2_000, BOUNDS)
        await reader.read("a")
        own_redis.config_resetstat()
        for _ in range(times):
            await reader.read("a")
        await reader.close()

    asyncio.run(read(10))
    commands = own_redis.info("commandstats")
    assert commands["cmdstat_mget"]["calls"] == 10
    assert set(commands) <= {"cmdstat_mget", "cmdstat_config|resetstat", "cmdstat_info"}


def test_the_version_before_expires_after_its_grace(own_store, own_redis: redis.Redis) -> None:
    own_store.write("v1", ["a"], 1.0)
    [old] = own_redis.keys("*:u:{a}")
    assert own_redis.ttl(old) == -1
    own_store.write("v2", ["a"], 2.0)
    assert GRACE_SECONDS - 10 < own_redis.ttl(old) <= GRACE_SECONDS
    [stem] = own_redis.smembers(versions_key(own_store.prefix))
    assert b"v2" in stem


def test_a_writer_at_work_is_not_taken_for_dead(own_store, record) -> None:
    """The other one finishes in between; this one goes on and wins, because it is the last."""

    def slow() -> Iterator[tuple[str, UserRecord]]:
        for number, user in enumerate(MANY):
            if number == 500:
                own_store.write("quick", ["a"], 2.0)
            yield user, record(1.0)

    own_store.write_records("slow", slow(), len(MANY))
    assert own_store.markers("user 0", "a") == [1.0, None]


def test_a_writer_taken_for_dead_moves_no_pointer(own_store, own_redis: redis.Redis, record) -> None:
    def paused() -> Iterator[tuple[str, UserRecord]]:
        for number, user in enumerate(MANY):
            if number == 500:
                [stem] = own_redis.smembers(versions_key(own_store.prefix))
                assert 0 < own_redis.ttl(writing_key(own_store.prefix, stem.decode())) <= ALIVE_SECONDS
                own_store.forget_heartbeats()
                own_store.write("quick", ["a"], 2.0)
            yield user, record(1.0)

    with pytest.raises(OnlineStoreError, match="took this one for dead"):
        own_store.write_records("paused", paused(), len(MANY))
    assert own_store.markers("a") == [2.0]


def test_somebody_elses_key_in_the_pointers_place_is_refused(own_store, own_redis: redis.Redis) -> None:
    own_redis.set(current_key(own_store.prefix), "42")
    with pytest.raises(OnlineStoreError, match="a prefix of its own"):
        own_store.markers("a")


def test_a_wrong_password_is_a_clear_error_without_the_password(own_store, own_redis: redis.Redis) -> None:
    own_redis.acl_setuser("reader", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all"])
    own_store.url = own_store.url.replace("unix://", "unix://reader:wr0ng-secret@")
    with pytest.raises(OnlineStoreError, match="user or password") as caught:
        own_store.markers("a")
    assert "wr0ng-secret" not in str(caught.value)


def test_readers_go_on_when_idle_connections_were_closed(own_store, own_redis: redis.Redis) -> None:
    own_store.write("v1", ["a"], 1.0)

    async def read() -> None:
        reader = open_reader(own_store.url, own_store.prefix, 2_000, BOUNDS)
        await asyncio.gather(*(reader.read("a") for _ in range(5)))
        own_redis.client_kill_filter(_type="normal", skipme=True)
        assert (await reader.read("a")).record is not None
        await reader.close()

    thread = threading.Thread(target=lambda: asyncio.run(read()))
    thread.start()
    thread.join()
