"""Rows as MySQL sends them, from the socket into Arrow: NumPy finds where the values lie, and Arrow copies them.

A row is one packet of the text protocol: three bytes of length, a number, then each value with its length before it.
Only the way from packet to packet is Python, a fifth of a microsecond a row.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from pymysql import err

if TYPE_CHECKING:
    from io import BufferedReader

    from numpy.typing import NDArray

_CHUNK = 1 << 18
_END, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_LONGER = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""First byte of a length -> the bytes that hold it; any smaller one is the length itself."""


@dataclass(frozen=True)
class TextRows:
    """Rows as they came, with the place where each begins."""

    content: bytearray
    starts: list[int]
    width: int

    def __len__(self) -> int:
        return len(self.starts)

    def columns(self, rows: slice = slice(None)) -> list[pa.Array]:
        """One array of texts a column."""
        return cut(self.content, self.starts[rows], self.width)


def text_rows(connection: sa.Connection, query: sa.Select[Any]) -> TextRows:
    """Every row of a query that PyMySQL asks.

    Raises:
        sqlalchemy.exc.OperationalError: the server refuses or breaks off.
    """
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})  # lists of IN
    driver: Any = connection.connection.driver_connection
    try:
        driver.query(driver.cursor().mogrify(str(compiled), compiled.params), unbuffered=True)
        pending = driver._result  # noqa: SLF001 -- what comes now, PyMySQL can only read row by row
        try:
            content, starts = read_packets(driver._rfile)  # noqa: SLF001
        finally:  # nothing of this answer is left for PyMySQL
            pending.unbuffered_active, pending.connection = False, None
    except (OSError, EOFError) as error:
        lost = err.OperationalError(2013, f"Lost connection while reading rows: {error}")
        raise sa.exc.OperationalError(str(compiled), None, lost) from error
    except err.Error as error:
        raise sa.exc.OperationalError(str(compiled), None, error) from error
    return TextRows(content, starts, pending.field_count)


def read_packets(stream: BufferedReader) -> tuple[bytearray, list[int]]:
    """The packets up to the one that ends them, as they came, and where each row begins.

    Raises:
        EOFError: the stream ends before the rows do.
        pymysql.err.Error: what the server says instead of more rows.
    """
    content, starts, at, continued = bytearray(), [0], 0, False
    length, begin, largest = struct.Struct("<I").unpack_from, starts.append, 0xFFFFFF
    while True:
        chunk = stream.read1(_CHUNK)
        if not chunk:
            raise EOFError("end of stream")
        content += chunk
        arrived = len(content)
        while at + 4 <= arrived:  # local names: a million rows come by here
            size = length(content, at)[0] & largest
            end = at + 4 + size
            if end > arrived:
                break
            if continued:  # of a row of 16 MB and more: without the header between, the two are one
                del content[at : at + 4]
                end, arrived = end - 4, arrived - 4
            else:
                begin(at + 4)
            at, continued = end, size == largest
        if at == len(content) and not continued:  # only the last packet is followed by nothing
            first = content[starts[-1]]
            if first == _ERROR:
                err.raise_mysql_exception(bytes(content[starts[-1] :]))
            if first == _END and at - starts[-1] < 9:  # noqa: PLR2004 -- a row that begins so is longer
                return content, starts[1:-1]


def cut(content: bytearray, starts: list[int], columns: int) -> list[pa.Array]:
    """The values of rows that begin at `starts`, a column at a time."""
    data, at = np.frombuffer(content, np.uint8), np.array(starts, np.int64)
    found = []
    for _ in range(columns):
        first = data[at]
        at, size = at + 1, first.astype(np.int64)
        for code, width in _LONGER.items():
            if len(longer := np.flatnonzero(first == code)):
                size[longer] = _whole_numbers(data, at[longer], width)
                at[longer] += width
        size[first == _NULL] = 0
        found.append(_texts(content, at, at + size, first == _NULL))
        at = at + size
    return found


def _whole_numbers(data: NDArray[np.uint8], at: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    places = data[at[:, None] + np.arange(width)].astype(np.int64)
    numbers: NDArray[np.int64] = places @ (np.int64(1) << (8 * np.arange(width, dtype=np.int64)))
    return numbers


def _texts(
    content: bytearray, starts: NDArray[np.int64], ends: NDArray[np.int64], nulls: NDArray[np.bool_]
) -> pa.Array:
    """Arrow sees all bytes as values and gaps between them, in turn, and copies every second one."""
    if not len(starts):
        return pa.nulls(0, pa.string())
    bounds = np.stack([starts, ends], axis=1).ravel().astype(np.int64)
    spaced = pa.Array.from_buffers(
        pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(content)]
    )
    values = spaced.take(pa.array(np.arange(0, len(bounds), 2), mask=nulls))
    return values.cast(pa.string())
