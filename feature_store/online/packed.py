"""A user's record as one binary value: what Redis and SQLite both hold.

Little-endian, widest columns first, so that every column is aligned without padding:

    magic "VTRU" | layout uint16 | spare uint16 | feature-set id, 8 hex digits | as-of int64
    values uint32 | events uint32
    item int64[events] | values float32[values] | time uint32[events] | quantity float32[events] | value float32[events]
    kind uint8[events]

A user takes 32 + 4 x values + 21 x events bytes: 4,352 for 30 features and 200 events.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from feature_store.errors import FeatureSetMismatchError, OnlineStoreError
from feature_store.online.store import UserRecord
from feature_store.registry import feature_set_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LAYOUT = 1
SomeEvents = TypeVar("SomeEvents", int, "NDArray[np.int64]")
_MAGIC = b"VTRU"
_HEADER = struct.Struct("<4sHH8sqII")
_BYTES_PER_VALUE, _BYTES_PER_EVENT = 4, 21
LAST_SECOND = 2**32 - 1
"""Times are uint32: until 2106."""
_REMEDY = "Fill the store again: `run_pipeline.sh --sync-only`."


def packed_size(values: int, events: SomeEvents) -> SomeEvents:
    """Bytes of a user, or of several, with so many stored features and recent events."""
    return _HEADER.size + _BYTES_PER_VALUE * values + _BYTES_PER_EVENT * events


def pack(record: UserRecord, feature_set: str | None = None) -> bytes:
    """The record in the layout above, marked with `feature_set` (none: the one that this code defines).

    Raises:
        OnlineStoreError: columns of different lengths, or a time that uint32 seconds cannot hold.
    """
    events = len(record.item)
    if any(len(column) != events for column in (record.time, record.kind, record.quantity, record.value)):
        raise _refused("event columns of one length", "columns of different lengths")
    if events and not 0 <= int(record.time.min()) <= int(record.time.max()) <= LAST_SECOND:
        raise _refused(f"event times in seconds from 0 to {LAST_SECOND}", f"{record.time.min()} to {record.time.max()}")
    mark = (feature_set or feature_set_id()).encode()
    header = _HEADER.pack(_MAGIC, LAYOUT, 0, mark, record.as_of, len(record.values), events)
    columns = (
        record.item.astype("<i8"),
        record.values.astype("<f4"),
        record.time.astype("<u4"),
        record.quantity.astype("<f4"),
        record.value.astype("<f4"),
        record.kind.astype("u1"),
    )
    return header + b"".join(column.tobytes() for column in columns)


def unpack(data: bytes, feature_set: str | None = None) -> UserRecord:
    """The record that `pack` was given; its arrays are read-only views of `data`, except the times.

    Raises:
        OnlineStoreError: `data` is truncated or was not made by `pack`.
        FeatureSetMismatchError: it holds the vector of another feature set than `feature_set` (none: this code's).
    """
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise _refused(f"a record that begins with {_MAGIC!r}", f"{len(data)} bytes that begin with {data[:4]!r}")
    _, layout, _, mark, as_of, values, events = _HEADER.unpack_from(data)
    if layout != LAYOUT:
        raise _refused(f"layout {LAYOUT}", f"layout {layout}")
    wanted = feature_set or feature_set_id()
    if mark != wanted.encode():
        raise FeatureSetMismatchError(
            "online store", made_by=mark.decode("ascii", "backslashreplace"), this_code=wanted
        )
    if len(data) != packed_size(values, events):
        raise _refused(f"{packed_size(values, events)} bytes", f"{len(data)} bytes")
    columns = _columns(data, values, events)
    item, vector, time, quantity, value, kind = columns
    return UserRecord(as_of, vector, item, time.astype(np.int64), kind, quantity, value)


def _columns(data: bytes, values: int, events: int) -> Iterator[NDArray[Any]]:
    """The columns in the order of the layout; each has a type of its own."""
    offset = _HEADER.size
    for dtype, count in (
        ("<i8", events),
        ("<f4", values),
        ("<u4", events),
        ("<f4", events),
        ("<f4", events),
        ("u1", events),
    ):
        column = np.frombuffer(data, dtype, count, offset)
        offset += column.nbytes
        yield column


def _refused(expected: str, found: str) -> OnlineStoreError:
    return OnlineStoreError("online store, a user's record", expected=expected, found=found, remedy=_REMEDY)
