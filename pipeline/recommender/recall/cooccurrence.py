"""Which things go together: products of sparse matrices in bounded memory, cut to each row's best as they are made."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.recommender.recall.postings import Postings, joined, strongest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scipy import sparse

    Weigh = Callable[[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
    """(row, column, product), each (n,) -> the weight of each pair (n,); what is not above 0 is left out."""


def best_pairs(
    by_item: sparse.csr_array, by_user: sparse.csr_array, keep: int, products: int, weigh: Weigh | None = None
) -> Postings:
    """Of every row of `by_item @ by_user` the `keep` columns of largest weight, without the diagonal.

    by_item: (items, users); by_user: (users, items)
    products: multiplications whose results are held at once, 12 bytes each at most; one row is never split, and takes
    at most a value for each item
    """
    blocks = _blocks(by_item, by_user, products)
    return joined([strongest(_weighed(by_item[rows] @ by_user, rows.start, weigh), keep) for rows in blocks])


def _weighed(block: sparse.csr_array, first_row: int, weigh: Weigh | None) -> sparse.csr_array:
    """`block`, whose rows begin with row `first_row` of the whole, without each row's likeness to itself."""
    row = np.repeat(np.arange(first_row, first_row + block.shape[0]), np.diff(block.indptr))
    if weigh is not None:
        block.data = weigh(row, block.indices, block.data)
    block.data[(block.indices == row) | (block.data <= 0)] = 0
    block.eliminate_zeros()
    return block


def _blocks(by_item: sparse.csr_array, by_user: sparse.csr_array, products: int) -> Iterator[slice]:
    """Runs of rows whose products together are about `products`."""
    sizes = np.diff(by_user.indptr)[by_item.indices]
    done = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[by_item.indptr[1:]]
    edges = np.flatnonzero(np.diff(done // products)) + 1
    for start, stop in pairwise([0, *edges.tolist(), by_item.shape[0]]):
        yield slice(start, stop)
