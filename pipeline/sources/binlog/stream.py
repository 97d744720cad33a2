"""What a binlog says between two positions: rows that changed, statements, and events that cannot be read here."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql

from pipeline.errors import PositionLostError, SourceError, UnreachableError
from pipeline.sources.connection import LOST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import sqlalchemy as sa

    from pipeline.sources.binlog.position import Position

Image = dict[str, Any]
"""Column -> value, of the columns that the event has."""
_PURGED = 1236
_LOST_IN_READING = 2013
_HEARTBEAT_SECONDS = 1
_SILENT_SECONDS = 60
"""Without an event or a heartbeat a stream counts as lost; `?read_timeout=` in the URL goes first."""
_CONNECTIONS = 7
"""One for the stream, one for the library's questions, and five more."""
_LEFT_OUT = "cols bitmap"
"""The library's word for a column that an image lacks; others say why a value is null."""
_UNDECODABLE = (ValueError, LookupError, TypeError, NotImplementedError, struct.error)


@dataclass(frozen=True)
class RowChange:
    """One row. Inserted: no before; deleted: no after."""

    table: str
    before: Image | None
    after: Image | None


@dataclass(frozen=True)
class Statement:
    """SQL that the log keeps as text: definitions, TRUNCATE, and changes that somebody logs by statement."""

    schema: str
    text: str


@dataclass(frozen=True)
class Unknown:
    """An event of a kind that cannot be read here, such as a compressed one."""

    kind: int


Event = RowChange | Statement | Unknown
_CLOSED = frozenset({18, 40, *range(165, 172)})
"""LOAD DATA logged by statement; MySQL's transaction payload; MariaDB's compressed queries and rows."""


def events(url: sa.URL, since: Position, until: Position, tables: Collection[str]) -> Iterator[Event]:
    """What the log holds after `since` and up to `until`, rows only of `tables` of the URL's database.

    Raises:
        PositionLostError: the log does not reach back to `since`, or holds what cannot be read.
        SourceError: the server refuses, or goes away.
    """
    from pymysqlreplication import BinLogStreamReader
    from pymysqlreplication.event import (
        ExecuteLoadQueryEvent,
        HeartbeatLogEvent,
        NotImplementedEvent,
        QueryEvent,
        XidEvent,
    )
    from pymysqlreplication.exceptions import MalformedBinLogEvent, StatusVariableMismatch
    from pymysqlreplication.row_event import DeleteRowsEvent, PartialUpdateRowsEvent, UpdateRowsEvent, WriteRowsEvent

    by_mariadb_gtid = bool(since.gtid) and ":" not in since.gtid
    reader = BinLogStreamReader(
        _arguments(url),
        server_id=_server_id(url),
        # A stream that ends by itself is reset by the server while its last events are still under way: it is read
        # up to its end, which commits and heartbeats tell, and then let go.
        blocking=True,
        slave_heartbeat=_HEARTBEAT_SECONDS,
        only_events=[
            *(WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent, PartialUpdateRowsEvent),
            *(QueryEvent, ExecuteLoadQueryEvent, NotImplementedEvent, XidEvent, HeartbeatLogEvent),
        ],
        filter_non_implemented_events=False,
        only_schemas=[url.database],
        only_tables=sorted(tables),
        ignore_decode_errors=True,
        enable_logging=False,
        resume_stream=True,
        pymysql_wrapper=_connector(),
        is_mariadb=by_mariadb_gtid,
        auto_position=since.gtid or None,
        log_file=None if since.gtid else since.file,
        log_pos=None if since.gtid else since.offset,
    )
    try:
        for event in reader:
            if until.is_before(reader.log_file, event.packet.log_pos):
                return
            yield from _said(event)
            if not until.is_after(reader.log_file, event.packet.log_pos):
                return
    except pymysql.err.MySQLError as error:
        raise _refused(url, since, error) from None
    except (*_UNDECODABLE, MalformedBinLogEvent, StatusVariableMismatch) as error:
        raise _lost(since, f"an event that cannot be read ({type(error).__name__}: {error})") from error
    finally:
        reader.close()


def _said(event: Any) -> Iterator[Event]:  # noqa: ANN401 -- one of the library's events
    if type(event).__name__ == "QueryEvent":
        yield Statement(_text(event.schema), _text(event.query))
    elif not hasattr(event, "rows"):
        if event.event_type in _CLOSED:
            yield Unknown(event.event_type)
    else:
        is_insert = type(event).__name__ == "WriteRowsEvent"
        for row in event.rows:
            if "values" not in row:
                before = _image(row["before_values"], row["before_none_sources"])
                yield RowChange(event.table, before, _image(row["after_values"], row["after_none_sources"]))
            else:
                image = _image(row["values"], row["none_sources"])
                yield RowChange(event.table, None, image) if is_insert else RowChange(event.table, image, None)


def _image(values: Image, missing: dict[str, str]) -> Image:
    """Without columns that the event left out (`binlog_row_image` of a session)."""
    left_out = {name for name, why in missing.items() if why == _LEFT_OUT}
    return {name: value for name, value in values.items() if name not in left_out} if left_out else values


def _text(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _connector() -> Callable[..., pymysql.Connection[Any]]:
    """What connects for the library, so often at most: by itself it would try a lost stream again for ever.

    The library names its database by a word that the driver warns of.
    """
    left = _CONNECTIONS

    def connect(**arguments: Any) -> pymysql.Connection[Any]:  # noqa: ANN401 -- the driver's
        nonlocal left
        left -= 1
        if left < 0:
            raise pymysql.err.OperationalError(_LOST_IN_READING, f"the stream was lost {_CONNECTIONS - 1} times")
        return pymysql.connect(database=arguments.pop("db", None), **arguments)

    return connect


def _arguments(url: sa.URL) -> dict[str, Any]:
    """The driver's own arguments; the library names the database by itself."""
    spoken = url.set(drivername="mysql+pymysql")
    arguments = dict(spoken.get_dialect()().create_connect_args(spoken)[1])
    arguments.pop("database", None)
    arguments.pop("client_flag", None)
    patient = "SET SESSION net_write_timeout = 3600"  # events are read more slowly than a server writes them
    return {"charset": "utf8mb4", "init_command": patient, "read_timeout": _SILENT_SECONDS, **arguments}


def _server_id(url: sa.URL) -> int:
    """No other reader of the log may have it: of this process alone, far above what people choose."""
    name = f"vitrine {socket.gethostname()} {os.getpid()} {url.host} {url.database}"
    return 2**31 + int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) // 2


def _refused(url: sa.URL, since: Position, error: pymysql.err.MySQLError) -> SourceError:
    code = error.args[0] if error.args else None
    if code == _PURGED:
        return _lost(since, str(error.args[-1]))
    kind = UnreachableError if code in LOST else SourceError
    return kind(
        f"binlog of {url.render_as_string(hide_password=True)}",
        expected="events",
        found=f"{type(error).__name__}: {error}",
        remedy="`vitrine source check` says what the binlog needs.",
    )


def _lost(since: Position, found: str) -> PositionLostError:
    return PositionLostError(
        "binlog",
        expected=f"the events since {since}",
        found=found,
        remedy="Keep the log for longer than the longest time between two runs (binlog_expire_logs_seconds).",
    )
