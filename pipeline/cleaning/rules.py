"""The rules of cleaning: each finds rows, and drops or repairs them. Why is written on it and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.schema import (
    EVENT_KINDS,
    EVENTS,
    ITEMS,
    ORDER_ITEMS,
    ORDERS,
    PRICES,
    PROMOTION_KINDS,
    PROMOTIONS,
    REFUNDS,
    USERS,
    Table,
)
from pipeline.cleaning.clipping import clip, outside
from pipeline.cleaning.masks import UNKNOWN, Mask
from pipeline.cleaning.netting import given_back, partly_given_back, take_off
from pipeline.cleaning.rule import Rule
from pipeline.cleaning.times import mend_units, mend_zones, use_cursor, wrong_times, wrong_units, wrong_zones
from pipeline.cleaning.traffic import internal, robots, unknown_users

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from pipeline.cleaning.facts import Facts

    Find = Callable[[Table, pd.DataFrame, Facts], Mask]

VERSION = 6
"""Raise it when a rule changes what it does: partitions cleaned by another version are cleaned again."""


def _repeated_rows(table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    """Only rows whose key repeats can be equal, and those are few."""
    suspects = frame.duplicated(["partition_day", *table.key], keep=False).to_numpy(bool)
    repeated = np.zeros(len(frame), bool)
    repeated[suspects] = frame.loc[suspects, ["partition_day", *table.columns]].duplicated().to_numpy(bool)
    return repeated


def _repeated_keys(table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    """Rows come ordered by cursor, so the last one is the newest."""
    return frame.duplicated(["partition_day", *table.key], keep="last").to_numpy(bool)


def _superseded_orders(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    newest = facts.orders["partition_day"].to_numpy()[frame["order_row"].to_numpy()]
    return np.asarray(newest > frame["partition_day"].to_numpy(), bool)


def _superseded_lines(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    if facts.newest_lines.empty:
        return np.zeros(len(frame), bool)
    keys = ["order_id", "line_number"]
    newest = frame[keys].merge(facts.newest_lines, on=keys, how="left")["partition_day"].to_numpy(float)
    return np.asarray(newest > frame["partition_day"].to_numpy(), bool)


def _unknown_orders(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return np.asarray(frame["order_row"] == UNKNOWN, bool)


def _cancelled_orders(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    rows = frame["order_row"].to_numpy()
    return facts.is_cancelled[rows] & (rows != UNKNOWN) if len(facts.is_cancelled) else np.zeros(len(frame), bool)


def _excluded_departments(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    rows = frame["item_row"].to_numpy()
    return facts.is_excluded[rows] & (rows != UNKNOWN) if len(facts.is_excluded) else np.zeros(len(frame), bool)


def _unknown_items(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return np.asarray(frame["item_row"] == UNKNOWN, bool)


def _not_of(kinds: tuple[str, ...]) -> Find:
    return lambda _table, frame, _facts: ~frame["kind"].isin(kinds).to_numpy(bool)


def _never_in_force(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return ~(frame["valid_to"] > frame["valid_from"]).to_numpy(bool)


def _beyond_everywhere(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return (frame["reach"] > 1).to_numpy(bool)


def _everywhere(_table: Table, frame: pd.DataFrame, found: Mask, _facts: Facts) -> pd.DataFrame:
    return frame.assign(reach=frame["reach"].where(~found, 1.0))


def _not_positive(column: str) -> Find:
    return lambda _table, frame, _facts: ~(frame[column] > 0).to_numpy(bool)


def _impossible(pieces: tuple[str, ...], money: tuple[str, ...]) -> Find:
    """Numbers beyond the settings' largest, or infinite; a missing discount is one of nothing and no fault."""

    def find(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
        beyond = np.zeros(len(frame), bool)
        for columns, largest in ((pieces, facts.clean.largest_quantity), (money, facts.clean.largest_money)):
            for column in columns:
                beyond |= (frame[column].abs() > largest).to_numpy(bool)
        return beyond

    return find


def _odd_discounts(_table: Table, frame: pd.DataFrame, _facts: Facts) -> Mask:
    return ~(frame["discount"] >= 0).to_numpy(bool)


def _no_discount(_table: Table, frame: pd.DataFrame, found: Mask, _facts: Facts) -> pd.DataFrame:
    """Shops that write what is taken off as a negative number mean its size."""
    return frame.assign(discount=frame["discount"].where(~found, frame["discount"].abs().fillna(0.0)))


EXACT = Rule("exact_duplicates", "the same row delivered twice counts once", _repeated_rows, fault="uniqueness")
KEYS = Rule(
    "key_duplicates", "of several versions of one key in a day the newest wins", _repeated_keys, fault="uniqueness"
)
UNITS = Rule(
    "time_unit_repair",
    "seconds read as milliseconds, or the other way round, are put right",
    wrong_units,
    mend_units,
    fault="validity",
)
ZONES = Rule(
    "time_zone_repair",
    "a row made whole quarter hours after its own last change was written in local time",
    wrong_zones,
    mend_zones,
    fault="validity",
)
TIMES = Rule(
    "time_repair",
    "a missing time, one before 1990 or one in the future becomes the cursor's",
    wrong_times,
    use_cursor,
    fault="validity",
)
STAMPS = (UNITS, ZONES, TIMES)
EXCLUDED = Rule(
    "excluded_departments", "fuel, coupons and fees are no articles (settings.clean)", _excluded_departments
)
STRANGERS = Rule(
    "unknown_items",
    "an item that the catalogue lacks cannot be shown; kept when it arrives",
    _unknown_items,
    waits=True,
    fault="references",
)
NOBODY = Rule(
    "unknown_users",
    "a login that the table of users lacks is nobody's; kept when the user arrives (settings.clean)",
    unknown_users,
    waits=True,
    fault="references",
)
INTERNAL = Rule("internal_users", "the shop's own people and test accounts are no customers (settings.clean)", internal)
ROBOTS = Rule("robots", "nobody orders so much in one day: a machine, or the till's account (settings.clean)", robots)
CANCELLED = "a cancelled order was not bought after all (settings.clean)"
NO_AMOUNT = "a line that cost nothing was given, not chosen"
DISCOUNTS = Rule(
    "discount_repair", "a discount is what was taken off: its size, or nothing", _odd_discounts, _no_discount
)

RULES: dict[str, tuple[Rule, ...]] = {
    USERS.name: (EXACT, KEYS, *STAMPS),
    ITEMS.name: (EXACT, KEYS, *STAMPS, EXCLUDED),
    PRICES.name: (
        EXACT,
        KEYS,
        *STAMPS,
        EXCLUDED,
        Rule("no_price", "a price of nothing is none", _not_positive("price")),
        Rule(
            "impossible_price",
            "no price is so high (settings.clean)",
            _impossible((), ("price",)),
            fault="validity",
        ),
        STRANGERS,
    ),
    PROMOTIONS.name: (
        EXACT,
        KEYS,
        *STAMPS,
        Rule(
            "unknown_kinds",
            f"a promotion is one of {', '.join(PROMOTION_KINDS)}",
            _not_of(PROMOTION_KINDS),
            fault="validity",
        ),
        Rule("never_in_force", "a promotion that ends before it begins is none", _never_in_force, fault="validity"),
        EXCLUDED,
        Rule("no_reach", "a promotion that runs nowhere is none", _not_positive("reach")),
        Rule("reach_repair", "no promotion runs in more than the whole shop", _beyond_everywhere, _everywhere),
        STRANGERS,
    ),
    ORDERS.name: (
        EXACT,
        KEYS,
        Rule("superseded", "of several versions of one order the newest wins, whatever its day", _superseded_orders),
        *STAMPS,
        Rule("cancelled", CANCELLED, _cancelled_orders),
        INTERNAL,
        ROBOTS,
    ),
    REFUNDS.name: (
        EXACT,
        KEYS,
        *STAMPS,
        Rule("no_amount", "a refund of nothing is none", _not_positive("amount")),
    ),
    ORDER_ITEMS.name: (
        EXACT,
        KEYS,
        Rule("superseded", "of several versions of one line the newest wins, whatever its day", _superseded_lines),
        *STAMPS,
        Rule(
            "unknown_orders",
            "nobody knows who bought it; kept when the order arrives",
            _unknown_orders,
            waits=True,
            fault="references",
        ),
        Rule("cancelled_orders", CANCELLED, _cancelled_orders),
        INTERNAL,
        ROBOTS,
        EXCLUDED,
        Rule("no_quantity", "a line of nothing, or a return, shows no taste", _not_positive("quantity")),
        Rule("no_amount", NO_AMOUNT, _not_positive("amount")),
        Rule(
            "impossible_numbers",
            "no line has so many pieces or costs so much (settings.clean)",
            _impossible(("quantity",), ("amount", "discount")),
            fault="validity",
        ),
        DISCOUNTS,
        Rule("refunded", "what was given back whole was not bought after all", given_back),
        Rule("refunds_netted", "what was given back in part counts for what was kept", partly_given_back, take_off),
        STRANGERS,
        Rule("outliers", "beyond a category's usual range a number counts as the range's end", outside, clip),
    ),
    EVENTS.name: (
        EXACT,
        KEYS,
        *STAMPS,
        Rule("unknown_kinds", f"an event is one of {', '.join(EVENT_KINDS)}", _not_of(EVENT_KINDS), fault="validity"),
        INTERNAL,
        ROBOTS,
        EXCLUDED,
        Rule(
            "impossible_numbers",
            "no event has so many pieces or costs so much (settings.clean)",
            _impossible(("quantity",), ("value", "discount")),
            fault="validity",
        ),
        STRANGERS,
        NOBODY,
    ),
}
