"""What title and tags of an item say, as a short vector: items with alike texts point in alike directions.

TF-IDF over hashed words, their character trigrams and the names of the item's groups, reduced by a randomised SVD
(Halko, Martinsson and Tropp, SIAM Review 2011).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from feature_store.schema import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog

DIMENSIONS = 32
"""128 bytes an item; in the demo shop more of them change the order of similar items little."""
_BUCKETS = 1 << 15
"""A few times as many as the demo's distinct words, so that few share one."""
_FITTED_ITEMS = 4_000
"""Items that directions are learned from, spread evenly over the catalog; all are then projected."""
_OVERSAMPLING, _POWER_ITERATIONS = 10, 3
_NOISE = 1e-4
"""Directions that hold less than this part of the strongest are rounding."""
_WORD = re.compile(r"[^\W\d_]+")
"""Numbers in titles are sizes, by which a pound of butter would be like a pound of nails."""

_Part: TypeAlias = "tuple[sparse.csr_array, NDArray[np.integer]]"
"""Tokens of some texts (texts, buckets), and the text of each item (items,)."""


def text_vectors(catalog: Catalog) -> NDArray[np.float32]:
    """The vector of each item, shape (items, DIMENSIONS), of length 1, or 0 where the item has neither title nor tags.

    The same catalog gives the same vectors; between catalogs only angles can be compared.
    """
    if not len(catalog):
        return np.zeros((0, DIMENSIONS), np.float32)
    titles, of_item = np.unique(catalog.titles, return_inverse=True)
    parts: list[_Part] = [(_tokens_of_titles(titles), of_item)]
    parts += [(_tokens_of_tags(level, catalog.names[level]), catalog.groups[level]) for level in LEVELS]
    rarity = _rarity(parts, len(catalog))
    fitted = np.arange(0, len(catalog), max(1, len(catalog) // _FITTED_ITEMS))
    sample = sum(tokens[text_of_item[fitted]] for tokens, text_of_item in parts)
    directions = rarity[:, None] * _directions(_of_length_one(sample @ sparse.diags_array(rarity)))
    vectors = np.zeros((len(catalog), DIMENSIONS))
    for tokens, text_of_item in parts:
        vectors[:, : directions.shape[1]] += (tokens @ directions)[text_of_item]
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float64] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return found.astype(np.float32)


def _tokens_of_titles(titles: Iterable[str]) -> sparse.csr_array:
    """Each title's words and their trigrams, shape (titles, buckets)."""
    return _rows(_added(_word(word) for word in _WORD.findall(str(title).lower())) for title in titles)


def _tokens_of_tags(level: str, names: Iterable[str]) -> sparse.csr_array:
    """Each group's name as one token, shape (groups, buckets); a group without a name says nothing."""
    return _rows({_bucket(f"{level}={name}".lower()): 1.0} if name else {} for name in names)


@cache
def _word(word: str) -> Mapping[int, float]:
    """A word counts once as a whole, and its trigrams together as much."""
    padded = f"^{word}$"
    trigrams = Counter(_bucket(padded[at : at + 3]) for at in range(len(padded) - 2))
    share = 1 / np.sqrt(sum(count**2 for count in trigrams.values()))
    return _added([{_bucket(f"word={word}"): 1.0}, {bucket: count * share for bucket, count in trigrams.items()}])


def _bucket(token: str) -> int:
    return zlib.crc32(token.encode()) % _BUCKETS


def _added(bags: Iterable[Mapping[int, float]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for bag in bags:
        for bucket, weight in bag.items():
            total[bucket] = total.get(bucket, 0.0) + weight
    return total


def _rows(bags: Iterable[Mapping[int, float]]) -> sparse.csr_array:
    starts, buckets, weights = [0], [], []
    for bag in bags:
        buckets += list(bag)
        weights += list(bag.values())
        starts.append(len(buckets))
    shape = (len(starts) - 1, _BUCKETS)
    return sparse.csr_array((np.array(weights, float), np.array(buckets, np.int32), starts), shape=shape)


def _rarity(parts: Iterable[_Part], items: int) -> NDArray[np.float64]:
    """What a token's presence tells: the logarithm of how many times as many items there are as items with it,
    so that what every title holds tells nothing.
    """
    holding = np.zeros(_BUCKETS)
    for tokens, item in parts:
        times = np.bincount(item, minlength=tokens.shape[0])
        holding += np.bincount(tokens.indices, np.repeat(times, np.diff(tokens.indptr)), _BUCKETS)
    return np.log(np.maximum(items / np.maximum(holding, 1), 1))


def _of_length_one(rows: sparse.csr_array) -> sparse.csr_array:
    length = np.sqrt(rows.multiply(rows).sum(axis=1))
    return sparse.diags_array(1 / np.where(length > 0, length, 1)) @ rows


def _directions(rows: sparse.csr_array) -> NDArray[np.float64]:
    """The strongest directions of `rows` (n, buckets), shape (buckets, at most DIMENSIONS).

    Each is divided by the root of its strength: otherwise what most items share would hide what sets them apart.
    """
    wanted = min(DIMENSIONS + _OVERSAMPLING, *rows.shape)
    span = rows @ np.random.default_rng(0).standard_normal((rows.shape[1], wanted))
    for _ in range(_POWER_ITERATIONS):
        span = rows @ (rows.T @ np.linalg.qr(span)[0])
    _, strength, directions = np.linalg.svd((rows.T @ np.linalg.qr(span)[0]).T, full_matrices=False)
    real = strength > _NOISE * strength[0]
    found: NDArray[np.float64] = (directions[real] / np.sqrt(strength[real])[:, None])[:DIMENSIONS].T
    return found
