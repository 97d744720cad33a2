"""What the user does in the visit that goes on when they ask: their own events with gaps below half an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.arithmetic import where_known
from feature_store.session import GAP_SECONDS
from feature_store.spec import Column, request

if TYPE_CHECKING:
    from feature_store.session import Session


@request(unit="events", default=0.0)
def session_event_count(session: Session) -> Column:
    """How deep the visit is: events in it so far. Source: recent history."""
    return session.depth


@request(unit="seconds", default=0.0)
def session_seconds_since_first(session: Session) -> Column:
    """Seconds since the visit began; 0 outside a visit. Source: recent history."""
    return session.seconds_since_first


@request(unit="seconds", default=float(GAP_SECONDS), range=(0.0, float(GAP_SECONDS)))
def session_seconds_since_last(session: Session) -> Column:
    """Seconds since the user last did something in the visit; half an hour outside a visit. Source: recent history."""
    return session.seconds_since_last


@request(unit="seconds", default=0.0, range=(0.0, float(GAP_SECONDS)))
def session_seconds_per_event(session: Session) -> Column:
    """How long the user stays with one thing, on average over the visit; 0 outside a visit. Source: recent history."""
    return session.seconds_since_first / session.depth


@request(unit="events", default=0.0)
def session_item_view_count(session: Session) -> Column:
    """Views of the item and clicks on it in the visit. Source: recent history."""
    return session.count("item", "view", "click")


@request(unit="seconds", default=0.0)
def session_item_seconds(session: Session) -> Column:
    """Seconds of the visit spent with the item: until the next event, or the moment of asking.

    Source: recent history.
    """
    return session.seconds_with("item")


@request(unit="events", default=0.0)
def session_item_cart_count(session: Session) -> Column:
    """How often the item was put into the cart in the visit. Source: recent history."""
    return session.count("item", "cart")


@request(unit="events", default=0.0)
def session_category_event_count(session: Session) -> Column:
    """Events of the visit with the item's category. Source: recent history."""
    return session.count("category")


@request(unit="seconds", default=0.0)
def session_category_seconds(session: Session) -> Column:
    """Seconds of the visit spent with the item's category. Source: recent history."""
    return session.seconds_with("category")


@request(unit="events", default=0.0)
def session_brand_event_count(session: Session) -> Column:
    """Events of the visit with the item's brand. Source: recent history."""
    return session.count("brand")


@request(unit="ratio", default=0.0, range=(0.0, 1.0))
def session_last_category_same(session: Session) -> Column:
    """1 where the visit's last event had the item's category, otherwise 0. Not an estimate: a fact of this visit.

    Source: recent history.
    """
    return session.last_is("category")


@request(unit="ratio", default=1.0)
def session_price_ratio(session: Session, seen_item_price: Column, item_price: Column) -> Column:
    """Price of the item against the mean price of what the visit was about so far; 1 means the same, or unknown.

    Source: recent history, price list.
    """
    return where_known(item_price) / session.mean(where_known(seen_item_price))
