"""A version that will not fit is refused before anything of it is written, with the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import open_writer
from feature_store.online.packed import packed_size
from feature_store.online.room import bytes_needed
from tests.feature_store.online.stores import make_record


@pytest.mark.parametrize(("users", "events"), [(4_000, 3), (2_000, 50), (500, 1_000)])
def test_what_a_version_takes_is_known_before(own_store, own_redis, users: int, events: int) -> None:
    own_store.write("v0", [], 1.0)
    before = own_redis.info("memory")["used_memory"]
    records = [(f"household {number}", make_record(1.0, events)) for number in range(users)]
    own_store.write_records("20171105-1a2b3c4d", records, users)
    took = own_redis.info("memory")["used_memory"] - before
    assert bytes_needed(np.full(users, packed_size(4, events))) == pytest.approx(took, rel=0.1)


def test_more_than_the_budget_or_than_redis_has_is_refused(own_store, own_redis) -> None:
    writer, sizes = open_writer(own_store.url, own_store.prefix), np.full(1_000, 4_000)
    writer.require_room(sizes, None)
    writer.require_room(sizes, 4.3)
    with pytest.raises(OnlineStoreError, match=r"at most 4 MB, found one that needs 4\.2 MB for 1000 users of 42"):
        writer.require_room(sizes, 4)
    used = own_redis.info("memory")["used_memory"]
    own_redis.config_set("maxmemory", used + 4_100_000)
    with pytest.raises(OnlineStoreError, match=r"room for 4\.2 MB .* found 4\..* MB free of .*maxmemory"):
        writer.require_room(sizes, None)
    assert not own_redis.dbsize()


def test_a_cluster_is_asked_node_by_node(cluster_store) -> None:
    writer = open_writer(cluster_store.url, cluster_store.prefix)
    writer.require_room(np.full(1_000, 4_000), None)
    with pytest.raises(OnlineStoreError, match="at most 1 MB"):
        writer.require_room(np.full(1_000, 4_000), 1)


def test_a_file_has_no_budget_of_memory(sqlite_store) -> None:
    open_writer(sqlite_store.url, "").require_room(np.full(1_000, 4_000), 0.1)
