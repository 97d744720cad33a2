"""Items that share tags with what the user likes, by an inverted index: tag -> items.

Tags are the words of the title and the names of the groups. A tag counts by its rarity, as a word does in
K. Spärck Jones, "A statistical interpretation of term specificity", Journal of Documentation 28(1), 1972.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from feature_store.schema import LEVELS
from pipeline.recommender.recall.interest import HABIT, LATELY, Decay, taste
from pipeline.recommender.recall.popular import popularity
from pipeline.recommender.recall.postings import Postings, strongest
from pipeline.recommender.recall.source import Asker, Candidates, RecallSource, best_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.history import History

_WORD = re.compile(r"[^\W\d_]{2,}")
"""Numbers and single letters are sizes and units."""


@dataclass(frozen=True)
class TagConfig:
    """Which tags are favourites, and which of their items are offered."""

    decay: Decay = HABIT
    """Of the asker's interest in a tag."""
    popularity: Decay = LATELY
    """Of an item's sales among those with the tag."""
    tags_per_user: int = 100
    items_per_tag: int = 100


@dataclass(frozen=True)
class Tag(RecallSource):
    """Popular items of the asker's tags.

    tags: item -> tags, with their rarity, each item's adding up to 1
    items: tag -> items, with their share of the users of the tag's items
    decay: (2, half-lives), as `Decay.array`; tags_per_user: (1,) int64
    """

    name: ClassVar[str] = "tag"
    config: ClassVar[type[TagConfig]] = TagConfig
    tags: Postings
    items: Postings
    decay: NDArray[np.float64]
    tags_per_user: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        history: History,
        catalog: Catalog,
        as_of: int,
        config: TagConfig = TagConfig(),
    ) -> Self:
        held = tags_of_items(catalog)
        users = popularity(history, len(catalog), as_of, config.popularity) * catalog.available
        return cls(
            _by_rarity(held),
            _by_share(held, users, config.items_per_tag),
            config.decay.array(),
            np.array([config.tags_per_user], np.int64),
        )

    def candidates(self, asker: Asker, k: int) -> Candidates:
        """Popular items of the asker's favourite tags, none without history."""
        items, interest = taste(asker.history, asker.asked_at, Decay.from_array(self.decay))
        favourites = best_rows(self.tags.totals(items, interest), int(self.tags_per_user[0]))
        return best_rows(self.items.totals(favourites.items, favourites.scores), k)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            **self.tags.arrays("tags"),
            **self.items.arrays("items"),
            "decay": self.decay,
            "tags_per_user": self.tags_per_user,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            Postings.from_arrays("tags", arrays),
            Postings.from_arrays("items", arrays),
            np.asarray(arrays["decay"], np.float64),
            np.asarray(arrays["tags_per_user"], np.int64),
        )


def tags_of_items(catalog: Catalog) -> sparse.csr_array:
    """Which item has which tag, shape (items, tags) of ones; tags are numbered in the order in which they occur."""
    number: dict[str, int] = {}
    titles, item_of_title = np.unique(catalog.titles, return_inverse=True)
    words = [sorted(set(_WORD.findall(str(title).lower()))) for title in titles]
    of_texts: list[tuple[list[list[str]], NDArray[np.integer]]] = [(words, item_of_title)]
    for level in LEVELS:
        names = [[f"{level}={name}".lower()] if name else [] for name in catalog.names[level]]
        of_texts.append((names, catalog.groups[level]))
    items, tags = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for texts, text_of_item in of_texts:
        starts, of_text = [0], []
        for text in texts:
            of_text += [number.setdefault(tag, len(number)) for tag in text]
            starts.append(len(of_text))
        lists = sparse.csr_array((np.ones(len(of_text)), of_text, starts), shape=(len(texts), len(number)))
        item, tag = lists[text_of_item].nonzero()
        items.append(item)
        tags.append(tag)
    item, tag = np.concatenate(items), np.concatenate(tags)
    held: sparse.csr_array = sparse.coo_array(
        (np.ones(len(item)), (item, tag)), shape=(len(catalog), len(number))
    ).tocsr()
    held.sort_indices()
    return held


def _by_rarity(held: sparse.csr_array) -> Postings:
    """Each item's tags with the logarithm of how rare they are, adding up to 1; what every item has tells nothing."""
    rarity = np.log(held.shape[0] / np.maximum(np.bincount(held.indices, minlength=held.shape[1]), 1))
    item = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    weights = rarity[held.indices]
    total = np.bincount(item, weights=weights, minlength=held.shape[0])[item]
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return Postings(held.indptr.astype(np.int64), held.indices.astype(np.int32), shares.astype(np.float32))


def _by_share(held: sparse.csr_array, users: NDArray[np.float64], items_per_tag: int) -> Postings:
    """The most wanted items of each tag, with their share of the users (items,) of all its items."""
    wanted = held.copy()
    wanted.data = np.repeat(users, np.diff(held.indptr))
    wanted.eliminate_zeros()
    by_tag = wanted.T.tocsr()
    by_tag.sort_indices()
    tag = np.repeat(np.arange(by_tag.shape[0]), np.diff(by_tag.indptr))
    total = np.bincount(tag, weights=by_tag.data, minlength=by_tag.shape[0])
    by_tag.data = by_tag.data / total[tag]
    return strongest(by_tag, items_per_tag)
