"""Whether a server's binlog can be followed, and per reason why not, what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.errors import SourceError, UnreachableError
from pipeline.sources.binlog.position import Position
from pipeline.sources.binlog.server import log_status, variables
from pipeline.sources.binlog.stream import events

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVERS = "MySQL or MariaDB"
_DENIED = 1227
_WANTED = {
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "log_bin_compress": "OFF",
    "binlog_transaction_compression": "OFF",
}
_NEEDED = {"binlog_format", "binlog_row_image", "binlog_row_metadata"}
"""Those that every server must have; the others belong to one maker."""
_SWITCH_ON = (
    "In the server's configuration, section [mysqld]: log_bin = binlog, server_id = 1, binlog_format = ROW,"
    " binlog_row_image = FULL, binlog_row_metadata = FULL; then restart it."
)


@dataclass(frozen=True)
class Obstacle:
    """One reason why the binlog cannot be followed."""

    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}. {self.remedy}"


def obstacles(connection: sa.Connection) -> list[Obstacle]:
    """Why the binlog of a database cannot be followed by the user of the connection; empty: it can be.

    Raises:
        UnreachableError: the database went away meanwhile.
    """
    if connection.dialect.name not in {"mysql", "mariadb"}:
        return [not_a_server(connection.dialect.name)]
    if found := of_settings(variables(connection)):
        return found
    if found := _of_user(connection):
        return found
    logs_nothing = variables(connection).get("log_slave_updates") == "OFF"
    return [_silent_replica()] if logs_nothing and _is_replica(connection) else []


def not_a_server(found: str) -> Obstacle:
    return Obstacle(SERVERS, found, "Leave `mode` out of the mapping.")


def of_settings(found: Mapping[str, str]) -> list[Obstacle]:
    """What the server's variables stand in the way of."""
    if found.get("log_bin", "OFF") not in {"ON", "1"}:
        return [Obstacle("log_bin = ON", "OFF", _SWITCH_ON)]
    reasons = []
    if found.get("server_id", "0") == "0":
        remedy = "SET GLOBAL server_id = 1; and server_id = 1 in the server's configuration, so that it stays."
        reasons.append(Obstacle("a server_id above 0", "0", remedy))
    for name, wanted in _WANTED.items():
        if name in found and found[name] != wanted:
            reasons.append(Obstacle(f"{name} = {wanted}", found[name], _setting(name, wanted)))
        elif name not in found and name in _NEEDED:
            remedy = "Use MariaDB 10.5, MySQL 8.0.14 or later."
            reasons.append(Obstacle(f"{name} = {wanted}", "a server without it", remedy))
    return reasons


def _setting(name: str, wanted: str) -> str:
    return (
        f"SET GLOBAL {name} = '{wanted}'; and {name} = {wanted} in the server's configuration, so that it stays;"
        " connections that are open keep the old value."
    )


def _of_user(connection: sa.Connection) -> list[Obstacle]:
    """Grants are found by trying, so that roles and special accounts count as they do."""
    try:
        status = log_status(connection)
    except sa.exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] != _DENIED:
            raise
        return [_missing_grant(connection, str(error.orig.args[1]))]
    if status is None:
        return [Obstacle("log_bin = ON", "no log", _SWITCH_ON)]
    file, offset, only, ignored = (*status, "", "")[:4]
    if left_out := _left_out(connection.engine.url.database or "", str(only or ""), str(ignored or "")):
        return [left_out]
    here = Position(file, int(offset))
    try:
        next(events(connection.engine.url, here, here, []), None)
    except UnreachableError:
        raise
    except SourceError as error:
        return [_missing_grant(connection, error.found)]
    return []


def _missing_grant(connection: sa.Connection, found: str) -> Obstacle:
    user = str(connection.exec_driver_sql("SELECT CURRENT_USER()").scalar())
    who = "@".join(f"'{part}'" for part in user.rsplit("@", 1))
    remedy = f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {who};"
    return Obstacle("a user who may read the binlog", found, remedy)


def _left_out(database: str, only: str, ignored: str) -> Obstacle | None:
    """binlog_do_db and binlog_ignore_db."""
    if (not only or database in only.split(",")) and database not in ignored.split(","):
        return None
    found = f"binlog_do_db = {only}" if only else f"binlog_ignore_db = {ignored}"
    remedy = "Change it in the server's configuration, then restart it."
    return Obstacle(f"a binlog with `{database}` in it", found, remedy)


def _is_replica(connection: sa.Connection) -> bool:
    """MariaDB has a word for it; MySQL shows what it replicates from."""
    found = connection.exec_driver_sql("SHOW GLOBAL STATUS WHERE Variable_name = 'Slave_running'").first()
    if found is not None:
        return bool(found[1] == "ON")
    return connection.exec_driver_sql("SHOW REPLICA STATUS").first() is not None


def _silent_replica() -> Obstacle:
    return Obstacle(
        "a server that logs what it replicates",
        "log_slave_updates = OFF on a replica",
        "In the server's configuration: log_slave_updates = ON, then restart it; or read from the primary.",
    )
