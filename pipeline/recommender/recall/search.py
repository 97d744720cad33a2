"""The nearest of many vectors: what every source that works with embeddings asks.

By default NumPy looks at all of them. With Faiss (extra `faiss`) a graph or inverted lists look at a part, in
catalogues above a size: Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020; H. Jégou, M. Douze, C. Schmid, "Product
quantization for nearest neighbor search", IEEE TPAMI 33(1), 2011. Whoever found an item, its score is computed here, so
that it is the same.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from pipeline.recommender.recall.source import Candidates, best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class SearchConfig:
    """Who searches."""

    engine: Literal["numpy", "faiss"] = "numpy"
    approximate_above: int = 100_000
    """Vectors up to which Faiss looks at all of them as well."""
    method: Literal["hnsw", "ivf"] = "hnsw"
    """Above that: a graph, which is quicker to ask, or inverted lists, which are quicker to build."""
    links: int = 32
    """Of a vector in the graph."""
    effort: int = 256
    """How many candidates the graph keeps while it searches, but never fewer than are asked for.
    Of 100 among 100 thousand clustered vectors of 64 it found 0.955, 128 found 0.894 and 512 0.989."""
    probes: float = 0.3
    """Share of the inverted lists that are looked at: found 0.963 of the same, 0.1 found 0.858 and 0.5 0.988."""


NUMPY = SearchConfig()


@dataclass(frozen=True)
class VectorIndex:
    """Items with vectors.

    rows: (n,) int32, ascending, rows of the catalog; vectors: (n, dimensions) float32
    offered: (n,) bool, which may be found; effort: (2,) float64, as in `SearchConfig`
    graph: what Faiss made of the offered vectors, as bytes; empty where NumPy searches
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]
    offered: NDArray[np.bool_]
    effort: NDArray[np.float64]
    graph: NDArray[np.uint8]

    def profile(self, items: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """The weighted sum of the vectors of `items`, of length 1; 0 where none has a vector. Shape (dimensions,)."""
        at, known = self.places(items)
        total = np.add.reduce(weights[known, None].astype(np.float32) * self.vectors[at], axis=0)
        length = np.sqrt(np.add.reduce(total * total))
        return np.asarray(total / length if length > 0 else total, np.float32)

    def places(self, items: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where the vectors of those of `items` lie that have one, and which these are."""
        if not len(self.rows):
            return np.empty(0, np.intp), np.zeros(len(items), bool)
        at = np.minimum(np.searchsorted(self.rows, items), len(self.rows) - 1)
        known = self.rows[at] == items
        return at[known], known

    def nearest(self, query: NDArray[np.float32], k: int) -> Candidates:
        """The `k` offered items whose vectors have the largest product with `query`, above 0."""
        if self._made is not None:
            near = self._asked(query, k)
            return best(self.rows[near], _products(self.vectors[near], query), k)
        return best(self.rows, np.where(self.offered, _products(self.vectors, query), 0), k)

    def _asked(self, query: NDArray[np.float32], k: int) -> NDArray[np.intp]:
        _, found = self._made.search(query[None, :], min(k, self._made.ntotal), **self._searching(k))
        return np.asarray(np.flatnonzero(self.offered)[found[0][found[0] >= 0]], np.intp)

    def _searching(self, k: int) -> dict[str, Any]:
        faiss = _faiss()
        if isinstance(self._made, faiss.IndexHNSW):
            return {"params": faiss.SearchParametersHNSW(efSearch=max(int(self.effort[0]), k))}
        if isinstance(self._made, faiss.IndexIVF):
            probes = max(1, round(self._made.nlist * float(self.effort[1])))
            return {"params": faiss.SearchParametersIVF(nprobe=probes)}
        return {}

    @cached_property
    def _made(self) -> Any:  # noqa: ANN401 - as `_faiss()`
        """The index that Faiss made; None where there is none, or Faiss is not installed: then NumPy searches."""
        if not len(self.graph) or importlib.util.find_spec("faiss") is None:
            return None
        return _faiss().deserialize_index(np.ascontiguousarray(self.graph))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The index, under the names of its parts."""
        return {
            "rows": self.rows,
            "vectors": self.vectors,
            "offered": self.offered,
            "effort": self.effort,
            "graph": self.graph,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls(
            np.asarray(arrays["rows"], np.int32),
            np.asarray(arrays["vectors"], np.float32),
            np.asarray(arrays["offered"], bool),
            np.asarray(arrays["effort"], np.float64),
            np.asarray(arrays["graph"], np.uint8),
        )


def vector_index(
    rows: NDArray[np.integer], vectors: NDArray[np.floating], available: NDArray[np.bool_], config: SearchConfig
) -> VectorIndex:
    """An index of the items `rows` (n,), ascending, with their `vectors` (n, dimensions).

    available: (items,) of the whole catalog

    Raises:
        ModuleNotFoundError: the configuration names Faiss, which is not installed (`pip install 'vitrine[faiss]'`).
    """
    kept = np.ascontiguousarray(vectors, np.float32)
    offered = np.asarray(available[rows], bool)
    graph = _graph(kept[offered], config) if config.engine == "faiss" else np.empty(0, np.uint8)
    effort = np.array([config.effort, config.probes])
    return VectorIndex(rows.astype(np.int32), kept, offered, effort, graph)


def _products(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """The product of each of `vectors` (n, dimensions) with `query`, each added by itself and by one thread.

    BLAS would round by their number, and wake threads that cost more than they bring: 30 thousand vectors of 64 took
    2.1 ms of CPU against 0.9.
    """
    return np.asarray(np.einsum("nd,d->n", vectors, query), np.float32)


def _faiss() -> Any:  # noqa: ANN401 - its stubs lack half of it
    """The package, imported only where it is asked for: it is an extra."""
    return importlib.import_module("faiss")


def _graph(vectors: NDArray[np.float32], config: SearchConfig) -> NDArray[np.uint8]:
    """What Faiss makes of `vectors`, by one thread: several would make another graph each time."""
    faiss = _faiss()
    if len(vectors) <= config.approximate_above:
        kind = "Flat"
    elif config.method == "hnsw":
        kind = f"HNSW{config.links},Flat"
    else:
        kind = f"IVF{max(1, int(np.sqrt(len(vectors))))},Flat"
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
        graph: NDArray[np.uint8] = faiss.serialize_index(index)
    finally:
        faiss.omp_set_num_threads(threads)
    return graph
