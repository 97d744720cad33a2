"""The only place where a row of features is put together: n training rows or one request's candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from feature_store.errors import FeatureError
from feature_store.occurrences import Occurrences, occurrences
from feature_store.schema import LEVELS, PURCHASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History
    from feature_store.spec import Column, Feature


@dataclass(frozen=True)
class ItemSide:
    """What is known of items as of a day: the same for every user, held in memory once.

    items:      (items, stored item features) float32, rows as in the catalog
    categories: (categories, stored category features) float32, rows as `catalog.groups["category"]`
    """

    catalog: Catalog
    items: NDArray[np.float32]
    categories: NDArray[np.float32]


@dataclass(frozen=True)
class UserSide:
    """What is known of the users who ask: last night's vectors, and everything they did before they ask.

    values:   (users, stored user features) float32
    asked_at: (users,) int64, seconds since 1970 UTC; every event of `history` lies before it
    """

    values: NDArray[np.float32]
    history: History
    asked_at: NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """User-item pairs to describe.

    user:   (n,) int32, row of the user side; item: (n,) int32, row of the catalog
    recall: source name -> (n,) float32, the score with which the source offered the item, NaN where it did not
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    recall: Mapping[str, Column] = field(default_factory=dict)


MOMENT_INPUTS = ("asked_at",)
PAIR_INPUTS = ("same_item", *(f"same_{level}" for level in LEVELS), "any_item")
RECALL_INPUT = "recall_"
"""Inputs that a request feature may name besides other features: the time of asking (n,) float64 in seconds;
the user's `Occurrences` of the row's item, category, subcategory, brand, or of anything; `recall_<source>` scores."""


class _Frame:
    """Columns computed at most once, when first asked for."""

    def __init__(
        self,
        features: Mapping[str, Feature],
        positions: Mapping[str, int],
        item_side: ItemSide,
        user_side: UserSide,
        rows: Rows,
    ) -> None:
        self._features, self._positions = features, positions
        self._items, self._users, self._rows = item_side, user_side, rows
        self._purchases = user_side.history.of_kind(PURCHASE)
        self._known: dict[str, Column] = {}
        self._pairs: dict[str, Occurrences] = {}

    def column(self, name: str) -> Column:
        if name not in self._known:
            feature = self._features.get(name)
            if feature is None:
                raise FeatureError(
                    name,
                    expected="a feature of the registry or an input of the matrix",
                    found="neither",
                    remedy="Mend the name, or define the feature.",
                )
            self._known[name] = self._stored(feature) if feature.kind == "stored" else self._requested(feature)
        return self._known[name]

    def _stored(self, feature: Feature) -> Column:
        at = self._positions[feature.name]
        if feature.entity == "user":
            return self._users.values[:, at][self._rows.user]
        if feature.entity == "item":
            return self._items.items[:, at][self._rows.item]
        return self._items.categories[:, at][self._items.catalog.groups["category"][self._rows.item]]

    def _requested(self, feature: Feature) -> Column:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            values = np.asarray(feature.compute(*(self._input(name) for name in feature.inputs)))
        if values.shape != self._rows.item.shape:
            raise FeatureError(
                feature.name,
                expected=f"shape {self._rows.item.shape}",
                found=str(values.shape),
                remedy="Return one value per row.",
            )
        values = values.astype(np.float32)
        return np.where(np.isnan(values), np.float32(feature.default), values)

    def _input(self, name: str) -> object:
        if name in PAIR_INPUTS:
            return self._pair(name)
        if name == "asked_at":
            return self._users.asked_at[self._rows.user].astype(np.float64)
        if name.startswith(RECALL_INPUT):
            absent = np.full(self._rows.item.shape, np.nan, np.float32)
            return self._rows.recall.get(name.removeprefix(RECALL_INPUT), absent)
        return self.column(name)

    def _pair(self, name: str) -> Occurrences:
        if name not in self._pairs:
            catalog, level = self._items.catalog, name.removeprefix("same_")
            items = len(catalog)
            if name == "any_item":
                groups = np.zeros(items, np.int32)
            elif name == "same_item":
                groups = np.arange(items, dtype=np.int32)
            else:
                groups = catalog.groups[level]
            rows = self._rows
            self._pairs[name] = occurrences(self._purchases, self._users.asked_at, groups, rows.user, rows.item)
        return self._pairs[name]


def assemble(
    names: Sequence[str],
    features: Mapping[str, Feature],
    item_side: ItemSide,
    user_side: UserSide,
    rows: Rows,
) -> NDArray[np.float32]:
    """The features `names` of each row, shape (n, len(names)) float32, in that order.

    Raises:
        FeatureError: a name that nobody defines, or a request feature returns another shape than one value per row.
    """
    frame = _Frame(features, stored_positions(features), item_side, user_side, rows)
    matrix = np.empty((len(rows.item), len(names)), np.float32)
    for at, name in enumerate(names):
        matrix[:, at] = frame.column(name)
    return matrix


def stored_positions(features: Mapping[str, Feature]) -> dict[str, int]:
    """Where each stored feature lies in its entity's vector: registry order within the entity."""
    positions: dict[str, int] = {}
    counts: dict[str, int] = {}
    for feature in features.values():
        if feature.kind == "stored" and feature.entity:
            positions[feature.name] = counts.get(feature.entity, 0)
            counts[feature.entity] = positions[feature.name] + 1
    return positions
