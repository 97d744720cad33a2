"""What every online store promises; a new store is tested by being named in `conftest.store`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from feature_store.errors import FeatureSetMismatchError, OnlineStoreError
from feature_store.online.connect import open_reader
from feature_store.registry import feature_set_id
from tests.feature_store.online.stores import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_store.online.store import UserRecord

REPOSITORY = Path(__file__).resolve().parents[3]
MANY = [f"user {number}" for number in range(700)]
"""More than one batch of Redis; with 1,500 also of SQLite."""


def test_what_is_written_is_read(store) -> None:
    size = store.write("v1", ["a", "b"], 1.0)
    assert store.markers("a", "b") == [1.0, 1.0]
    assert size > 0
    version = store.version()
    assert (version.feature_set, version.name, version.as_of, version.users) == (feature_set_id(), "v1", 1_000, 2)


def test_an_unknown_user_is_none(store) -> None:
    store.write("v1", ["a"], 1.0)
    assert store.markers("nobody", "*", "") == [None, None, None]


def test_users_of_any_script_are_found(store) -> None:
    users = ["ünï:cödé", "用户", "with space", "per%cent", "a:u:b"]
    store.write("v1", users, 1.0)
    assert store.markers(*users) == [1.0] * len(users)


def test_a_version_without_users_is_a_version(store) -> None:
    store.write("v1", [], 1.0)
    assert store.version().users == 0
    assert store.markers("a") == [None]


def test_a_store_that_was_never_synced_says_what_to_do(store) -> None:
    if store.url.startswith("redis"):
        assert store.version() is None
    with pytest.raises(OnlineStoreError, match="sync-only"):
        store.markers("a")


def test_readers_see_the_old_version_until_the_new_one_is_whole(store, record) -> None:
    store.write("v1", MANY, 1.0)
    seen = []

    def watched() -> Iterator[tuple[str, UserRecord]]:
        for user in MANY:
            yield user, record(2.0)
        seen.append(store.markers(MANY[0], MANY[-1]))

    store.write_records("v2", watched(), len(MANY))
    assert seen == [[1.0, 1.0]]
    assert store.markers(MANY[0], MANY[-1]) == [2.0, 2.0]


def test_a_reader_follows_the_pointer(store) -> None:
    store.write("v1", ["a", "gone"], 1.0)

    async def follow() -> list[object]:
        reader = open_reader(store.url, store.prefix, store.timeout_ms, BOUNDS)
        before = [(await reader.read(user)).record for user in ("a", "gone")]
        await asyncio.to_thread(store.write, "v2", ["a"], 2.0)
        after = [(await reader.read(user)).record for user in ("a", "gone")]
        await reader.close()
        return [record and float(record.values[0]) for record in before + after]

    assert asyncio.run(follow()) == [1.0, 1.0, 2.0, None]


def test_many_reads_at_once_follow_the_pointer_too(store) -> None:
    store.write("v1", MANY, 1.0)

    async def follow() -> set[float]:
        reader = open_reader(store.url, store.prefix, store.timeout_ms, BOUNDS)
        await reader.read(MANY[0])
        await asyncio.to_thread(store.write, "v2", MANY, 2.0)
        records = await asyncio.gather(*(reader.read(user) for user in MANY[:100]))
        await reader.close()
        return {float(found.record.values[0]) for found in records}

    assert asyncio.run(follow()) == {2.0}


def test_the_same_version_can_be_written_again(store) -> None:
    store.write("v1", ["a", "b"], 1.0)
    store.write("v1", ["a"], 2.0)
    assert store.markers("a", "b") == [2.0, None]


def test_another_feature_set_is_refused(store) -> None:
    store.write("v1", ["a"], 1.0, feature_set="00000000")
    with pytest.raises(FeatureSetMismatchError, match="00000000"):
        store.markers("a")


def test_fewer_users_than_announced_move_no_pointer(store, record) -> None:
    store.write("v1", ["a"], 1.0)
    with pytest.raises(OnlineStoreError, match="expected 3 users in version v2, found 1"):
        store.write_records("v2", [("a", record(2.0))], 3)
    assert store.markers("a") == [1.0]
    assert store.held() == 1


def test_records_that_end_in_an_error_move_no_pointer(store, record) -> None:
    store.write("v1", ["a"], 1.0)

    def broken() -> Iterator[tuple[str, UserRecord]]:
        yield "a", record(2.0)
        raise LookupError("the snapshot ends here")

    with pytest.raises(LookupError):
        store.write_records("v2", broken(), 2)
    assert store.markers("a") == [1.0]
    assert store.held() == 1


KILLED = """
import os, signal, sys
from tests.feature_store.online.stores import Store, make_record

def records():
    for number in range(2_500):
        if number == 2_200:
            os.kill(os.getpid(), signal.SIGKILL)
        yield f"user {number}", make_record(9.0)

Store(sys.argv[1], sys.argv[2]).write_records("killed", records(), 2_500)
"""


def kill_a_writer(store) -> None:
    """Run a writer in a process of its own until it has written most of a version, and kill it there."""
    command = [sys.executable, "-c", KILLED, store.url, store.prefix]
    ended = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_a_killed_writer_leaves_the_old_version_and_the_next_write_cleans_up(store) -> None:
    store.write("v1", MANY, 1.0)
    kill_a_writer(store)
    assert store.held() == 2
    assert store.markers("user 0") == [1.0]
    store.forget_heartbeats()
    store.write("v2", MANY, 2.0)
    assert store.markers("user 0", "user 1000") == [2.0, None]
    assert store.held() == 2  # v2, and v1 for its grace; nothing of the killed one


def test_two_writers_at_once_leave_one_whole_version(store) -> None:
    start = threading.Barrier(2)
    errors = []

    def write(name: str, marker: float) -> None:
        start.wait()
        try:
            store.write(name, MANY, marker)
        except OnlineStoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(f"v{marker}", float(marker))) for marker in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    [seen] = set(store.markers(*MANY))
    assert store.version().name == f"v{seen:.0f}"


def test_old_versions_do_not_pile_up(store) -> None:
    for number in range(4):
        store.write(f"v{number}", ["a"], number)
    assert store.markers("a") == [3.0]
    assert store.lasting() <= 2
