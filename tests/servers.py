"""Real servers for tests: the ones named by the environment, else the machine's own, else private ones started here.

`VITRINE_TEST_MYSQL_URL` and `VITRINE_TEST_REDIS_URL` name servers; otherwise 127.0.0.1:3306 (root, no password) and
127.0.0.1:6379 are tried; otherwise Debian's binaries are started in a temporary folder and stopped at exit.
`VITRINE_TEST_MYSQLD` names the server program of all that is started here, MySQL's own or MariaDB's.
Without any of them a test is skipped and says why, but fails where `CI=true`.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 30
_PROGRAM = "VITRINE_TEST_MYSQLD"
_NO_FILES = "--secure-file-priv=NULL"
"""MySQL does not start without the folder of its build for LOAD DATA, unless there is to be none."""


@functools.cache
def mysql_url() -> str:
    """A MySQL or MariaDB server on which a test may make databases of its own; the URL names no database."""
    if named := os.environ.get("VITRINE_TEST_MYSQL_URL"):
        return named
    local = "mysql+pymysql://root@127.0.0.1:3306"
    is_there = _PROGRAM not in os.environ and _mysql_answers(local)
    return local if is_there else MySQL().url


@functools.cache
def redis_url() -> str:
    """A Redis server on which a test may write keys of its own prefix."""
    if named := os.environ.get("VITRINE_TEST_REDIS_URL"):
        return named
    local = "redis://127.0.0.1:6379/0"
    return local if _redis_answers(local) else _start_redis()


@functools.cache
def binlog_server() -> MySQL:
    """A private server that keeps a binlog; Debian's own configuration keeps none. MySQL's has GTIDs, as MariaDB's."""
    return MySQL(
        *("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--binlog-row-image=FULL"),
        *("--binlog-row-metadata=FULL", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"),
        "--innodb-buffer-pool-size=32M",
        of_mysql=("--gtid-mode=ON", "--enforce-gtid-consistency=ON"),
    )


@functools.cache
def mortal_server() -> MySQL:
    """A private server that tests stop and kill, and leave running; what is committed survives."""
    return MySQL("--innodb-buffer-pool-size=32M")


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new database of a MySQL/MariaDB server, dropped afterwards."""
    server, name = sa.make_url(server_url), f"vitrine_test_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


def _mysql_answers(url: str) -> bool:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False


def _redis_answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


class MySQL:
    """A private MariaDB or MySQL with options of its own, stopped at exit; root has no password."""

    def __init__(self, *options: str, of_mysql: tuple[str, ...] = ()) -> None:
        """of_mysql: options that MariaDB does not know."""
        server = os.environ.get(_PROGRAM) or _program("mariadbd", "mysqld")
        if server is None:
            _missing("MySQL", "mariadb-server", "VITRINE_TEST_MYSQL_URL")
        told = subprocess.run([str(server), "--no-defaults", "--version"], check=True, capture_output=True, text=True)
        is_mariadb = "MariaDB" in told.stdout
        folder, port = _temporary_folder("mysql"), _free_port()
        where, user = f"--datadir={folder}/data", f"--user={_user()}"
        insecure = [str(server), "--no-defaults", "--initialize-insecure", _NO_FILES]
        install = _mariadb_install() if is_mariadb else insecure
        subprocess.run([*install, where, user], check=True, capture_output=True)
        places = [where, f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        address = [f"--port={port}", "--bind-address=127.0.0.1", user]
        own = [] if is_mariadb else [_NO_FILES, "--mysqlx=OFF", "--performance-schema=OFF", *of_mysql]
        self.url = f"mysql+pymysql://root@127.0.0.1:{port}"
        self._command = [str(server), "--no-defaults", *places, *address, *options, *own]
        self.start()

    def start(self) -> None:
        self._process = _start(self._command)
        _wait(lambda: _mysql_answers(self.url), self._command[0])

    def stop(self) -> None:
        """Stop as an administrator would."""
        _stop(self._process)

    def kill(self) -> None:
        """Stop as the out-of-memory killer would."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Stop as an administrator would, and start on the same data."""
        self.stop()
        self.start()


def _mariadb_install() -> list[str]:
    install = _program("mariadb-install-db", "mysql_install_db")
    if install is None:
        _missing("MariaDB's installer", "mariadb-server", "VITRINE_TEST_MYSQL_URL")
    return [str(install), "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]


def _start_redis() -> str:
    server = _program("redis-server")
    if server is None:
        _missing("Redis", "redis-server", "VITRINE_TEST_REDIS_URL")
    folder, port = _temporary_folder("redis"), _free_port()
    _start([server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""])
    url = f"redis://127.0.0.1:{port}/0"
    _wait(lambda: _redis_answers(url), "Redis")
    return url


def _missing(server: str, package: str, variable: str) -> None:
    reason = f"no {server}: set {variable}, or install Debian's {package}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _program(*names: str) -> str | None:
    """Debian keeps servers in /usr/sbin, which a person's PATH may lack."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(is_up: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_up():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not answer within {START_SECONDS} seconds of its start")
        time.sleep(0.1)


def _temporary_folder(name: str) -> Path:
    """A short path, because sockets allow no long one; registered before the server's stop, so removed after it."""
    folder = Path(tempfile.mkdtemp(prefix=f"vitrine-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _user() -> str:
    """The user that runs the tests; MariaDB refuses to be root unless it is told so."""
    return os.environ.get("USER") or ("root" if os.geteuid() == 0 else str(os.geteuid()))
