"""A version keeps within its budget, and one that will not fit is refused, with the numbers, before it is written."""

from __future__ import annotations

import numpy as np
import pytest
import redis

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import open_writer
from feature_store.online.packed import packed_size
from feature_store.online.redis_address import read_address
from feature_store.online.room import bytes_needed, rows_within
from tests.feature_store.online.stores import make_record


@pytest.mark.parametrize(("users", "events"), [(4_000, 3), (2_000, 50), (500, 1_000)])
def test_what_a_version_takes_is_known_before(own_store, own_redis, users: int, events: int) -> None:
    own_store.write("v0", [], 1.0)
    before = own_redis.info("memory")["used_memory"]
    records = [(f"household {number}", make_record(1.0, events)) for number in range(users)]
    own_store.write_records("20171105-1a2b3c4d", records, users)
    took = own_redis.info("memory")["used_memory"] - before
    assert bytes_needed(np.full(users, packed_size(4, events))) == pytest.approx(took, rel=0.1)


def test_within_a_budget_are_those_who_did_something_last() -> None:
    sizes, last_seen = np.array([400, 4_000, 400, 400]), np.array([30, 40, 0, 20])
    everybody = bytes_needed(sizes) / 1e6
    assert rows_within(sizes, last_seen, everybody).tolist() == [0, 1, 2, 3]
    assert rows_within(sizes, last_seen, everybody - 1e-6).tolist() == [0, 1, 3]
    assert rows_within(sizes, last_seen, bytes_needed(sizes[:2]) / 1e6).tolist() == [0, 1]
    assert rows_within(sizes, last_seen, bytes_needed(sizes[:1]) / 1e6).tolist() == []
    assert rows_within(sizes, np.zeros(4), bytes_needed(sizes[:2]) / 1e6).tolist() == [0, 1]


def test_more_than_redis_has_is_refused(own_store, own_redis) -> None:
    writer, sizes = open_writer(own_store.url, own_store.prefix), np.full(1_000, 4_000)
    writer.require_room(sizes)
    used = own_redis.info("memory")["used_memory"]
    own_redis.config_set("maxmemory", used + 4_100_000)
    with pytest.raises(OnlineStoreError, match=r"room for 4\.2 MB .* found 4\..* MB free of .*maxmemory"):
        writer.require_room(sizes)
    assert not own_redis.dbsize()


def test_a_cluster_is_asked_node_by_node(cluster_store) -> None:
    writer, nodes = open_writer(cluster_store.url, cluster_store.prefix), read_address(cluster_store.url).hosts
    writer.require_room(np.full(1_000, 4_000))
    with redis.Redis(*nodes[0]) as node:
        node.config_set("maxmemory", node.info("memory")["used_memory"] + 1_000_000)
        try:
            with pytest.raises(OnlineStoreError, match=r"1\.5 MB on each of 3 nodes"):
                writer.require_room(np.full(1_000, 4_000))
        finally:
            node.config_set("maxmemory", 0)


def test_a_file_takes_no_memory(sqlite_store) -> None:
    open_writer(sqlite_store.url, "").require_room(np.full(1_000, 4_000))
