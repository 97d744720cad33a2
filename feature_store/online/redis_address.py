"""Where a Redis is, from its URL, and clients for it: one server, a Cluster, or a primary that Sentinels name.

    redis://[user:password@]host[:port][/database]                       rediss:// with TLS, unix:// by a socket file
    redis+cluster://[user:password@]host[:port],host[:port]…             rediss+cluster://
    redis+sentinel://[user:password@]host[:port],…/service[/database]    rediss+sentinel://

Options follow after `?`, as redis-py names them: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_check_hostname`, …
`sentinel_username` and `sentinel_password` are what Sentinels want to hear, where they want anything.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import redis
from redis import asyncio as redis_asyncio
from redis import sentinel
from redis.asyncio import sentinel as sentinel_asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry

from feature_store.errors import OnlineStoreError
from feature_store.online.redis_layout import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Client = redis.Redis | redis.RedisCluster
AsyncClient = redis_asyncio.Redis | redis_asyncio.RedisCluster
SCHEMES = (
    *("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
    "sqlite",
)
_PORT = {"one": 6379, "cluster": 6379, "sentinel": 26379}
_SENTINEL = "sentinel_"


@dataclass(frozen=True)
class Address:
    """One online store in Redis. `options`: of the connection, user and password among them; never log them."""

    form: Literal["one", "cluster", "sentinel"]
    hosts: tuple[tuple[str, int], ...]
    service: str
    options: Mapping[str, Any]
    place: str
    """Where it is, without user, password or options: safe to log."""


def read_address(url: str) -> Address:
    """
    Raises:
        OnlineStoreError: no URL of a Redis, or one that cannot be read; what it holds is not in the message.
    """
    scheme = url.partition("://")[0] if "://" in url else "none"
    if scheme not in SCHEMES or scheme == "sqlite":
        raise bad_url(f"the scheme `{scheme}`")
    try:
        return _address(scheme, url)
    except ValueError:
        # What urllib complains of may be a piece of the password: one with `#` or `/` in it must be percent-encoded.
        raise bad_url("one that cannot be read (are special characters in the password percent-encoded?)") from None


def bad_url(found: str) -> OnlineStoreError:
    return OnlineStoreError(
        "VITRINE_ONLINE_STORE_URL",
        expected=f"a URL that begins with {', '.join(f'{name}://' for name in SCHEMES[:-1])} or sqlite:///",
        found=found,
        remedy="Mend it, or leave it out to use the SQLite file in the work folder.",
    )


def _address(scheme: str, url: str) -> Address:
    base, _, form = scheme.partition("+")
    if base == "unix":
        options = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        del options["connection_class"]
        path = options.pop("path")
        return Address("one", (), "", options | {"unix_socket_path": path}, f"Redis at {path}")
    parts = urlsplit(url.replace(scheme, base, 1))
    user, at, hosts = parts.netloc.rpartition("@")
    kind: Literal["one", "cluster", "sentinel"] = "one" if not form else "cluster" if form == "cluster" else "sentinel"
    places = tuple(_host(part, _PORT[kind]) for part in (hosts.split(",") if form else [hosts]))
    _, service, database = [*parts.path.split("/"), "", ""][:3] if kind == "sentinel" else ("", "", parts.path[1:])
    if kind == "sentinel" and not service:
        raise ValueError("a service")
    first = f"{base}://{user}{at}{hosts.split(',')[0] if form else hosts}/{database}?{parts.query}"
    options = parse_url(first)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    for name in ("host", "port"):
        options.pop(name, None)
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    where = f"{','.join(f'{host}:{port}' for host, port in places)}{parts.path}"
    return Address(kind, places, service, options, f"Redis {form and form + ' '}at {where}")


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"redis://{text}")
    return parts.hostname or "localhost", parts.port or port


@contextmanager
def client(address: Address, seconds: float) -> Iterator[Client]:
    """For one writer: every call ends within `seconds`, and a lost connection is tried again a few times."""
    with ExitStack() as stack:
        yield _client(address, seconds, stack)


def _client(address: Address, seconds: float, stack: ExitStack) -> Client:
    retry = Retry(ExponentialBackoff(cap=1, base=0.05), 3)
    options: dict[str, Any] = {"socket_timeout": seconds, "retry": retry, "protocol": 2}
    match address.form:
        case "cluster":
            nodes = [redis.cluster.ClusterNode(*host) for host in address.hosts]  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            cluster: redis.RedisCluster = redis.RedisCluster(startup_nodes=nodes, **options, **address.options)
            stack.callback(cluster.close)
            return cluster
        case "sentinel":
            theirs = {**options, "retry": Retry(NoBackoff(), 0), **_for_sentinels(address)}
            found = sentinel.Sentinel(list(address.hosts), sentinel_kwargs=theirs)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            for each in found.sentinels:
                stack.enter_context(each)
            primary: redis.Redis = found.master_for(address.service, **options, **_for_server(address))  # type: ignore[no-untyped-call]  # as above
            stack.callback(primary.close)
            return primary
        case "one":
            one = redis.Redis(**options, **_for_server(address))
            stack.callback(one.close)
            return one


def async_client(address: Address, seconds: float) -> AsyncClient:
    """For many short calls at once; a connection that Redis closed while it was idle is made anew at once."""
    retry = AsyncRetry(NoBackoff(), 1)
    options: dict[str, Any] = {"socket_connect_timeout": seconds, "retry": retry, "protocol": 2}
    match address.form:
        case "cluster":
            nodes = [redis_asyncio.cluster.ClusterNode(host, port) for host, port in address.hosts]
            return redis_asyncio.RedisCluster(startup_nodes=nodes, **options, **address.options)
        case "sentinel":
            theirs = {**options, "retry": AsyncRetry(NoBackoff(), 0), **_for_sentinels(address)}
            found = sentinel_asyncio.Sentinel(list(address.hosts), sentinel_kwargs=theirs)  # type: ignore[no-untyped-call]  # as above
            primary: redis_asyncio.Redis = found.master_for(address.service, **options, **_for_server(address))
            return primary
        case "one":
            return redis_asyncio.Redis(**options, **_for_server(address))


def _for_server(address: Address) -> dict[str, Any]:
    """Where the server is, unless Sentinels name it, and what to say to it."""
    options = {name: value for name, value in address.options.items() if not name.startswith(_SENTINEL)}
    if address.form == "one" and address.hosts:
        options["host"], options["port"] = address.hosts[0]
    return options


def _for_sentinels(address: Address) -> dict[str, Any]:
    """What to say to Sentinels: the same TLS, another user."""
    tls = {name: value for name, value in address.options.items() if name.startswith("ssl")}
    own = {name.removeprefix(_SENTINEL): value for name, value in address.options.items() if name.startswith(_SENTINEL)}
    return tls | own


def memory_of(client: Client) -> list[dict[str, int]]:
    """What each primary says of its memory."""
    if isinstance(client, redis.RedisCluster):
        found: dict[str, dict[str, int]] = client.info("memory", target_nodes=redis.RedisCluster.PRIMARIES)
        return list(found.values())
    return [dict(client.info("memory"))]


async def get_many(client: AsyncClient, *keys: str) -> list[bytes | None]:
    """The values of some keys in one round trip; in a Cluster every node that holds one is asked at the same time."""
    if isinstance(client, redis_asyncio.RedisCluster):
        pipe = client.pipeline()
        for key in keys:
            pipe.get(key)
        return [as_bytes(value) for value in await pipe.execute()]
    return [as_bytes(value) for value in await client.mget(*keys)]


async def close(client: AsyncClient) -> None:
    """End its connections, to Sentinels too."""
    await client.aclose()
    if isinstance(client, redis_asyncio.Redis) and isinstance(
        client.connection_pool, sentinel_asyncio.SentinelConnectionPool
    ):
        for each in client.connection_pool.sentinel_manager.sentinels:
            await each.aclose()
