import datetime as dt

import pyarrow as pa

from feature_store.schema import USERS
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.merge import merge


def users(*rows):
    """Users (id, segment, hour)."""
    found = []
    for name, segment, hour in rows:
        moment = dt.datetime(2017, 1, 2, hour, tzinfo=dt.UTC)
        found.append({"user_id": name, "segment": segment, "created_at": moment, "updated_at": moment})
    return pa.Table.from_pylist(found, schema=arrow_schema(USERS))


def test_a_row_read_again_unchanged_changes_nothing():
    held = users(("a", "x", 1), ("b", None, 2))
    merged = merge(held, users(("b", None, 2)), USERS)
    assert merged.rows.equals(held)
    assert (merged.inserted, merged.updated, merged.duplicates) == (0, 0, 0)


def test_a_changed_row_replaces_its_key_and_a_new_one_is_added():
    merged = merge(users(("a", "x", 1), ("b", None, 2)), users(("b", "y", 3), ("c", None, 3)), USERS)
    assert merged.rows.equals(users(("a", "x", 1), ("b", "y", 3), ("c", None, 3)))
    assert (merged.inserted, merged.updated) == (1, 1)


def test_what_was_read_wins_even_with_an_earlier_cursor_because_the_clock_may_have_stepped_back():
    merged = merge(users(("a", "x", 5)), users(("a", "y", 3)), USERS)
    assert merged.rows.equals(users(("a", "y", 3)))
    assert merged.updated == 1


def test_of_several_rows_of_one_key_the_newest_is_kept_and_the_others_are_counted():
    merged = merge(users(), users(("a", "old", 3), ("a", "new", 5), ("a", "new", 5)), USERS)
    assert merged.rows.equals(users(("a", "new", 5)))
    assert (merged.inserted, merged.duplicates) == (1, 2)


def test_a_held_row_that_was_not_read_stays():
    assert merge(users(("a", "x", 1)), users(("b", "y", 3)), USERS).rows.num_rows == 2
