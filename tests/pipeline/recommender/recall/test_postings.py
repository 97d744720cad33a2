import doctest

import numpy as np
from scipy import sparse

from pipeline.recommender.recall import postings
from pipeline.recommender.recall.postings import Postings, joined, strongest

ROWS = sparse.csr_array(np.array([[0.0, 3, 1, 2], [0, 0, 0, 0], [5, 5, 5, 0]]))


def lists(postings):
    edges = zip(postings.offsets[:-1], postings.offsets[1:], strict=True)
    return [dict(zip(postings.targets[a:b].tolist(), postings.weights[a:b].tolist(), strict=True)) for a, b in edges]


def test_the_strongest_stay_and_among_equals_the_first():
    assert lists(strongest(ROWS, 2)) == [{1: 3, 3: 2}, {}, {0: 5, 1: 5}]


def test_short_rows_stay_whole():
    assert lists(strongest(ROWS, 9)) == [{1: 3, 2: 1, 3: 2}, {}, {0: 5, 1: 5, 2: 5}]


def test_joined_lists_follow_each_other():
    parts = [strongest(ROWS[:1], 2), strongest(ROWS[1:], 2)]
    assert lists(joined(parts)) == lists(strongest(ROWS, 2))


def test_totals_are_the_product_with_the_matrix():
    random = np.random.default_rng(1)
    matrix = sparse.random_array((30, 20), density=0.2, rng=random).tocsr()
    rows, amounts = np.array([3, 3, 29, 0]), np.array([1.0, 0.5, 2.0, 4.0])
    totals = strongest(matrix, 20).totals(rows, amounts)
    assert np.allclose(totals, (amounts @ matrix[rows])[: len(totals)], rtol=1e-6)


def test_totals_of_no_rows_are_empty():
    assert strongest(ROWS, 2).totals(np.empty(0, np.int32), np.empty(0)).tolist() == []


def test_arrays_come_back_under_their_name():
    one = strongest(ROWS, 2)
    assert sorted(one.arrays("near")) == ["near_offsets", "near_targets", "near_weights"]
    assert lists(Postings.from_arrays("near", one.arrays("near"))) == lists(one)


def test_the_example_is_true():
    assert doctest.testmod(postings) == (0, 2)
