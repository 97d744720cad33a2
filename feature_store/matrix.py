"""The only place where a row of features is put together: n training rows or one request's candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import Context, context_of
from feature_store.errors import FeatureError
from feature_store.layout import layout_of
from feature_store.occurrences import Occurrences, ages, occurrences
from feature_store.rhythm import UNKNOWN, Rhythm
from feature_store.schema import LEVELS, PURCHASE
from feature_store.session import Session, session
from feature_store.taste import tastes

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
    brands:     (brands, stored brand features) float32, rows as `catalog.groups["brand"]`
    text:       (items, dimensions) float32, what title and tags say: `text.text_vectors`
    rhythm:     when the whole shop sells
    """

    catalog: Catalog
    items: NDArray[np.float32]
    categories: NDArray[np.float32]
    brands: NDArray[np.float32]
    text: NDArray[np.float32]
    rhythm: Rhythm = UNKNOWN


@dataclass(frozen=True)
class UserSide:
    """What is known of the users who ask: last night's vectors, and everything they did before they ask.

    values:   (users, stored user features) float32
    asked_at: (users,) int64, seconds since 1970 UTC; every event of `history` lies before it
    context:  where and when they ask; None: the shop's clock shows UTC, scene and device are unknown
    """

    values: NDArray[np.float32]
    history: History
    asked_at: NDArray[np.int64]
    context: Context | None = None

    def take(self, users: NDArray[np.integer]) -> UserSide:
        """What is known of some of them, in the order given."""
        context = self.context and self.context.take(users)
        return UserSide(self.values[users], self.history.take(users), self.asked_at[users], context)


