"""The canonical tables fit together, and an item has one key for ever."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.schema import EVENT_KINDS, ITEMS, LEVELS, PURCHASE, SOURCE_TABLES, TABLES, item_keys


def test_an_items_key_never_changes() -> None:
    """Histories in the online store and released matrices hold keys: another one would forget every item."""
    assert item_keys(["1029743", "apple"]).tolist() == [-551902756982387843, -2328654269316264298]


def test_keys_are_of_any_script_one_each_and_may_be_written_into() -> None:
    keys = item_keys(["a", "b", "用户", "", "a"])
    assert keys.dtype == np.int64
    assert len(set(keys.tolist())) == 4
    assert keys[0] == keys[4]
    keys[0] = 1


def test_a_number_has_the_key_of_its_text() -> None:
    assert item_keys(iter(["7"])).tolist() == item_keys(np.array(["7"])).tolist()


def test_no_items_have_no_keys() -> None:
    assert item_keys([]).shape == (0,)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_keys_and_cursor_are_columns_that_are_never_null(table) -> None:
    for name in (*table.key, table.cursor):
        assert not table.columns[name].nullable
    assert table.columns[table.cursor].type == "time"


def test_every_source_table_is_a_table_and_items_have_every_level() -> None:
    assert {name: TABLES[name] for name in SOURCE_TABLES} == SOURCE_TABLES
    assert set(LEVELS) <= set(ITEMS.columns)


def test_a_purchase_is_kind_0_as_packed_histories_say() -> None:
    assert EVENT_KINDS.index(PURCHASE) == 0
