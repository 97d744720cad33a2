"""Rows of a matrix hold what was stored and what is computed, in the order asked for; mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.catalog import build_catalog
from feature_store.errors import FeatureError
from feature_store.history import empty_history
from feature_store.layout import layout_of
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.registry import registry, stored_features
from feature_store.spec import Entity, Feature, request, stored
from feature_store.text import text_vectors

ASKED = np.array([1_000, 2_000])


@stored(entity="item", unit="1", default=0.0)
def item_first(events):
    """The first stored feature of an item."""
    return events


@stored(entity="user", unit="1", default=0.0)
def user_only(events):
    """The only stored feature of a user."""
    return events


@stored(entity="item", unit="1", default=0.0)
def item_second(events):
    """The second stored feature of an item."""
    return events


@stored(entity="category", unit="1", default=0.0)
def category_only(events):
    """The only stored feature of a category."""
    return events


@request(unit="1", default=7.0)
def item_over_user(item_second, user_only):
    """A quotient, without a value where both are 0."""
    return item_second / user_only


@request(unit="s", default=0.0)
def user_asked_at(asked_at):
    """When it was asked."""
    return asked_at


@request(unit="1", default=0.5)
def some_score(recall_some):
    """What a source said."""
    return recall_some


DEFINED = (item_first, user_only, item_second, category_only, item_over_user, user_asked_at, some_score)
FEATURES = {feature.name: feature for feature in DEFINED}
CATALOG = build_catalog(
    ["a", "b", "c"], ["", "", ""], {level: ["x", "y", "x"] for level in ("category", "subcategory", "brand")}
)
A, B, C = CATALOG.rows_of_ids(["a", "b", "c"])
ITEMS = np.empty((3, 2), np.float32)
ITEMS[[A, B, C]] = [[1, 10], [2, 20], [3, 0]]
TEXT = text_vectors(CATALOG)
BRANDS = np.empty((2, 0), np.float32)
SIDE = ItemSide(CATALOG, ITEMS, np.array([[100], [200]], np.float32), BRANDS, TEXT)
USERS = UserSide(np.array([[5], [0]], np.float32), empty_history(2), ASKED)
ROWS = Rows(np.array([0, 0, 1, 1], np.int32), np.array([A, B, B, C], np.int32))


def matrix(*names: str, rows: Rows = ROWS, features: dict[str, Feature] = FEATURES) -> list[list[float]]:
    return assemble(names, features, SIDE, USERS, rows).tolist()


def test_stored_columns_are_gathered_by_item_by_user_and_by_the_items_category() -> None:
    names = ["category_only", "item_second", "user_only", "item_first"]
    assert matrix(*names) == [[100, 10, 5, 1], [200, 20, 5, 2], [200, 20, 0, 2], [100, 0, 0, 3]]


def test_a_feature_lies_where_its_entity_has_it() -> None:
    assert layout_of(FEATURES).positions == {"item_first": 0, "user_only": 0, "item_second": 1, "category_only": 0}


def test_what_cannot_be_computed_is_the_default() -> None:
    assert matrix("item_over_user") == [[2], [4], [np.inf], [7]]


def test_the_moment_of_asking_is_the_users_own() -> None:
    assert matrix("user_asked_at") == [[1_000], [1_000], [2_000], [2_000]]


def test_a_score_is_the_sources_or_the_default_where_it_did_not_offer() -> None:
    offered = Rows(ROWS.user, ROWS.item, {"some": np.array([1, np.nan, 3, np.nan], np.float32)})
    assert matrix("some_score", rows=offered) == [[1], [0.5], [3], [0.5]]
    assert matrix("some_score") == [[0.5]] * 4


def test_no_rows_are_a_matrix_without_rows() -> None:
    nothing = Rows(np.empty(0, np.int32), np.empty(0, np.int32))

    def values(entity: Entity) -> np.ndarray:
        return np.zeros((3, len(stored_features(entity))), np.float32)

    side = ItemSide(CATALOG, values("item"), values("category"), values("brand"), TEXT)
    asking = UserSide(values("user"), empty_history(3), np.append(ASKED, 3_000))
    assert assemble(list(registry()), registry(), side, asking, nothing).shape == (0, len(registry()))


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(FeatureError, match="item_third"):
        matrix("item_third")


def test_an_unknown_input_is_named() -> None:
    @request(unit="1", default=0.0)
    def item_odd(item_thrid):
        """Misspells its input."""
        return item_thrid

    with pytest.raises(FeatureError, match="item_thrid"):
        matrix("item_odd", features=FEATURES | {"item_odd": item_odd})


@pytest.mark.parametrize("result", [1.0, [1.0, 2.0], [[1.0, 2.0, 3.0, 4.0]]])
def test_a_result_of_another_shape_is_named(result) -> None:
    @request(unit="1", default=0.0)
    def item_odd(item_first):  # noqa: ARG001 - what it looks at does not matter
        """Returns something else than one value per row."""
        return np.array(result)

    with pytest.raises(FeatureError, match=r"item_odd: expected shape \(4,\)"):
        matrix("item_odd", features=FEATURES | {"item_odd": item_odd})
