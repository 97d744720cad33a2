"""Each contract on the smallest table that keeps it, with one thing broken at a time."""

import datetime as dt

import pyarrow as pa
import pytest

from feature_store.schema import MAPPABLE_TABLES as TABLES
from pipeline.quality.contracts import breaks
from pipeline.quality.rules import VALUE_RULES, contract_id, rule_names
from pipeline.sources.canonical import arrow_schema

DAY = dt.date(2017, 7, 1)
NOON = dt.datetime(2017, 7, 1, 12, tzinfo=dt.UTC)
VALUES = {"text": "a", "integer": 1, "real": 1.0, "time": NOON}

KINDS = {"events": {"kind": "purchase"}, "promotions": {"kind": "displayed"}}


def row(name, **changes):
    good = {column: VALUES[definition.type] for column, definition in TABLES[name].columns.items()}
    return {**good, **KINDS.get(name, {}), **changes}


def broken(name, *rows):
    """(column, rule, count) of everything that these rows break."""
    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(TABLES[name]))
    return [(each.column, each.rule, each.count) for each in breaks(TABLES[name], {DAY: table})]


@pytest.mark.parametrize("name", TABLES)
def test_good_rows_keep_the_contract(name):
    assert broken(name, row(name)) == []
    assert broken(name) == []


@pytest.mark.parametrize("name", TABLES)
def test_a_key_comes_once(name):
    assert broken(name, row(name), row(name)) == [(", ".join(TABLES[name].key), "unique key in its partition", 2)]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (name, column)
        for name, table in TABLES.items()
        for column, definition in table.columns.items()
        if not definition.nullable
    ],
)
def test_what_may_not_be_null_is_not(name, column):
    assert (column, "not null", 1) in broken(name, row(name, **{column: None}))


@pytest.mark.parametrize(
    ("column", "value"),
    [(column, value) for column in ("title", "department", "category", "brand") for value in (None, "")],
)
def test_what_may_be_null_or_empty_is_kept(column, value):
    assert broken("items", row("items", **{column: value})) == []


BAD_VALUES = {
    "0 or 1": 2,
    "more than 0": 0.0,
    "0 or more": -0.01,
    "not empty": "",
    "a time of its partition's day": NOON + dt.timedelta(days=1),
    "from 1990-01-01 to the end of its partition's day": dt.datetime(2017, 7, 2, tzinfo=dt.UTC),
    "1990-01-01 or later": dt.datetime(1989, 12, 31, tzinfo=dt.UTC),
    "more than 0 and at most 1": 1.5,
    "one of advertised, displayed": "hidden",
    "one of purchase, cart, view, click, impression, refund": "theft",
}


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [(name, column, rule.says) for name, rules in VALUE_RULES.items() for column, rule in rules.items()],
)
def test_every_rule_of_every_column_is_held(name, column, says):
    assert broken(
        name, row(name), row(name, **{TABLES[name].key[-1]: VALUES_OF_ANOTHER[name], column: BAD_VALUES[says]})
    ) == [(column, says, 1)]


VALUES_OF_ANOTHER = {
    "users": "b",
    "items": "b",
    "prices": NOON + dt.timedelta(1),
    "promotions": NOON + dt.timedelta(1),
    "orders": "b",
    "order_items": 2,
    "refunds": "b",
    "events": "b",
}


def test_a_column_of_another_type_is_told_before_any_value():
    table = pa.table({"user_id": [7], "segment": ["x"], "created_at": [NOON]})
    found = {(each.column, each.rule) for each in breaks(TABLES["users"], {DAY: table})}
    assert ("user_id", "type string, not int64") in found
    assert ("updated_at", "type timestamp[us, tz=UTC], not no such column") in found


def test_a_break_shows_its_days_and_first_rows():
    rows = [row("orders", order_id=str(number), user_id="") for number in range(10)]
    (found,) = breaks(TABLES["orders"], {DAY: pa.Table.from_pylist(rows, schema=arrow_schema(TABLES["orders"]))})
    assert (found.count, found.days, len(found.rows)) == (10, (DAY,), 3)
    assert found.rows[0]["order_id"] == "0"
    assert "column `user_id` (not empty) in 10 rows, partitions 2017-07-01" in str(found)


def test_the_same_key_on_two_days_is_two_versions():
    later = NOON + dt.timedelta(days=1)
    days = {DAY: row("users"), later.date(): row("users", updated_at=later)}
    tables = {day: pa.Table.from_pylist([each], schema=arrow_schema(TABLES["users"])) for day, each in days.items()}
    assert breaks(TABLES["users"], tables) == []


def test_every_table_has_a_contract_of_its_own():
    assert len({contract_id(name, {}) for name in TABLES}) == len(TABLES)


def test_what_happens_to_a_broken_rule_is_told_with_it():
    rows = pa.Table.from_pylist([row("orders", user_id="")], schema=arrow_schema(TABLES["orders"]))
    (found,) = breaks(TABLES["orders"], {DAY: rows}, {"orders.user_id.filled": "warn"})
    assert (found.name, found.action, found.counts) == ("orders.user_id.filled", "warn", {DAY: 1})


@pytest.mark.parametrize("name", TABLES)
def test_every_break_is_named_as_the_settings_name_its_rule(name):
    key, column = TABLES[name].key[-1], next(c for c, d in TABLES[name].columns.items() if not d.nullable)
    rows = [row(name), row(name), row(name, **{key: VALUES_OF_ANOTHER[name], column: None})]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(TABLES[name]))
    found = {each.name for each in breaks(TABLES[name], {DAY: table})}
    assert {f"{name}.{column}.not_null", f"{name}.key.unique"} <= found <= set(rule_names())
