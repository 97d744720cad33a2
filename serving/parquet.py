"""Writes a table as a Parquet file, in few lines: what serving keeps must be read by everybody, and pyarrow would
double the memory of every worker.

One row group, one PLAIN page a column, GZIP, no missing values. Format: github.com/apache/parquet-format, whose
structures are written in Thrift's compact protocol.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal["text", "bytes", "integer", "time", "real"]
"""Text is UTF-8; integers and reals have 64 bits; times are microseconds since 1970 UTC."""
_MAGIC = b"PAR1"
_PHYSICAL = {"text": 6, "bytes": 6, "integer": 2, "time": 2, "real": 5}
_MEANING = {"text": 0, "time": 10}
"""Parquet's "converted types" UTF8 and TIMESTAMP_MICROS."""
_REQUIRED, _PLAIN, _RLE, _GZIP, _DATA_PAGE = 0, 0, 3, 2, 0
_LEVEL = 1
"""Of compression: the fastest, which makes texts that repeat five times smaller."""

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
Field = tuple[int, int, "int | bytes | list[bytes]"]
"""Number, Thrift type, and the value: an integer, a text or a struct as bytes, the encoded elements of a list."""


def encode(kinds: Mapping[str, Kind], columns: Mapping[str, Sequence[object]]) -> bytes:
    """The file. kinds: column -> what it holds, in order; columns: column -> its values, all of one length."""
    rows = len(next(iter(columns.values())))
    out, chunks = bytearray(_MAGIC), []
    for name, kind in kinds.items():
        page = _page(kind, columns[name])
        chunks.append(_chunk(name, kind, rows, len(out), len(page[0]) + page[1], len(page[0]) + len(page[2])))
        out += page[0] + page[2]
    schema = [_struct((4, _BINARY, b"exposures"), (5, _I32, len(kinds))), *(_column(*each) for each in kinds.items())]
    size = len(out) - len(_MAGIC)
    group = _struct((1, _LIST, [_Struct(chunk) for chunk in chunks]), (2, _I64, size), (3, _I64, rows))
    footer = _struct(
        (1, _I32, 1),
        (2, _LIST, [_Struct(element) for element in schema]),
        (3, _I64, rows),
        (4, _LIST, [_Struct(group)]),
        (6, _BINARY, b"vitrine"),
    )
    return bytes(out) + footer + struct.pack("<I", len(footer)) + _MAGIC


class _Struct(bytes):
    """A struct as an element of a list."""

    __slots__ = ()


def _page(kind: Kind, values: Sequence[object]) -> tuple[bytes, int, bytes]:
    """Header, size before compression, and content of a column's only page."""
    plain = _plain(kind, values)
    squeezed = zlib.compress(plain, _LEVEL, wbits=31)
    head = _struct((1, _I32, len(values)), (2, _I32, _PLAIN), (3, _I32, _RLE), (4, _I32, _RLE))
    header = _struct((1, _I32, _DATA_PAGE), (2, _I32, len(plain)), (3, _I32, len(squeezed)), (5, _STRUCT, head))
    return header, len(plain), squeezed


def _plain(kind: Kind, values: Sequence[object]) -> bytes:
    if kind in ("text", "bytes"):
        raw = [value.encode() if isinstance(value, str) else bytes(value) for value in values]  # type: ignore[call-overload]  # text or bytes
        return b"".join(struct.pack("<I", len(each)) + each for each in raw)
    return np.asarray(values, "<f8" if kind == "real" else "<i8").tobytes()


def _column(name: str, kind: Kind) -> bytes:
    meaning: tuple[Field, ...] = ((6, _I32, _MEANING[kind]),) if kind in _MEANING else ()
    return _struct((1, _I32, _PHYSICAL[kind]), (3, _I32, _REQUIRED), (4, _BINARY, name.encode()), *meaning)


def _chunk(name: str, kind: Kind, rows: int, offset: int, before: int, after: int) -> bytes:
    meta = _struct(
        (1, _I32, _PHYSICAL[kind]),
        (2, _LIST, [_zigzag(_PLAIN), _zigzag(_RLE)]),
        (3, _LIST, [_text(name.encode())]),
        (4, _I32, _GZIP),
        (5, _I64, rows),
        (6, _I64, before),
        (7, _I64, after),
        (9, _I64, offset),
    )
    return _struct((2, _I64, offset), (3, _STRUCT, meta))


class _Text(bytes):
    """A text as an element of a list."""

    __slots__ = ()


def _text(value: bytes) -> _Text:
    return _Text(_varint(len(value)) + value)


def _struct(*fields: Field) -> bytes:
    """Fields in ascending order of their numbers, each named by the step from the one before it."""
    out, before = bytearray(), 0
    for number, kind, value in fields:
        out.append(number - before << 4 | kind)
        before = number
        if isinstance(value, list):
            element = _STRUCT if isinstance(value[0], _Struct) else _BINARY if isinstance(value[0], _Text) else _I32
            few = 15  # longer lists say their length after the first byte
            out += bytes([len(value) << 4 | element]) if len(value) < few else bytes([few << 4 | element])
            out += (b"" if len(value) < few else _varint(len(value))) + b"".join(value)
        elif isinstance(value, int):
            out += _zigzag(value)
        else:
            out += _text(value) if kind == _BINARY else value
    return bytes(out) + b"\0"


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follow
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
