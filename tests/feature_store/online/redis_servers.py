"""Redis servers of every form, from the machine's own binary: alone, as a Cluster, behind a Sentinel, with TLS."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS = 16_384
_HIGHEST_PORT = 55_000
"""A Cluster's nodes talk to each other on the port that lies 10,000 above."""


@contextmanager
def server(*options: str, url: str, arguments: tuple[str, ...] = (), folder: Path | None = None) -> Iterator[None]:
    """A server until the block ends, once `url` answers; what it writes stays in `folder`, if one is named."""
    program = servers._program("redis-server")
    if program is None:
        servers._missing("Redis of our own", "redis-server", "nothing")
    with tempfile.TemporaryDirectory(prefix="vitrine-") as unnamed:
        command = [program, *arguments, "--save", "", "--dir", str(folder or unnamed), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                servers._wait(lambda: servers._redis_answers(url), "Redis")
                yield
            finally:
                process.kill()


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a Cluster of three nodes without replicas."""
    ports = [_low_port() for _ in range(3)]
    with ExitStack() as stack:
        for port in ports:
            options = ("--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes")
            stack.enter_context(server(*options, url=f"redis://127.0.0.1:{port}"))
        nodes = [stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port in ports]
        for number, node in enumerate(nodes):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3
            node.execute_command("CLUSTER ADDSLOTS", *range(first, last))
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port in ports[1:]:
            nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port)
        servers._wait(lambda: all(_is_whole(node) for node in nodes), "the Cluster")
        yield f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port in ports[:2])}"


def _is_whole(node: redis.Redis) -> bool:
    info = node.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3"


@contextmanager
def behind_sentinel(password: str) -> Iterator[str]:
    """The URL of a server by the name under which a Sentinel knows it."""
    port, sentinel = servers._free_port(), servers._free_port()
    with tempfile.TemporaryDirectory(prefix="vitrine-") as folder, ExitStack() as stack:
        options = ("--port", str(port), "--bind", "127.0.0.1", "--requirepass", password)
        stack.enter_context(server(*options, url=f"redis://:{password}@127.0.0.1:{port}"))
        config = Path(folder) / "sentinel.conf"
        config.write_text(f"sentinel monitor shop 127.0.0.1 {port} 1\nsentinel auth-pass shop {password}\n")
        arguments = (str(config), "--sentinel")
        options = ("--port", str(sentinel), "--bind", "127.0.0.1")
        stack.enter_context(server(*options, url=f"redis://127.0.0.1:{sentinel}", arguments=arguments))
        yield f"redis+sentinel://:{password}@127.0.0.1:1,127.0.0.1:{sentinel}/shop/0"


@contextmanager
def with_tls(folder: Path) -> Iterator[str]:
    """The URL of a server that speaks TLS only, and only with clients whose certificate the CA in `folder` signed."""
    _certificates(folder)
    port, files = servers._free_port(), {name: str(folder / name) for name in ("ca.crt", "own.crt", "own.key")}
    options = ("--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1")
    certificates = ("--tls-cert-file", files["own.crt"], "--tls-key-file", files["own.key"])
    url = (
        f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={files['ca.crt']}"
        f"&ssl_certfile={files['own.crt']}&ssl_keyfile={files['own.key']}"
    )
    with server(*options, *certificates, "--tls-ca-cert-file", files["ca.crt"], url=url):
        yield url


def _certificates(folder: Path) -> None:
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    own = ["-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1", "-CA", "ca.crt", "-CAkey", "ca.key"]
    for command in (
        [*new, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt"],
        [*new, *own, "-keyout", "own.key", "-out", "own.crt"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _low_port() -> int:
    while (port := servers._free_port()) > _HIGHEST_PORT:
        pass
    return port
