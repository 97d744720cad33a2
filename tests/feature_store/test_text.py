"""Vectors of texts: alike titles and tags point in alike directions, the same catalog gives the same bytes."""

from __future__ import annotations

import numpy as np

from feature_store.catalog import Catalog, build_catalog
from feature_store.text import DIMENSIONS, text_vectors

SHELVES = {
    "dairy": ["whole milk", "skimmed milk", "oat milk", "butter milk", "yoghurt", "cream cheese"],
    "bakery": ["rye bread", "white bread", "bread rolls", "bagels", "butter croissant", "toast"],
    "tools": ["claw hammer", "sledge hammer", "screwdriver", "pliers", "hand saw", "chain saw"],
}


def catalog(rows: list[tuple[str, str]]) -> Catalog:
    titles, tags = [title for title, _ in rows], [tag for _, tag in rows]
    groups = {"category": tags, "subcategory": tags, "brand": [""] * len(rows)}
    return build_catalog([f"{number}" for number in range(len(rows))], titles, groups)


SHOP = catalog([(title, shelf) for shelf, titles in SHELVES.items() for title in titles])
VECTORS = text_vectors(SHOP)


def alike(one: str, other: str) -> float:
    rows = [int(np.flatnonzero(SHOP.titles == title)[0]) for title in (one, other)]
    return float(VECTORS[rows[0]] @ VECTORS[rows[1]])


def test_vectors_have_length_one_and_are_small() -> None:
    assert (VECTORS.dtype, VECTORS.shape) == (np.float32, (len(SHOP), DIMENSIONS))
    assert np.allclose(np.linalg.norm(VECTORS, axis=1), 1, atol=1e-6)


def test_a_shared_word_and_a_shared_shelf_make_items_alike() -> None:
    assert alike("whole milk", "skimmed milk") > alike("whole milk", "cream cheese") > alike("whole milk", "hand saw")
    assert alike("hand saw", "chain saw") > alike("hand saw", "pliers") > alike("hand saw", "bagels")


def test_a_shared_word_counts_across_shelves_too() -> None:
    assert alike("butter milk", "butter croissant") > alike("yoghurt", "bagels")


def test_the_same_catalog_gives_the_same_bytes() -> None:
    assert text_vectors(SHOP).tobytes() == VECTORS.tobytes()


def test_numbers_are_sizes_and_say_nothing() -> None:
    shop = catalog([("milk 500", ""), ("milk 1000", ""), ("nails 500", ""), ("bread", "")])
    vectors = {str(title): vector for title, vector in zip(shop.titles, text_vectors(shop), strict=True)}
    assert np.allclose(vectors["milk 500"], vectors["milk 1000"])
    assert abs(vectors["milk 500"] @ vectors["nails 500"]) < 0.1


def test_an_item_without_words_is_like_nothing() -> None:
    shop = catalog([("", ""), ("500", ""), ("milk", "dairy"), ("saw", "tools")])
    silent = ~text_vectors(shop).any(axis=1)
    assert sorted(shop.titles[silent]) == ["", "500"]


def test_a_shop_without_items_and_a_shop_where_all_are_alike_have_vectors() -> None:
    assert text_vectors(catalog([])).shape == (0, DIMENSIONS)
    assert np.isfinite(text_vectors(catalog([("milk", "dairy")] * 3))).all()
