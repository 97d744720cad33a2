import datetime as dt

import pyarrow as pa
import pytest

from feature_store.schema import USERS
from pipeline.errors import SourceError
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.daily import by_day


def batch(*rows):
    """Users (id, day of January, hour)."""
    found = []
    for name, day, hour in rows:
        moment = dt.datetime(2017, 1, day, hour, tzinfo=dt.UTC)
        found.append({"user_id": name, "created_at": moment, "updated_at": moment})
    return pa.Table.from_pylist(found, schema=arrow_schema(USERS))


def test_a_day_that_spans_batches_is_one_table():
    days = dict(by_day([batch(("a", 1, 5), ("b", 2, 1)), batch(("c", 2, 2)), batch(("d", 4, 0))], USERS))
    assert {day.day: rows["user_id"].to_pylist() for day, rows in days.items()} == {1: ["a"], 2: ["b", "c"], 4: ["d"]}


def test_midnight_belongs_to_the_day_it_begins():
    assert [day for day, _ in by_day([batch(("a", 1, 23), ("b", 2, 0))], USERS)] == [
        dt.date(2017, 1, 1),
        dt.date(2017, 1, 2),
    ]


def test_rows_of_one_moment_have_one_order_whatever_the_database_says():
    (_, one), (_, other) = (
        next(by_day([batch(*rows)], USERS)) for rows in ([("b", 1, 5), ("a", 1, 5)], [("a", 1, 5), ("b", 1, 5)])
    )
    assert one.equals(other)


def test_a_day_that_comes_back_is_an_error_because_its_file_would_lose_rows():
    with pytest.raises(SourceError, match="2017-01-01 after 2017-01-02"):
        list(by_day([batch(("a", 2, 5)), batch(("b", 1, 5))], USERS))
