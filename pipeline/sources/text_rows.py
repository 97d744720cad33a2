"""Rows as MySQL sends them, from the socket into Arrow: NumPy finds where the values lie, and Arrow copies them.

A row is one packet of the text protocol: three bytes of length, a number, then each value with its length before it.
Only long packets are found one by one in Python, a fifth of a microsecond each.
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
    starts: NDArray[np.int64]
    width: int

    def __len__(self) -> int:
        return len(self.starts)

    def columns(self) -> list[pa.Array]:
        """One array of texts a column."""
        return cut(self.content, self.starts, self.width)


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


def read_packets(stream: BufferedReader) -> tuple[bytearray, NDArray[np.int64]]:
    """The packets up to the one that ends them, as they came, and where each row begins.

    Raises:
        EOFError: the stream ends before the rows do.
        pymysql.err.Error: what the server says instead of more rows.
    """
    content, found, at, continued = bytearray(), [np.zeros(0, np.int64)], 0, False
    length, largest = struct.Struct("<I").unpack_from, 0xFFFFFF
    while True:
        chunk = stream.read1(_CHUNK)
        if not chunk:
            raise EOFError("end of stream")
        content += chunk
        if not continued:
            short, at = _short_packets(content, at)
            found.append(short)
        starts: list[int] = []
        while at + 4 <= len(content):
            size = length(content, at)[0] & largest
            end = at + 4 + size
            if end > len(content):
                break
            if continued:  # of a row of 16 MB and more: without the header between, the two are one
                del content[at : at + 4]
                end -= 4
            else:
                starts.append(at + 4)
            at, continued = end, size == largest
        found.append(np.array(starts, np.int64))
        if at == len(content) and not continued:  # only the last packet is followed by nothing
            begun = np.concatenate(found)
            first = content[begun[-1]]
            if first == _ERROR:
                err.raise_mysql_exception(bytes(content[begun[-1] :]))
            if first == _END and at - begun[-1] < 9:  # noqa: PLR2004 -- a row that begins so is longer
                return content, begun[:-1]


def _short_packets(content: bytearray, begin: int) -> tuple[NDArray[np.int64], int]:
    """Where the rows of whole packets of less than 256 bytes begin, as far as such follow each other, and their end.

    Two bytes of such a length are zero, and next to no others: from each place that looks so its length must lead to
    the next one. Packet by packet in Python takes six times as long (docs/benchmarks.md).
    """
    data = np.frombuffer(content, np.uint8, offset=begin)
    zero = data == 0
    at = np.flatnonzero(~zero[:-2] & zero[1:-1] & zero[2:])
    ends = at + 4 + data[at]
    led_to = np.concatenate([[0], ends[:-1]]) == at
    wrong = np.flatnonzero(~led_to | (ends > len(data)))
    known = slice(0, wrong[0] if len(wrong) else len(at))
    return begin + at[known] + 4, begin + int(ends[known][-1]) if len(at[known]) else begin


def cut(content: bytearray, starts: NDArray[np.int64], columns: int) -> list[pa.Array]:
    """The values of rows that begin at `starts`, a column at a time."""
    data, at = np.frombuffer(content, np.uint8), starts
    found = []
    for _ in range(columns):
        first = data[at]
        at, size = at + 1, first.astype(np.int64)
        nulls = first == _NULL
        if first.max(initial=0) >= _NULL:
            size[nulls] = 0
            for code, width in _LONGER.items():
                if len(longer := np.flatnonzero(first == code)):
                    size[longer] = _whole_numbers(data, at[longer], width)
                    at[longer] += width
        found.append(_texts(content, at, at + size, nulls))
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
    bounds = np.stack([starts, ends], axis=1).ravel()
    spaced = pa.Array.from_buffers(
        pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(content)]
    )
    known = pa.py_buffer(np.packbits(~nulls, bitorder="little")) if nulls.any() else None
    places = pa.py_buffer(np.arange(0, len(bounds), 2, dtype=np.int64))
    return spaced.take(pa.Array.from_buffers(pa.int64(), len(starts), [known, places])).cast(pa.string())
