"""Each rule on rows that can be checked in the head."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from feature_store.schema import EVENTS, MAPPABLE_TABLES, ORDERS, SOURCE_TABLES
from pipeline.cleaning.cleaner import DataCleaner, purchases, split_days, with_partition_day
from pipeline.cleaning.facts import build_facts
from pipeline.cleaning.refunds import refund_events, sum_refunds
from pipeline.cleaning.rules import RULES
from pipeline.cleaning.times import repair_times
from pipeline.settings import Clean
from pipeline.sources.canonical import arrow_schema

DAY, NEXT = dt.date(2017, 7, 1), dt.date(2017, 7, 2)
NOON = dt.datetime(2017, 7, 1, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)
CLEAN = Clean(excluded_departments=("FUEL",))
DEFAULTS = {
    "users": {"user_id": "u", "segment": None},
    "items": {
        "item_id": "milk",
        "title": "Milk",
        "department": "DAIRY",
        "category": None,
        "subcategory": None,
        "brand": None,
    },
    "prices": {"item_id": "milk", "valid_from": NOON, "price": 1.5},
    "orders": {"order_id": "o", "user_id": "u", "status": "completed"},
    "order_items": {
        "order_id": "o",
        "line_number": 1,
        "item_id": "milk",
        "quantity": 2.0,
        "amount": 3.0,
        "discount": 0.5,
    },
}
DEFAULTS["promotions"] = {
    "item_id": "milk",
    "kind": "advertised",
    "valid_from": NOON + dt.timedelta(3),
    "valid_to": NOON + dt.timedelta(10),
    "reach": 0.5,
}
DEFAULTS["refunds"] = {"refund_id": "r", "order_id": "o", "line_number": 1, "quantity": None, "amount": 1.0}
DEFAULTS["events"] = {
    "event_id": "e",
    "kind": "view",
    "time": NOON,
    "user_id": "u",
    "item_id": "milk",
    "basket_id": "visit",
    "quantity": 0.0,
    "value": 0.0,
    "discount": 0.0,
}
STAMPS = {"created_at": NOON, "updated_at": NOON}


def table(name, *rows):
    schema = arrow_schema(MAPPABLE_TABLES[name])
    return pa.Table.from_pylist([{**STAMPS, **DEFAULTS[name], **row} for row in rows], schema=schema)


def cleaner(
    orders=({},),
    items=({}, {"item_id": "petrol", "department": "FUEL"}),
    newest_lines=(),
    clean=CLEAN,
    internal=(),
    refunds=(),
    bought=({"amount": 12.0},),
):
    days = {DAY: table("orders", *orders)}
    frame = repair_times(ORDERS, with_partition_day(days[DAY].to_pandas(), days))
    newest = pd.DataFrame(newest_lines, columns=["order_id", "line_number", "partition_day"])
    facts = build_facts(
        frame.drop_duplicates("order_id", keep="last"),
        table("items", *items).to_pandas(),
        newest,
        clean,
        internal_users=frozenset(internal),
        user_ids=pa.array(["u", "staff", *map(str, range(10))]),
        refunds=sum_refunds(refund_frame(*refunds), table("order_items", *bought).to_pandas()),
    )
    return DataCleaner(facts)


def refund_frame(*refunds):
    days = {DAY: table("refunds", *refunds)}
    return with_partition_day(days[DAY].to_pandas(), days)


def clean(name, *rows, by=None):
    """(rows left, what rules did) for rows of one day."""
    cleaned = (by or cleaner()).clean(name, {DAY: table(name, *rows)})
    (counts,) = cleaned.counts.values()
    return cleaned.frame, {rule: count for rule, count in counts.items() if count and rule != "rows_in"}


@pytest.mark.parametrize("name", MAPPABLE_TABLES)
def test_good_rows_are_left_alone(name):
    frame, did = clean(name, {})
    assert (len(frame), did) == (1, {})


@pytest.mark.parametrize("name", MAPPABLE_TABLES)
def test_a_row_delivered_twice_counts_once(name):
    frame, did = clean(name, {}, {})
    assert (len(frame), did) == (1, {"exact_duplicates": 1})


@pytest.mark.parametrize(
    ("name", "column", "old", "new"),
    [
        ("users", "segment", "young", "old"),
        ("items", "title", "Milk", "Fresh milk"),
        ("prices", "price", 1.0, 2.0),
        ("orders", "user_id", "a", "b"),
        ("order_items", "quantity", 1.0, 2.0),
    ],
)
def test_of_two_versions_of_a_key_the_newest_wins(name, column, old, new):
    frame, did = clean(name, {column: old}, {column: new, "updated_at": LATER})
    assert frame[column].tolist() == [new]
    assert did == {"key_duplicates": 1}


@pytest.mark.parametrize("wrong", [None, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), NOON + dt.timedelta(days=1)])
def test_an_impossible_time_becomes_that_of_the_last_change(wrong):
    frame, did = clean("users", {"created_at": wrong})
    assert frame["created_at"].tolist() == [pd.Timestamp(NOON)]
    assert did == {"time_repair": 1}


def test_a_price_may_begin_in_the_future():
    assert clean("prices", {"valid_from": NOON + dt.timedelta(days=9)})[1] == {}


def test_a_promotion_may_be_planned_long_before_it_begins():
    later = {"valid_from": NOON + dt.timedelta(days=90), "valid_to": NOON + dt.timedelta(days=97)}
    assert clean("promotions", later)[1] == {}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"kind": "whispered"}, "unknown_kinds"),
        ({"valid_to": NOON + dt.timedelta(days=3)}, "never_in_force"),
        ({"reach": 0.0}, "no_reach"),
        ({"reach": None}, "no_reach"),
        ({"item_id": "unheard of"}, "unknown_items"),
    ],
)
def test_what_is_no_promotion_is_dropped_and_counted(row, rule):
    frame, did = clean("promotions", row, {"valid_from": NOON})
    assert (len(frame), did) == (1, {rule: 1})


def test_a_promotion_runs_in_the_whole_shop_at_most():
    frame, did = clean("promotions", {"reach": 1.25})
    assert (frame["reach"].tolist(), did) == ([1.0], {"reach_repair": 1})


@pytest.mark.parametrize("name", ["prices", "promotions", "order_items"])
def test_excluded_departments_are_no_articles(name):
    assert clean(name, {"item_id": "petrol"})[1] == {"excluded_departments": 1}
    assert clean(name, {"item_id": "milk"})[1] == {}


def test_items_of_excluded_departments_are_not_recommended():
    frame, did = clean("items", {}, {"item_id": "petrol", "department": "FUEL"})
    assert frame["item_id"].tolist() == ["milk"]
    assert did == {"excluded_departments": 1}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"quantity": 0.0}, "no_quantity"),
        ({"quantity": -1.0}, "no_quantity"),
        ({"quantity": None}, "no_quantity"),
        ({"amount": 0.0}, "no_amount"),
        ({"amount": -2.0}, "no_amount"),
        ({"order_id": "lost"}, "unknown_orders"),
        ({"item_id": "unheard of"}, "unknown_items"),
    ],
)
def test_lines_that_are_no_purchase_are_dropped_and_counted(row, rule):
    frame, did = clean("order_items", row, {"line_number": 2})
    assert frame["line_number"].tolist() == [2]
    assert did == {rule: 1}


def test_a_line_is_counted_by_the_first_rule_that_drops_it():
    assert clean("order_items", {"item_id": "petrol", "quantity": 0.0})[1] == {"excluded_departments": 1}


def test_a_cancelled_order_and_its_lines_are_dropped():
    by = cleaner(orders=({"status": "Cancelled"},))
    assert clean("orders", {"status": "Cancelled"}, by=by)[1] == {"cancelled": 1}
    assert clean("order_items", {}, by=by)[1] == {"cancelled_orders": 1}


def test_a_price_of_nothing_is_dropped():
    assert clean("prices", {"price": 0.0})[1] == {"no_price": 1}


def test_a_line_whose_newer_version_came_on_another_day_is_dropped():
    number = (NEXT - dt.date(1970, 1, 1)).days
    by = cleaner(newest_lines=[("o", 1, number)])
    assert clean("order_items", {}, {"line_number": 2}, by=by)[1] == {"superseded": 1}


def test_an_event_tells_who_bought_what_when_the_order_was_made():
    by = cleaner(orders=({"created_at": NOON - dt.timedelta(days=3)},))
    frame, _ = clean("order_items", {}, by=by)
    ((_, rows),) = split_days(EVENTS, purchases(frame, by.facts), [DAY])
    assert rows.to_pylist() == [
        {
            "event_id": "o:1",
            "kind": "purchase",
            "time": NOON - dt.timedelta(days=3),
            "user_id": "u",
            "item_id": "milk",
            "basket_id": "o",
            "quantity": 2.0,
            "value": 3.0,
            "discount": 0.5,
            "slot": None,
            "position": None,
            "request_id": None,
            "updated_at": NOON,
        }
    ]


def test_many_days_at_once_are_cleaned_as_each_alone():
    later = {"created_at": NOON + dt.timedelta(days=1), "updated_at": NOON + dt.timedelta(days=1)}
    days = {DAY: table("order_items", {}, {"quantity": 0.0, "line_number": 2}), NEXT: table("order_items", later)}
    together = cleaner().clean("order_items", days)
    assert together.counts[DAY]["no_quantity"] == 1
    assert together.counts[NEXT] == {"rows_in": 1, **{rule.name: 0 for rule in RULES["order_items"]}}
    split = dict(split_days(SOURCE_TABLES["order_items"], together.frame, list(days)))
    for day, rows in days.items():
        alone = cleaner().clean("order_items", {day: rows})
        assert dict(split_days(SOURCE_TABLES["order_items"], alone.frame, [day]))[day].equals(split[day])


def instant(microseconds):
    """A time that may lie further out than Python's own."""
    return pa.scalar(microseconds, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


@pytest.mark.parametrize("factor", [1_000, 1 / 1_000, 1 / 1_000_000])
def test_seconds_and_milliseconds_taken_for_each_other_are_put_right(factor):
    """A time in milliseconds read as seconds lies in the year 49,000, the other way round in January 1970."""
    microseconds = int(NOON.timestamp()) * 1_000_000
    wrong = table("orders", {}).set_column(
        3, "created_at", pa.array([instant(round(microseconds * factor))], pa.timestamp("us", tz="UTC"))
    )
    cleaned = cleaner().clean("orders", {DAY: wrong})
    assert cleaned.frame["created_at"].tolist() == [pd.Timestamp(NOON)]
    assert cleaned.counts[DAY]["time_unit_repair"] == 1
    assert cleaned.counts[DAY]["time_repair"] == 0


@pytest.mark.parametrize(("hours", "repaired"), [(8, 1), (5.75, 1), (-5, 0), (0.1, 0)])
def test_a_row_made_a_zone_after_its_own_change_was_local_time(hours, repaired):
    made = NOON + dt.timedelta(hours=hours)
    frame, did = clean("users", {"created_at": made})
    assert did == ({"time_zone_repair": 1} if repaired else {})
    assert frame["created_at"].tolist() == [pd.Timestamp(NOON if repaired else made)]


def test_repairing_times_again_changes_nothing():
    days = {DAY: table("orders", {"created_at": NOON + dt.timedelta(hours=8)}, {"created_at": None})}
    once = repair_times(ORDERS, with_partition_day(days[DAY].to_pandas(), days))
    assert repair_times(ORDERS, once).equals(once)


@pytest.mark.parametrize("name", ["orders", "order_items", "events"])
def test_internal_users_are_no_customers(name):
    assert clean(name, {}, by=cleaner(internal=["u"]))[1] == {"internal_users": 1}
    assert clean(name, {}, by=cleaner(internal=["somebody else"]))[1] == {}


def test_who_does_more_in_a_day_than_anybody_can_is_a_machine():
    strict = Clean(robot_orders_per_day=2, robot_lines_per_day=3)
    orders = [{"order_id": str(number)} for number in range(3)]
    by = cleaner(orders=orders, clean=strict)
    assert clean("orders", *orders, by=by)[1] == {"robots": 3}
    assert clean("order_items", *({"order_id": str(number)} for number in range(3)), by=by)[1] == {"robots": 3}
    assert clean("orders", *orders[:2], by=by)[1] == {}
    lines = [{"line_number": number} for number in range(4)]
    assert clean("order_items", *lines, by=cleaner(clean=strict))[1] == {"robots": 4}
    assert clean("order_items", *lines[:3], by=cleaner(clean=strict))[1] == {}
    clicks = [{"event_id": str(number)} for number in range(4)]
    assert clean("events", *clicks, by=cleaner(clean=strict))[1] == {"robots": 4}


def test_a_history_written_at_one_stroke_is_no_machine():
    orders = [{"order_id": str(n), "created_at": NOON - dt.timedelta(days=n)} for n in range(9)]
    by = cleaner(orders=orders, clean=Clean(robot_orders_per_day=1))
    assert clean("orders", *orders, by=by)[1] == {}


@pytest.mark.parametrize(
    ("name", "row", "rule"),
    [
        ("order_items", {"quantity": 1e7}, "impossible_numbers"),
        ("order_items", {"amount": float("inf")}, "impossible_numbers"),
        ("order_items", {"discount": -1e9}, "impossible_numbers"),
        ("prices", {"price": 1e7}, "impossible_price"),
        ("events", {"value": -1e7}, "impossible_numbers"),
        ("events", {"kind": "sneeze"}, "unknown_kinds"),
    ],
)
def test_impossible_values_are_dropped(name, row, rule):
    assert clean(name, row)[1] == {rule: 1}


@pytest.mark.parametrize(("discount", "meant"), [(-0.5, 0.5), (None, 0.0)])
def test_a_discount_is_what_was_taken_off(discount, meant):
    frame, did = clean("order_items", {"discount": discount})
    assert (frame["discount"].tolist(), did) == ([meant], {"discount_repair": 1})


@pytest.mark.parametrize(
    ("refund", "left", "rule"),
    [
        ({"amount": 1.0}, [(2.0, 2.0)], "refunds_netted"),
        ({"amount": 1.5, "quantity": 1.0}, [(1.0, 1.5)], "refunds_netted"),
        ({"amount": 3.0}, [], "refunded"),
        ({"amount": 0.1, "quantity": 2.0}, [], "refunded"),
        ({"amount": 6.0, "line_number": None}, [(2.0, 1.5)], "refunds_netted"),
        ({"amount": 12.0, "line_number": None}, [], "refunded"),
        ({"amount": 0.0}, [(2.0, 3.0)], None),
    ],
)
def test_what_was_given_back_counts_no_more(refund, left, rule):
    """Of 2 pieces for 3.00, in an order of 12.00."""
    frame, did = clean("order_items", {}, by=cleaner(refunds=[refund]))
    assert list(zip(frame["quantity"], frame["amount"], strict=True)) == left
    assert did == ({rule: 1} if rule else {})


def test_rows_that_wait_say_for_what():
    cleaned = cleaner().clean("order_items", {DAY: table("order_items", {"order_id": "lost"}, {"item_id": "lost"})})
    assert cleaned.waiting["reason"].tolist() == ["unknown_orders", "unknown_items"]


def test_every_rule_says_why():
    assert all(rule.why for rules in RULES.values() for rule in rules)


def test_events_of_logins_that_nobody_has_wait_unless_the_shop_keeps_them_and_visitors_without_login_are_nobodys():
    rows = [{"event_id": user, "user_id": user} for user in ("u", "stranger", "visitor:00ff1020aabbccdd")]
    frame, did = clean("events", *rows)
    assert frame["user_id"].tolist() == ["u", "visitor:00ff1020aabbccdd"]
    assert did == {"unknown_users": 1}
    frame, did = clean("events", *rows, by=cleaner(clean=Clean(unknown_users="keep")))
    assert (len(frame), did) == (3, {})


BOUGHT = ({"amount": 6.0}, {"line_number": 2, "item_id": "petrol", "amount": 4.0}, {"line_number": 3, "amount": 2.0})


def given(*refunds, **facts):
    """(line, pieces, money) of what came back."""
    told = refund_events(refund_frame(*refunds), cleaner(refunds=refunds, bought=BOUGHT, **facts).facts)
    lines = [int(each.rpartition(":")[2]) for each in told["event_id"]]
    return list(zip(lines, told["quantity"], told["value"], strict=True))


def test_a_refund_names_its_pieces_or_they_follow_the_money():
    assert given({"amount": 3.0}) == [(1, 1.0, 3.0)]
    assert given({"amount": 0.1, "quantity": 2.0}) == [(1, 2.0, 0.1)]


def test_a_refund_of_an_order_gives_back_its_articles_in_proportion():
    assert given({"amount": 6.0, "line_number": None}) == [(1, 1.0, 3.0), (3, 1.0, 1.0)]


@pytest.mark.parametrize(
    "facts", [{"internal": ["u"]}, {"orders": [{"status": "cancelled"}]}, {"orders": [{"order_id": "x"}]}]
)
def test_what_nobody_bought_nobody_gave_back(facts):
    assert given({}, **facts) == []