@dataclass(frozen=True)
class Rows:
    """User-item pairs to describe.

    user:   (n,) int32, row of the user side; item: (n,) int32, row of the catalog
    recall: source name -> (n,) float32, the score with which the source offered the item, NaN where it did not
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    recall: Mapping[str, Column] = field(default_factory=dict)


_OF_SHOP = {"shop_weekday_share": Rhythm.on_weekday, "shop_hour_share": Rhythm.near_hour}
MOMENT_INPUTS = (
    *("asked_at", "clock", "scene", "device", "session", "item_text", "user_text"),
    *_OF_SHOP,
)
PAIR_INPUTS = ("same_item", *(f"same_{level}" for level in LEVELS), "any_item")
RECALL_INPUT = "recall_"
SEEN_INPUT = "seen_"
EVERY_INPUT = "every_"
"""Inputs that a request feature may name besides other features: the time of asking (n,) in seconds, float64 in UTC or
int64 as the shop's clock shows it; the share of the whole shop's baskets (n,) on that day of the week and near that
hour (`Rhythm`); integer codes (n,) of scene and device; the visit that goes on (`Session`), without
which its features are their defaults, and by `seen_<stored item feature>` the column (events,) of what it was about;
text vectors (n, dimensions) of the item, and of what the user had to do with; the user's `Occurrences` of the row's
item, category, subcategory, brand, or of anything, and by `every_<stored item feature>` the column (items,) of the
whole catalog, in which they find their items; `recall_<source>` scores."""


class _Frame:
    """Columns computed at most once, when first asked for."""

    def __init__(
        self,
        features: Mapping[str, Feature],
        item_side: ItemSide,
        user_side: UserSide,
        rows: Rows,
    ) -> None:
        self._features, self._layout = features, layout_of(features)
        self._items, self._users, self._rows = item_side, user_side, rows
        self._purchases = user_side.history.of_kind(PURCHASE)
        self._known: dict[str, Column] = {}
        self._filled: dict[str, Column] = {}
        self._pairs: dict[str, Occurrences] = {}
        self._moments: dict[str, object] = {}
        self._entities: dict[str, NDArray[np.float32]] = {}
        self._context = user_side.context or context_of(user_side.asked_at)

    def column(self, name: str) -> Column:
        """The feature of each row, NaN where there is nothing to compute it from."""
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
        column: Column = self._described(str(feature.entity))[self._layout.positions[feature.name]]
        return column

    def _described(self, entity: str) -> NDArray[np.float32]:
        """Every stored feature of the rows' users, items, categories or brands, shape (features, n), defaults where
        nothing is known: a row of values is fetched from memory once, not again for each feature.
        """
        if entity not in self._entities:
            if entity == "user":
                values, rows = self._users.values, self._rows.user
            elif entity == "item":
                values, rows = self._items.items, self._rows.item
            else:
                values = self._items.brands if entity == "brand" else self._items.categories
                rows = self._items.catalog.groups[entity].take(self._rows.item)
            columns = np.ascontiguousarray(values.take(rows, axis=0).T)
            np.copyto(columns, self._layout.defaults[entity], where=np.isnan(columns))
            self._entities[entity] = columns
        return self._entities[entity]

    def _requested(self, feature: Feature) -> Column:
        if "session" in feature.inputs and not self._session.visits:  # nearly always, and then it is to cost nothing
            return np.full(self._rows.item.shape, feature.default, np.float32)
        values = np.asarray(feature.compute(*(self._input(name) for name in feature.inputs)))
        if values.shape != self._rows.item.shape:
            raise FeatureError(
                feature.name,
                expected=f"shape {self._rows.item.shape}",
                found=str(values.shape),
                remedy="Return one value per row.",
            )
        return values.astype(np.float32, copy=False)

    def _as_input(self, name: str) -> Column:
        """The feature of each row, its default where there is nothing to compute it from."""
        if name not in self._filled:
            values = self.column(name)
            if self._features[name].kind == "stored":
                return values
            filled = values.copy()
            np.copyto(filled, np.float32(self._features[name].default), where=np.isnan(values))
            self._filled[name] = filled
        return self._filled[name]

    def _input(self, name: str) -> object:
        if name in PAIR_INPUTS:
            return self._pair(name)
        if name in MOMENT_INPUTS:
            if name not in self._moments:
                self._moments[name] = self._moment(name)
            return self._moments[name]
        if name.startswith(SEEN_INPUT):
            return self._items.items[:, self._layout.positions[name.removeprefix(SEEN_INPUT)]][self._session.item]
        if name.startswith(EVERY_INPUT):
            return self._items.items[:, self._layout.positions[name.removeprefix(EVERY_INPUT)]]
        if name.startswith(RECALL_INPUT):
            absent = np.full(self._rows.item.shape, np.nan, np.float32)
            return self._rows.recall.get(name.removeprefix(RECALL_INPUT), absent)
        return self._as_input(name)

    def _moment(self, name: str) -> object:
        """What concerns the user and the moment, in the row's place."""
        users, rows = self._users, self._rows
        if name == "session":
            return self._session
        if name == "item_text":
            return self._items.text[rows.item]
        if name == "user_text":
            found = tastes(users.history, users.asked_at, self._items.text)
            return found[rows.user] if len(found) > 1 else np.broadcast_to(found, (len(rows.item), found.shape[1]))
        if name == "asked_at":
            return users.asked_at[rows.user].astype(np.float64)
        if name in _OF_SHOP:
            return _OF_SHOP[name](self._items.rhythm, self._context.clock)[rows.user]
        values: NDArray[np.integer] = getattr(self._context, name)
        return values[rows.user]

    @cached_property
    def _session(self) -> Session:
        rows = self._rows
        return session(self._users.history, self._users.asked_at, self._items.catalog.all_groups, rows.user, rows.item)

    @cached_property
    def _ages(self) -> NDArray[np.float64]:
        return ages(self._purchases, self._users.asked_at)

    def _pair(self, name: str) -> Occurrences:
        if name not in self._pairs:
            level = name.removeprefix("same_").removesuffix("_item")
            groups, rows = self._items.catalog.all_groups[level], self._rows
            self._pairs[name] = occurrences(self._purchases, self._ages, groups, rows.user, rows.item)
        return self._pairs[name]


_AT_ONCE = 1 << 16
"""Rows of so many are described together: while millions are, no more than these are in memory beside the result."""


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
    if len(rows.item) <= _AT_ONCE:
        return _assemble(names, features, item_side, user_side, rows)
    matrix = np.empty((len(rows.item), len(names)), np.float32)
    for start in range(0, len(rows.item), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        people, user = np.unique(rows.user[some], return_inverse=True)
        recall = {name: scores[some] for name, scores in rows.recall.items()}
        part = Rows(user.astype(np.int32), rows.item[some], recall)
        matrix[some] = _assemble(names, features, item_side, user_side.take(people), part)
    return matrix


def _assemble(
    names: Sequence[str], features: Mapping[str, Feature], item_side: ItemSide, user_side: UserSide, rows: Rows
) -> NDArray[np.float32]:
    frame = _Frame(features, item_side, user_side, rows)
    columns = np.empty((len(names), len(rows.item)), np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # once: it costs as much as a feature
        for at, name in enumerate(names):
            columns[at] = frame.column(name)
    # All at once: by itself each feature would pay as much for this as for its arithmetic.
    defaults = np.array([features[name].default for name in names], np.float32)
    np.copyto(columns, defaults[:, None], where=np.isnan(columns))
    return np.ascontiguousarray(columns.T)
