"""The canonical tables: what every shop looks like once its mapping has been applied.

Times are aware and UTC with microseconds. Money is in the shop's one currency. Ids are text, because shops use both
numbers and letters. `cursor` is the column by which changes are found; a row's partition is the UTC day of its cursor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

ColumnType = Literal["text", "integer", "real", "time"]
ItemKey = np.int64
"""A stable 64-bit name of an item, the same in every release: the first 8 bytes of BLAKE2b of its id."""

PURCHASE = "purchase"
EVENT_KINDS = ("purchase", "cart", "view", "click", "impression")
"""Kinds of event; the position in this tuple is the code in packed histories. Append, never reorder."""

LEVELS = ("category", "subcategory", "brand")
"""Columns of `items` that group items; request features look at a user's history at each of these levels."""


@dataclass(frozen=True)
class Column:
    """One column of a canonical table."""

    type: ColumnType
    nullable: bool = False
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One canonical table: its primary key, the cursor that finds changed rows, its columns in order."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    cursor: str = "updated_at"
    gone: tuple[str, str | float] | None = None
    """(column, value) by which cleaning knows a row that counts for nothing; none: the table has no such word."""


_TEXT, _REAL, _TIME = Column("text"), Column("real"), Column("time")
_STAMPS = {"created_at": _TIME, "updated_at": _TIME}

USERS = Table(
    "users",
    ("user_id",),
    {"user_id": _TEXT, "segment": Column("text", nullable=True, note="the shop's own grouping"), **_STAMPS},
)
ITEMS = Table(
    "items",
    ("item_id",),
    {
        "item_id": _TEXT,
        "title": Column("text", nullable=True),
        "department": Column("text", nullable=True, note="broadest group"),
        "category": Column("text", nullable=True),
        "subcategory": Column("text", nullable=True, note="narrowest group"),
        "brand": Column("text", nullable=True),
        **_STAMPS,
    },
)
PRICES = Table(
    "prices",
    ("item_id", "valid_from"),
    {
        "item_id": _TEXT,
        "valid_from": _TIME,
        "price": Column("real", note="money per piece before discounts"),
        "updated_at": _TIME,
    },
    gone=("price", 0.0),
)
ORDERS = Table(
    "orders",
    ("order_id",),
    {"order_id": _TEXT, "user_id": _TEXT, "status": _TEXT, **_STAMPS},
    gone=("status", "cancelled"),
)
ORDER_ITEMS = Table(
    "order_items",
    ("order_id", "line_number"),
    {
        "order_id": _TEXT,
        "line_number": Column("integer"),
        "item_id": _TEXT,
        "quantity": Column("real", note="pieces, or weight for goods sold by weight"),
        "amount": Column("real", note="money paid for the line"),
        "discount": Column("real", note="money taken off the line, 0 or more"),
        **_STAMPS,
    },
    gone=("quantity", 0.0),
)
REFUNDS = Table(
    "refunds",
    ("refund_id",),
    {
        "refund_id": _TEXT,
        "order_id": _TEXT,
        "line_number": Column("integer", nullable=True, note="none: the whole order"),
        "quantity": Column("real", nullable=True, note="pieces that came back"),
        "amount": Column("real", note="money given back, above 0"),
        **_STAMPS,
    },
    gone=("amount", 0.0),
)
EVENTS = Table(
    "events",
    ("event_id",),
    {
        "event_id": _TEXT,
        "kind": Column("text", note=f"one of {', '.join(EVENT_KINDS)}"),
        "time": Column("time", note="when it happened"),
        "user_id": _TEXT,
        "item_id": _TEXT,
        "basket_id": Column("text", note="order or visit that the event belongs to"),
        "quantity": _REAL,
        "value": Column("real", note="money paid"),
        "discount": Column("real", note="money taken off"),
        "updated_at": Column("time", note="when the source last changed the row; its partition"),
    },
)

SOURCE_TABLES: dict[str, Table] = {t.name: t for t in (USERS, ITEMS, PRICES, ORDERS, ORDER_ITEMS)}
"""What extraction reads of every shop."""
MAPPABLE_TABLES: dict[str, Table] = {**SOURCE_TABLES, REFUNDS.name: REFUNDS, EVENTS.name: EVENTS}
"""What a mapping may name; refunds and events may be left out and are then simply absent."""
TABLES: dict[str, Table] = {**SOURCE_TABLES, EVENTS.name: EVENTS}
"""What cleaning leaves: the source tables, and `events`, which is order lines joined to their orders."""


def item_keys(item_ids: Iterable[str]) -> NDArray[ItemKey]:
    """The stable keys of items, shape (n,).

    >>> item_keys(["1029743", "apple"]).tolist()
    [-551902756982387843, -2328654269316264298]
    """
    digests = b"".join(hashlib.blake2b(str(i).encode(), digest_size=8).digest() for i in item_ids)
    return np.frombuffer(digests, dtype="<i8").copy()
