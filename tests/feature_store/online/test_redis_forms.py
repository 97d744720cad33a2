"""Every form of URL against a real server: what is written is read, replaced, forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import open_reader
from feature_store.online.forget import forget_user
from feature_store.online.recent import Event
from feature_store.online.redis_address import read_address
from tests import servers
from tests.feature_store.online import redis_servers
from tests.feature_store.online.stores import BOUNDS, Store

if TYPE_CHECKING:
    from pathlib import Path

USERS = [f"user {number}" for number in range(50)]
_ACL = """
    on >pass%word/1 resetkeys ~vitrine:* ~{vitrine}:* resetchannels -@all
    +ping +select +info +get +mget +set +unlink +del +expire +exists +scan
    +sadd +srem +smembers +sismember +watch +unwatch +multi +exec +discard +eval
"""
"""Word for word what docs/runbook.md says."""


def walk_through(store: Store) -> None:
    store.write("v1", USERS, 1.0)
    store.write("v2", USERS[:40], 2.0)
    assert store.markers(USERS[0], USERS[39], USERS[40]) == [2.0, 2.0, None]
    assert store.version().name == "v2"
    assert forget_user(store.url, store.prefix, USERS[0]) == 2
    assert store.markers(USERS[0], USERS[1]) == [None, 2.0]
    assert store.append(Event("e", USERS[1], "view", "apple", 2_000)) == 1
    assert store.find(USERS[1]).record.time.tolist() == [10, 11, 12, 2_000]


def test_a_primary_that_a_sentinel_names() -> None:
    with redis_servers.behind_sentinel("secret") as url:
        walk_through(Store(url, "vitrine"))
        wrong = Store(url.replace("/shop/", "/other/"), timeout_ms=500)
        with pytest.raises(OnlineStoreError, match="a Redis that answers") as caught:
            wrong.markers("a")
        assert "secret" not in str(caught.value)


def test_tls_with_a_ca_of_our_own(tmp_path: Path) -> None:
    with redis_servers.with_tls(tmp_path) as url:
        walk_through(Store(url, "vitrine"))
        with pytest.raises(OnlineStoreError, match="Name the file of its CA"):
            Store(url.partition("?")[0]).markers("a")
        with pytest.raises(OnlineStoreError, match="a Redis that answers"):  # it wants to see a certificate
            Store(url.partition("&")[0]).markers("a")


def test_a_user_with_no_more_rights_than_the_runbook_names(own_redis: redis.Redis, own_store: Store) -> None:
    own_redis.execute_command("ACL", "SETUSER", "vitrine", *_ACL.split())
    runbook = (servers.Path(__file__).parents[3] / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert " ".join(_ACL.split()[2:]) in " ".join(runbook.split())
    url = own_store.url.replace("unix://", "unix://vitrine:pass%25word%2F1@")
    walk_through(Store(url, "vitrine"))
    with pytest.raises(OnlineStoreError, match="may read and write the store's keys"):
        Store(url, "other").write("v1", USERS, 1.0)


def test_a_cluster_keeps_users_on_all_nodes_and_asks_once_per_node(cluster: str) -> None:
    store = Store(cluster, "vitrine")
    walk_through(store)
    nodes = [redis.Redis(port=port) for port in _ports(cluster)]
    assert all(list(node.scan_iter("vitrine:*:u:*")) for node in nodes)

    async def read(times: int) -> None:
        reader = open_reader(store.url, store.prefix, 2_000, BOUNDS)
        await reader.read(USERS[1])
        for node in nodes:
            node.config_resetstat()
        for _ in range(times):
            await reader.read(USERS[1])
        await reader.close()

    asyncio.run(read(10))
    asked = [node.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"] for node in nodes]
    assert sum(asked) == 30
    for node in nodes:
        node.close()


def _ports(url: str) -> list[int]:
    with redis.RedisCluster(startup_nodes=[redis.cluster.ClusterNode(*read_address(url).hosts[0])]) as client:
        return [node.port for node in client.get_primaries()]


def test_addresses_say_where_and_never_who() -> None:
    for url, place in {
        "redis://me:s3cret@host:1/2?ssl_ca_certs=x": "Redis at host:1/2",
        "redis+cluster://me:s3cret@a:1,b": "Redis cluster at a:1,b:6379",
        "rediss+cluster://me:s3,cret@a": "Redis cluster at a:6379",
        "redis+sentinel://me:s3cret@a,[::1]:5/shop/3": "Redis sentinel at a:26379,::1:5/shop/3",
        "unix://me:s3cret@/run/redis.sock": "Redis at /run/redis.sock",
    }.items():
        assert read_address(url).place == place
    assert read_address("rediss+sentinel://u:p@a/shop/3?ssl_check_hostname=false").options == {
        "username": "u",
        "password": "p",
        "db": 3,
        "ssl": True,
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize("url", ["redis+sentinel://a", "redis+cluster://a:x,b", "redis+other://a"])
def test_a_url_that_lacks_something_is_a_clear_error(url: str) -> None:
    with pytest.raises(OnlineStoreError, match="VITRINE_ONLINE_STORE_URL"):
        read_address(url)
