"""A catalog finds its items, and says so when it does not hold one."""

from __future__ import annotations

import numpy as np

from feature_store.catalog import build_catalog
from feature_store.schema import LEVELS, item_keys

IDS = ["milk", "bread", "apple", "soap"]
GROUPS = {"category": ["dairy", "bakery", "", "home"], "subcategory": ["x"] * 4, "brand": ["own", "", "", "own"]}
CATALOG = build_catalog(IDS, [name.title() for name in IDS], GROUPS)


def test_keys_ascend_and_name_their_items() -> None:
    assert (np.diff(CATALOG.keys) > 0).all()
    assert CATALOG.keys.tolist() == item_keys(CATALOG.ids).tolist()
    assert sorted(CATALOG.ids) == sorted(IDS)
    assert [title.lower() for title in CATALOG.titles] == CATALOG.ids.tolist()
    assert len(CATALOG) == 4


def test_every_item_is_found_whatever_the_order() -> None:
    assert CATALOG.ids[CATALOG.rows_of_ids(["soap", "milk", "soap"])].tolist() == ["soap", "milk", "soap"]
    assert CATALOG.rows_of_ids(IDS).dtype == np.int32


def test_an_unknown_item_is_minus_one() -> None:
    assert CATALOG.rows_of_ids(["pear", ""]).tolist() == [-1, -1]
    assert CATALOG.rows(np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])).tolist() == [-1, -1]
    assert CATALOG.rows_of_ids([]).tolist() == []


def test_items_know_their_group_at_every_level() -> None:
    assert set(CATALOG.groups) == set(CATALOG.names) == set(LEVELS)
    for level, names in GROUPS.items():
        rows = CATALOG.groups[level][CATALOG.rows_of_ids(IDS)]
        assert CATALOG.names[level][rows].tolist() == names


def test_the_order_in_which_items_come_does_not_matter() -> None:
    turned = build_catalog(IDS[::-1], [i.title() for i in IDS[::-1]], {k: v[::-1] for k, v in GROUPS.items()})
    assert turned.ids.tolist() == CATALOG.ids.tolist()
    assert turned.groups["category"].tolist() == CATALOG.groups["category"].tolist()


def test_a_shop_without_items_knows_none() -> None:
    empty = build_catalog([], [], {level: [] for level in LEVELS})
    assert len(empty) == 0
    assert empty.rows_of_ids(["milk"]).tolist() == [-1]
