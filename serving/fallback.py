"""Lists for when something is broken: what serving gives instead of an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.schema import item_keys
from pipeline.errors import ReleaseError
from pipeline.recommender.recommend import Answer, Choice
from pipeline.recommender.release import names, read_manifest, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.release import Release

RECOMMEND_FAILED, NOTHING_LOADED = 2, 3
"""Degrade levels; 1, the online store, is not a matter of lists."""
_SOURCE = ("popular",)
_FILES = {"keys": "items/keys.npy", "ids": "items/ids.npy", "titles": "items/titles.npy", "items": "popular/items.npy"}


@dataclass(frozen=True)
class PopularList:
    """Popular items, best first, and after them every other item of the catalog.

    rows: (popular,) rows of the catalog; keys, ids, titles: (items,) as in `Catalog`
    """

    release: str
    rows: NDArray[np.int32]
    keys: NDArray[np.int64]
    ids: NDArray[np.str_]
    titles: NDArray[np.str_]

    def answer(self, size: int, exclude: Sequence[str], level: int, reason: str) -> Answer:
        """The first `size` items that are not excluded; never empty while the catalog holds another item."""
        rows = self._allowed(np.asarray(self.rows), exclude)
        if not len(rows):
            rows = self._allowed(np.arange(len(self.keys), dtype=np.int32), exclude)
        chosen = rows[:size]
        choices = tuple(
            Choice(str(self.ids[row]), str(self.titles[row]), float(len(chosen) - rank), _SOURCE)
            for rank, row in enumerate(chosen)
        )
        return Answer(choices, level, reason)

    def _allowed(self, rows: NDArray[np.int32], exclude: Sequence[str]) -> NDArray[np.int32]:
        return rows[~np.isin(self.keys[rows], item_keys(exclude))] if exclude else rows


def popular_of(release: Release) -> PopularList:
    catalog = release.item_side.catalog
    return PopularList(release.name, release.popular.items, catalog.keys, catalog.ids, catalog.titles)


def find_popular(releases: Path) -> PopularList | None:
    """The popular list of the newest release that has an intact one, although the release itself may be unusable:
    made by another feature set, or damaged elsewhere.
    """
    for name in reversed(names(releases)):
        try:
            files = read_manifest(releases / name).files
        except ReleaseError:
            continue
        paths = {field: releases / name / file for field, file in _FILES.items()}
        if all(path.is_file() and sha256(path) == files.get(_FILES[field]) for field, path in paths.items()):
            arrays = {field: np.load(path, mmap_mode="r", allow_pickle=False) for field, path in paths.items()}
            return PopularList(name, arrays["items"], arrays["keys"], arrays["ids"], arrays["titles"])
    return None
