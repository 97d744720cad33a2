"""What clean rows promise beyond their schema: one line per rule, in the words of the error that a broken one gives."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.schema import (
    EVENT_KINDS,
    EVENTS,
    ITEMS,
    MAPPABLE_TABLES,
    ORDER_ITEMS,
    ORDERS,
    PRICES,
    PROMOTION_KINDS,
    PROMOTIONS,
    REFUND,
    REFUNDS,
    USERS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

EARLIEST = "1990-01-01"
_EARLIEST, _ONE_DAY = dt.datetime(1990, 1, 1, tzinfo=dt.UTC), dt.timedelta(days=1)
TYPE, NOT_NULL, UNIQUE = "type", "not_null", "unique"
"""Rules that follow from the schema: a column's type, that it is filled, that a key comes once in a partition."""


@dataclass(frozen=True)
class ValueRule:
    """What every value of a column must be. `holds` gets the column and the start of the row's partition day."""

    name: str
    says: str
    holds: Callable[[pd.Series, pd.Series], pd.Series]


POSITIVE = ValueRule("positive", "more than 0", lambda values, _day: values > 0)
NOT_NEGATIVE = ValueRule("not_negative", "0 or more", lambda values, _day: values >= 0)
FILLED = ValueRule("filled", "not empty", lambda values, _day: values.str.len() > 0)
FLAG = ValueRule("flag", "0 or 1", lambda values, _day: values.isin((0, 1)))
CLEAN_KINDS = (*EVENT_KINDS, REFUND)
KIND = ValueRule("known_kind", f"one of {', '.join(CLEAN_KINDS)}", lambda values, _day: values.isin(CLEAN_KINDS))
PROMOTION_KIND = ValueRule(
    "known_promotion", f"one of {', '.join(PROMOTION_KINDS)}", lambda values, _day: values.isin(PROMOTION_KINDS)
)
SHARE = ValueRule("share", "more than 0 and at most 1", lambda values, _day: (values > 0) & (values <= 1))
IN_PARTITION = ValueRule(
    "in_partition", "a time of its partition's day", lambda values, day: (values >= day) & (values < day + _ONE_DAY)
)
PAST = ValueRule(
    "past",
    f"from {EARLIEST} to the end of its partition's day",
    lambda values, day: (values >= _EARLIEST) & (values < day + _ONE_DAY),
)
SANE = ValueRule("sane", f"{EARLIEST} or later", lambda values, _day: values >= _EARLIEST)
_STAMPS = {"created_at": PAST, "updated_at": IN_PARTITION}

VALUE_RULES: dict[str, dict[str, ValueRule]] = {
    USERS.name: {"user_id": FILLED, "active": FLAG, **_STAMPS},
    ITEMS.name: {"item_id": FILLED, "available": FLAG, **_STAMPS},
    PRICES.name: {"item_id": FILLED, "valid_from": SANE, "price": POSITIVE, "updated_at": IN_PARTITION},
    PROMOTIONS.name: {
        "item_id": FILLED,
        "kind": PROMOTION_KIND,
        "valid_from": SANE,
        "valid_to": SANE,
        "reach": SHARE,
        "updated_at": IN_PARTITION,
    },
    ORDERS.name: {"order_id": FILLED, "user_id": FILLED, **_STAMPS},
    ORDER_ITEMS.name: {
        "order_id": FILLED,
        "item_id": FILLED,
        "quantity": POSITIVE,
        "amount": POSITIVE,
        "discount": NOT_NEGATIVE,
        **_STAMPS,
    },
    REFUNDS.name: {"refund_id": FILLED, "order_id": FILLED, "amount": POSITIVE, **_STAMPS},
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
        "slot": FILLED,
        "position": POSITIVE,
        "request_id": FILLED,
        "updated_at": IN_PARTITION,
    },
}


def rule_names() -> tuple[str, ...]:
    """Every rule of every table, as `config/quality.yaml` names it: `table.column.rule`."""
    names = []
    for table in MAPPABLE_TABLES.values():
        for column, definition in table.columns.items():
            names.append(f"{table.name}.{column}.{TYPE}")
            if not definition.nullable:
                names.append(f"{table.name}.{column}.{NOT_NULL}")
            if rule := VALUE_RULES[table.name].get(column):
                names.append(f"{table.name}.{column}.{rule.name}")
        names.append(f"{table.name}.key.{UNIQUE}")
    return tuple(names)


def concerns_rows(rule: str) -> bool:
    """Whether single rows break it, so that they can be taken out; a wrong type or a repeated key is of the table."""
    return not rule.endswith((f".{TYPE}", f".{UNIQUE}"))


def contract_id(name: str, actions: Mapping[str, str]) -> str:
    """Changes when schema, rules or actions of the table do: partitions that kept another contract are looked at again.

    actions: `quality.actions` of the settings
    """
    rules = sorted((column, rule.says) for column, rule in VALUE_RULES[name].items())
    of_table = sorted(item for item in actions.items() if item[0].startswith(f"{name}."))
    return hashlib.sha256(f"{MAPPABLE_TABLES[name]} {rules} {of_table}".encode()).hexdigest()[:16]
