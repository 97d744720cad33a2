"""What the raw archive keeps of Matomo: four tables, one row per fact, partitioned by the UTC day of `updated_at`.

`visitor_id` is the visit's, 16 hex digits, `visitor_then` what the row itself was written under, which a login later in
the visit does not change; `user_id` is the shop's own login, empty where nobody logged in.
"""

from __future__ import annotations

from feature_store.schema import Column, Table

_TEXT, _REAL, _TIME, _INTEGER = Column("text"), Column("real"), Column("time"), Column("integer")
_MAYBE, _NUMBER = Column("text", nullable=True), Column("integer", nullable=True)
_MONEY = Column("real", nullable=True)
_WHO = {
    "site": _INTEGER,
    "visit_id": _INTEGER,
    "visitor_id": _TEXT,
    "visitor_then": _TEXT,
    "user_id": _MAYBE,
}
VISITORS = ("visitor_id", "visitor_then")
"""Columns that name a person's browser, or the login that took its place."""

EVENTS = Table(
    "matomo_events",
    ("event_id",),
    {
        "event_id": _TEXT,
        "kind": Column("text", note="one of schema.EVENT_KINDS"),
        "time": _TIME,
        **_WHO,
        "item_id": Column("text", note="the SKU, or the content piece of a slot"),
        "order_id": Column("text", nullable=True, note="of purchases; unique within its site only"),
        "quantity": _REAL,
        "price": Column("real", nullable=True, note="per piece, as shown or as bought"),
        "slot": Column("text", nullable=True, note="content name of an impression or a click"),
        "position": Column("integer", nullable=True, note="in the slot, from 1"),
        "request_id": Column("text", nullable=True, note="the recommendation request that filled the slot"),
        "updated_at": _TIME,
    },
)
FACTS = Table(
    "matomo_facts",
    ("fact_id",),
    {
        "fact_id": _TEXT,
        "kind": Column("text", note="search, category or goal"),
        "time": _TIME,
        **_WHO,
        "text": Column("text", nullable=True, note="keyword, category, or the goal's name"),
        "goal": Column("integer", nullable=True, note="the goal's number in its site"),
        "results": Column("integer", nullable=True, note="of a search; 0: nothing was found"),
        "revenue": _MONEY,
        "updated_at": _TIME,
    },
)
BASKETS = Table(
    "matomo_baskets",
    ("basket_id",),
    {
        "basket_id": _TEXT,
        "kind": Column("text", note="order, or the open cart of a visit"),
        "time": _TIME,
        **_WHO,
        "order_id": _MAYBE,
        "items": Column("integer", nullable=True, note="pieces, not lines; 0 is possible"),
        "revenue": Column("real", nullable=True, note="grand total as sent; label money by lines, not by it"),
        "subtotal": _MONEY,
        "tax": _MONEY,
        "shipping": _MONEY,
        "discount": _MONEY,
        "dropped_lines": Column("integer", note="lines that were in the cart and are no more (deleted = 1)"),
        "updated_at": _TIME,
    },
)
VISITS = Table(
    "matomo_visits",
    ("visit_id",),
    {
        **_WHO,
        "started_at": Column("time", nullable=True),
        "actions": _NUMBER,
        "seconds": _NUMBER,
        "referrer": Column("text", nullable=True, note="direct, search, website, campaign, social or other"),
        "campaign": _MAYBE,
        "device": _MAYBE,
        "country": _MAYBE,
        "language": _MAYBE,
        "updated_at": Column("time", note="the last action's time: a visit changes until it ends"),
    },
)
MATOMO_TABLES = {table.name: table for table in (EVENTS, FACTS, BASKETS, VISITS)}
