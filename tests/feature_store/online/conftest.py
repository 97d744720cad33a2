"""Both online stores behind one face, and a Redis of our own to torture."""

from __future__ import annotations

import tempfile
import uuid
from typing import TYPE_CHECKING

import pytest
import redis

from feature_store.online.redis_layout import current_key
from tests.feature_store.online import redis_servers
from tests.feature_store.online.stores import Store, make_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from feature_store.online.store import UserRecord


@pytest.fixture
def record() -> Callable[[float], UserRecord]:
    return make_record


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'feature_store.db'}")


@pytest.fixture
def redis_store(redis_prefix: tuple[str, str]) -> Store:
    return Store(*redis_prefix)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    with redis_servers.cluster() as url:
        yield url


@pytest.fixture
def cluster_store(cluster: str) -> Store:
    return Store(cluster, f"test-{uuid.uuid4().hex[:12]}")


@pytest.fixture(params=["redis", "cluster", "sqlite"])
def store(request: pytest.FixtureRequest) -> Store:
    """The contract suite runs over every store by naming it here."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def own_redis() -> Iterator[redis.Redis]:
    """A Redis server that only this test sees, empty, without persistence, on a socket file."""
    with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
        address = f"{folder}/redis.sock"
        with redis_servers.server("--port", "0", "--unixsocket", address, url=f"unix://{address}"):
            never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
            with redis.Redis(unix_socket_path=address, retry=never) as client:
                yield client


@pytest.fixture
def own_store(own_redis: redis.Redis) -> Store:
    return Store(f"unix://{own_redis.connection_pool.connection_kwargs['path']}", timeout_ms=200)


@pytest.fixture
def pointer(own_redis: redis.Redis, own_store: Store) -> Callable[[], bytes | None]:
    """What the pointer of `own_store` holds, byte for byte."""
    return lambda: own_redis.get(current_key(own_store.prefix))
