"""What users did since the last snapshot, so that a list knows of what happened a minute ago.

One value a user: rows of `RECENT`, in whatever order they came. An event that happened before the snapshot's moment is
the snapshot's own to know, so reading takes only later ones and nothing is there twice; the others go in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.errors import OnlineStoreError
from feature_store.online.packed import LAST_SECOND
from feature_store.online.store import Found, UserRecord
from feature_store.registry import stored_features
from feature_store.schema import EVENT_KINDS, item_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.online.store import Version

RECENT = np.dtype(
    [("id", "<i8"), ("item", "<i8"), ("time", "<u4"), ("quantity", "<f4"), ("value", "<f4"), ("kind", "u1")]
)
"""One event in 29 bytes: 64 bits of the digest of its id, the item's key, and what histories hold."""
KEEP_SECONDS = 7 * 86_400
"""What is so much older than a user's latest event is dropped: a snapshot knows it by then."""
Bounds = Mapping[str, int]
"""Kind of event -> how many of it are kept, as `History.latest` takes them."""
Rows = np.ndarray[Any, np.dtype[np.void]]
"""Rows of `RECENT`."""


@dataclass(frozen=True)
class Event:
    """Something a user did. `time`: seconds since 1970 UTC; the same `event_id` again is the same event."""

    event_id: str
    user_id: str
    kind: str
    item_id: str
    time: int
    quantity: float = 1.0
    value: float = 0.0


def rows_by_user(events: Iterable[Event]) -> dict[str, Rows]:
    """
    Raises:
        OnlineStoreError: a kind that nobody knows, or a time beyond what is kept.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    for event in events:
        if event.kind not in EVENT_KINDS or not 0 <= event.time <= LAST_SECOND:
            raise OnlineStoreError(
                f"event {event.event_id}",
                expected=f"one of {', '.join(EVENT_KINDS)} at 0 to {LAST_SECOND} seconds since 1970",
                found=f"`{event.kind}` at {event.time}",
                remedy="Mend whoever sent it.",
            )
        names = item_keys((event.event_id, event.item_id))
        row = (*names, event.time, event.quantity, event.value, EVENT_KINDS.index(event.kind))
        found.setdefault(event.user_id, []).append(row)
    return {user: np.array(rows, RECENT) for user, rows in found.items()}


def appended(held: bytes, new: bytes, bounds: Bounds) -> tuple[bytes, int]:
    """What is kept of a user's rows and new ones, and how many of these were new; Redis does the same in Lua."""
    rows = np.frombuffer(held + new, RECENT)
    _, first = np.unique(rows["id"], return_index=True)
    rows = rows[np.sort(first)]
    added = len(rows) - len(held) // RECENT.itemsize
    if not added:
        return held, 0
    rows = rows[rows["time"] + np.int64(KEEP_SECONDS) >= rows["time"].max()]
    return bounded(rows[_in_order(rows)], bounds).tobytes(), added


def bounded(rows: Rows, bounds: Bounds) -> Rows:
    """At most so many last rows of each kind; `rows` are in time order."""
    return rows[_kept(rows["kind"], bounds)]


def _kept(kind: NDArray[np.uint8], bounds: Bounds) -> NDArray[np.bool_]:
    keep = np.zeros(len(kind), bool)
    for name, most in bounds.items():
        own = np.flatnonzero(kind == EVENT_KINDS.index(name))
        keep[own[max(len(own) - most, 0) :]] = True
    return keep


def _in_order(rows: Rows) -> NDArray[np.intp]:
    """As histories are ordered: by time, then by item and what is kept of the rest."""
    return np.lexsort((rows["value"], rows["quantity"], rows["kind"], rows["item"], rows["time"]))


def found_of(version: Version, record: UserRecord | None, held: bytes | None, bounds: Bounds) -> Found:
    """What a reader tells of a user: the snapshot's record, and after it what they did since."""
    if not held:
        return Found(version.name, record, b"")
    rows = np.frombuffer(held, RECENT)
    rows = rows[rows["time"] >= version.as_of]
    if not len(rows):
        return Found(version.name, record, b"")
    rows = rows[_in_order(rows)]
    return Found(version.name, with_recent(record or stranger(version.as_of), rows, bounds), rows.tobytes())


def with_recent(record: UserRecord, rows: Rows, bounds: Bounds) -> UserRecord:
    """The record, and after its events the rows (later ones, in order), within the bounds."""
    kind = np.concatenate([record.kind, rows["kind"]])
    keep = _kept(kind, bounds)
    return UserRecord(
        record.as_of,
        record.values,
        np.concatenate([record.item, rows["item"]])[keep],
        np.concatenate([record.time, rows["time"]])[keep],
        kind[keep],
        np.concatenate([record.quantity, rows["quantity"]])[keep],
        np.concatenate([record.value, rows["value"]])[keep],
    )


def stranger(as_of: int) -> UserRecord:
    """The record of a user whom the snapshot does not know."""
    whole, real = np.empty(0, np.int64), np.empty(0, np.float32)
    return UserRecord(as_of, default_values(), whole, whole, np.empty(0, np.uint8), real, real)


@cache
def default_values() -> NDArray[np.float32]:
    """The stored vector of a user nobody has seen, read-only: every feature's own default."""
    values = np.array([feature.default for feature in stored_features("user")], np.float32)
    values.flags.writeable = False
    return values
