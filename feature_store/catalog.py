"""The items of a release as dense rows, in the order of their keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from feature_store.errors import FeatureError
from feature_store.schema import LEVELS, item_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Catalog:
    """Items in ascending order of key; a row number is an item's name inside one release only.

    keys:   (items,) int64, ascending
    ids:    (items,) text
    titles: (items,) text
    groups: level -> (items,) int32 group row; levels are `schema.LEVELS`
    names:  level -> (groups,) text
    available: (items,) whether it may be shown; what is off sale still has its place in everybody's history
    """

    keys: NDArray[np.int64]
    ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    groups: Mapping[str, NDArray[np.int32]]
    names: Mapping[str, NDArray[np.str_]]
    available: NDArray[np.bool_]

    @cached_property
    def all_groups(self) -> Mapping[str, NDArray[np.int32]]:
        """`groups`, and beside them "item", in which each item is a group of its own, and "any", which holds all."""
        items = len(self.keys)
        return {**self.groups, "item": np.arange(items, dtype=np.int32), "any": np.zeros(items, np.int32)}

    @cached_property
    def text(self) -> NDArray[np.float32]:
        """What title and tags of each item say: `text_vectors`, computed once."""
        from feature_store.text import text_vectors  # and SciPy, only where there are none yet

        return text_vectors(self)

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """The row of each key, -1 where the catalog does not hold the item; same shape as `keys`."""
        if not len(self.keys):
            return np.full(keys.shape, -1, np.int32)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1).astype(np.int32)

    def rows_of_ids(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """The row of each item id, -1 where unknown."""
        return self.rows(item_keys(ids))


def build_catalog(
    ids: Sequence[str],
    titles: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    available: Sequence[bool] | None = None,
) -> Catalog:
    """A catalog of distinct items; `groups` names each item's group at every level ("" where it has none).

    available: whether each item may be shown; none: all of them

    Raises:
        FeatureError: two ids share a key (never seen; the chance is 1e-9 for 200 thousand items).
    """
    keys = item_keys(ids)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if len(keys) > 1 and (keys[1:] == keys[:-1]).any():
        clash = int(np.flatnonzero(keys[1:] == keys[:-1])[0])
        twins = [str(ids[i]) for i in order[clash : clash + 2]]
        raise FeatureError(
            "catalog", expected="one key per item id", found=f"ids {twins} share one", remedy="Remove the duplicate."
        )
    rows, names = {}, {}
    for level in LEVELS:
        unique, inverse = np.unique(np.asarray(groups[level], dtype=np.str_), return_inverse=True)
        names[level], rows[level] = unique, inverse.astype(np.int32)[order]
    return Catalog(
        keys,
        np.asarray(ids, dtype=np.str_)[order],
        np.asarray(titles, dtype=np.str_)[order],
        rows,
        names,
        np.ones(len(ids), bool) if available is None else np.asarray(available, bool)[order],
    )
