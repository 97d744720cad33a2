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
REFUND = "refund"
"""A line that was given back, told by cleaning beside the kinds above: nobody's interest, so no history has it.
`quantity` and `value` are the pieces and the money that came back."""

ANONYMOUS = "visitor:"
"""Beginning of the user ids of visitors who never logged in; the table of users need not know them."""

SHOWN = ("impression", "click")
"""Kinds of event that tell of a recommendation slot."""
EXPOSURE = ("slot", "position", "request_id")
"""Columns of `events` that say where and why something was shown; empty for every other kind than those of `SHOWN`."""

PROMOTION_KINDS = ("advertised", "displayed")
"""What a shop does for an item for a while: tells people of it (leaflet, banner), or gives it a better place."""

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
    """(column, value) of a row that was taken away softly: cleaning drops an order or a line so marked, recall offers
    no such item, features know no such user. None: the table has no such word."""


_TEXT, _REAL, _TIME = Column("text"), Column("real"), Column("time")
_STAMPS = {"created_at": _TIME, "updated_at": _TIME}

USERS = Table(
    "users",
    ("user_id",),
    {
        "user_id": _TEXT,
        "segment": Column("text", nullable=True, note="the shop's own grouping"),
        "active": Column("integer", nullable=True, note="0: the account is closed; 1 or none: it is open"),
        **_STAMPS,
    },
    gone=("active", 0),
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
        "available": Column("integer", nullable=True, note="0: off sale, so never shown; 1 or none: on sale"),
        "stock": Column("real", nullable=True, note="pieces in stock; only `available` says what may be shown"),
        **_STAMPS,
    },
    gone=("available", 0),
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
PROMOTIONS = Table(
    "promotions",
    ("item_id", "kind", "valid_from"),
    {
        "item_id": _TEXT,
        "kind": Column("text", note=f"one of {', '.join(PROMOTION_KINDS)}"),
        "valid_from": _TIME,
        "valid_to": Column("time", note="the moment from which on it is over"),
        "reach": Column("real", note="part of the shop (stores, segments, pages) in which it runs, above 0 to 1"),
        "updated_at": Column("time", note="when it was planned or last changed: nobody knows of it earlier"),
    },
    gone=("reach", 0.0),
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
        "kind": Column("text", note=f"one of {', '.join(EVENT_KINDS)}, or {REFUND} in the clean archive"),
        "time": Column("time", note="when it happened"),
        "user_id": _TEXT,
        "item_id": _TEXT,
        "basket_id": Column("text", note="order or visit that the event belongs to"),
        "quantity": _REAL,
        "value": Column("real", note="money paid"),
        "discount": Column("real", note="money taken off"),
        "slot": Column("text", nullable=True, note="of impressions and clicks: the recommendation slot"),
        "position": Column("integer", nullable=True, note="in the slot, from 1"),
        "request_id": Column("text", nullable=True, note="the recommendation request that filled the slot"),
        "updated_at": Column("time", note="when the source last changed the row; its partition"),
    },
)

UNSEEN = (*EXPOSURE, *EVENTS.key, EVENTS.cursor)
"""Columns of `events` that no feature looks at: where something was shown is for measuring, and ids are long."""

SOURCE_TABLES: dict[str, Table] = {t.name: t for t in (USERS, ITEMS, PRICES, ORDERS, ORDER_ITEMS)}
"""What extraction reads of every shop."""
MAPPABLE_TABLES: dict[str, Table] = {
    **SOURCE_TABLES,
    PROMOTIONS.name: PROMOTIONS,
    REFUNDS.name: REFUNDS,
    EVENTS.name: EVENTS,
}
"""What a mapping may name; promotions, refunds and events may be left out and are then simply absent."""
TABLES: dict[str, Table] = {**SOURCE_TABLES, PROMOTIONS.name: PROMOTIONS, EVENTS.name: EVENTS}
"""What features read of the clean archive: the source tables, promotions where the shop tells of them, and `events`,
which is order lines joined to their orders."""
WITHOUT = (PROMOTIONS.name, REFUNDS.name)
"""Tables of which even the clean archive may have nothing."""


def item_keys(item_ids: Iterable[str]) -> NDArray[ItemKey]:
    """The stable keys of items, shape (n,).

    >>> item_keys(["1029743", "apple"]).tolist()
    [-551902756982387843, -2328654269316264298]
    """
    digests = b"".join(hashlib.blake2b(str(i).encode(), digest_size=8).digest() for i in item_ids)
    return np.frombuffer(digests, dtype="<i8").copy()
