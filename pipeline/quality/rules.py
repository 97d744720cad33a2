"""What clean rows promise beyond their schema: one line per rule, in the words of the error that a broken one gives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.schema import EVENT_KINDS, EVENTS, ITEMS, ORDER_ITEMS, ORDERS, PRICES, TABLES, USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

EARLIEST = "1990-01-01"


@dataclass(frozen=True)
class ValueRule:
    """What every value of a column must be. `holds` gets the column and the start of the row's partition day."""

    says: str
    holds: Callable[[pd.Series, pd.Series], pd.Series]


POSITIVE = ValueRule("more than 0", lambda values, _day: values > 0)
NOT_NEGATIVE = ValueRule("0 or more", lambda values, _day: values >= 0)
FILLED = ValueRule("not empty", lambda values, _day: values.str.len() > 0)
KIND = ValueRule(f"one of {', '.join(EVENT_KINDS)}", lambda values, _day: values.isin(EVENT_KINDS))
IN_PARTITION = ValueRule(
    "a time of its partition's day", lambda values, day: (values >= day) & (values < day + _one_day())
)
PAST = ValueRule(
    f"from {EARLIEST} to the end of its partition's day",
    lambda values, day: (values >= _earliest()) & (values < day + _one_day()),
)
SANE = ValueRule(f"{EARLIEST} or later", lambda values, _day: values >= _earliest())
_STAMPS = {"created_at": PAST, "updated_at": IN_PARTITION}

VALUE_RULES: dict[str, dict[str, ValueRule]] = {
    USERS.name: {"user_id": FILLED, **_STAMPS},
    ITEMS.name: {"item_id": FILLED, **_STAMPS},
    PRICES.name: {"item_id": FILLED, "valid_from": SANE, "price": POSITIVE, "updated_at": IN_PARTITION},
    ORDERS.name: {"order_id": FILLED, "user_id": FILLED, **_STAMPS},
    ORDER_ITEMS.name: {
        "order_id": FILLED,
        "item_id": FILLED,
        "quantity": POSITIVE,
        "amount": POSITIVE,
        "discount": NOT_NEGATIVE,
        **_STAMPS,
    },
    EVENTS.name: {
        "event_id": FILLED,
        "kind": KIND,
        "time": PAST,
        "user_id": FILLED,
        "item_id": FILLED,
        "basket_id": FILLED,
        "quantity": POSITIVE,
        "value": NOT_NEGATIVE,
        "discount": NOT_NEGATIVE,
        "updated_at": IN_PARTITION,
    },
}


def contract_id(name: str) -> str:
    """Changes when schema or rules of the table do: partitions that kept another contract are validated again."""
    rules = sorted((column, rule.says) for column, rule in VALUE_RULES[name].items())
    return hashlib.sha256(f"{TABLES[name]} {rules}".encode()).hexdigest()[:16]


def _one_day() -> pd.Timedelta:
    import pandas as pd

    return pd.Timedelta(days=1)


def _earliest() -> pd.Timestamp:
    import pandas as pd

    return pd.Timestamp(EARLIEST, tz="UTC")
