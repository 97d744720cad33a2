"""The server that writes the binlog: what it is set to, who it is, and where its log is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.sources.binlog.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from pipeline.sources.paging import Session

VARIABLES = (
    "version",
    "log_bin",
    "log_bin_compress",
    "log_slave_updates",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_transaction_compression",
    "gtid_mode",
    "gtid_executed",
    "server_id",
    "server_uid",
    "server_uuid",
    "hostname",
)
_NO_SUCH_STATEMENT = 1064


def variables(connection: sa.Connection) -> dict[str, str]:
    """Those of `VARIABLES` that the server has."""
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    found = connection.exec_driver_sql(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})").all()
    return {str(name).lower(): str(value) for name, value in found}


def log_status(connection: sa.Connection) -> Sequence[Any] | None:
    """File, offset and filters of the log as it is now; none: there is no log.

    Raises:
        sqlalchemy.exc.DBAPIError: the user lacks the grant.
    """
    try:
        return connection.exec_driver_sql("SHOW MASTER STATUS").first()
    except sa.exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] != _NO_SUCH_STATEMENT:
            raise
    return connection.exec_driver_sql("SHOW BINARY LOG STATUS").first()


def head(session: Session) -> Position:
    """The end of the log, and a new snapshot for the session that holds every change before it.

    MariaDB tells the place that belongs to a snapshot. MySQL's set of executed GTIDs names only what was committed;
    without GTIDs its log may be a transaction ahead of the tables for an instant, which reading the events outlasts.
    """
    set_to = variables(session.connection)
    if "mariadb" not in set_to["version"].lower():
        file, offset, *_ = log_status(session.connection) or ("", 0)
        session.renew()
        return Position(file, int(offset), _mysql_gtid(set_to), server_name(set_to))
    session.renew()
    connection = session.connection
    found = connection.exec_driver_sql("SHOW STATUS WHERE Variable_name LIKE 'Binlog_snapshot_%%'").all()
    place: dict[str, str] = {name: value for name, value in found}  # noqa: C416 -- rows are no pairs to a type checker
    file, offset = place["Binlog_snapshot_file"], int(place["Binlog_snapshot_position"])
    gtid = connection.exec_driver_sql("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset)).scalar()
    return Position(file, offset, str(gtid or ""), server_name(set_to))


def server_name(set_to: Mapping[str, str]) -> str:
    """What tells servers apart, for positions that only one of them understands."""
    return set_to.get("server_uuid") or set_to.get("server_uid") or f"{set_to['hostname']} {set_to['server_id']}"


def _mysql_gtid(set_to: Mapping[str, str]) -> str:
    return "".join(set_to.get("gtid_executed", "").split()) if set_to.get("gtid_mode") == "ON" else ""
