"""One search, by NumPy or by Faiss: what is found is scored alike, and an approximate search finds nearly as much."""

import numpy as np
import pytest

from pipeline.recommender.recall import search
from pipeline.recommender.recall.search import SearchConfig, VectorIndex, vector_index

ITEMS, DIMENSIONS, K = 4000, 16, 20
APPROXIMATE = {"hnsw": {"method": "hnsw"}, "ivf": {"method": "ivf", "probes": 0.4}}


@pytest.fixture(scope="module")
def vectors():
    """Directions around a few hundred centres, as those of items around their kinds."""
    random = np.random.default_rng(3)
    found = random.normal(size=(200, DIMENSIONS))[random.integers(200, size=ITEMS)]
    found = found + 0.4 * random.normal(size=(ITEMS, DIMENSIONS))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(4).normal(size=(40, DIMENSIONS)).astype(np.float32)


def index(vectors, **config):
    available = np.arange(3 * len(vectors)) % 5 > 0
    return vector_index(np.arange(len(vectors)) * 3, vectors, available, SearchConfig(**config))


def test_the_exact_search_is_the_sorted_product(vectors, queries):
    exact = index(vectors)
    for query in queries[:5]:
        found = exact.nearest(query, K)
        product = np.where(exact.offered, vectors @ query, -1)
        assert set((found.items // 3).tolist()) == set(np.argsort(-product)[:K].tolist())
        assert np.allclose(found.scores, np.sort(product)[::-1][:K], atol=1e-5)


def test_faiss_on_a_small_catalogue_finds_the_same(vectors, queries):
    exact, faiss = index(vectors), index(vectors, engine="faiss")
    for query in queries:
        one, other = exact.nearest(query, K), faiss.nearest(query, K)
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tobytes() == other.scores.tobytes()


@pytest.mark.parametrize("method", APPROXIMATE)
def test_above_the_size_faiss_finds_nearly_all_and_scores_them_alike(vectors, queries, method):
    exact = index(vectors)
    faiss = index(vectors, engine="faiss", approximate_above=1000, **APPROXIMATE[method])
    shared = 0
    for query in queries:
        one, other = exact.nearest(query, K), faiss.nearest(query, K)
        common, of_one, of_other = np.intersect1d(one.items, other.items, return_indices=True)
        assert one.scores[of_one].tobytes() == other.scores[of_other].tobytes()
        assert len(other.items) == K
        shared += len(common)
    assert shared / (K * len(queries)) > 0.95


def test_saved_bytes_search_alike_and_two_fits_give_the_same(vectors, queries):
    made, again = (index(vectors[:1500], engine="faiss", approximate_above=1000) for _ in range(2))
    assert made.graph.tobytes() == again.graph.tobytes()
    loaded = VectorIndex.from_arrays(made.arrays())
    assert loaded.nearest(queries[0], K).items.tolist() == made.nearest(queries[0], K).items.tolist()


def test_without_the_package_numpy_searches(vectors, queries, monkeypatch):
    made = index(vectors, engine="faiss", approximate_above=1000)
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda _: None)
    assert made.nearest(queries[0], K).items.tolist() == index(vectors).nearest(queries[0], K).items.tolist()


def test_equal_vectors_come_in_the_order_of_rows():
    same = np.ones((50, 4), np.float32)
    assert index(same).nearest(np.ones(4, np.float32), 7).items.tolist() == [3, 6, 9, 12, 18, 21, 24]


def test_a_profile_is_of_known_items_only(vectors):
    made = index(vectors)
    assert np.allclose(made.profile(np.array([1, 3]), np.array([5.0, 2.0])), vectors[1], atol=1e-6)
    assert not made.profile(np.array([1]), np.array([5.0])).any()
