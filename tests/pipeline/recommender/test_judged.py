"""ndcg from scores is ndcg from lists."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.metrics import judge, ndcg
from pipeline.recommender.examples import Examples
from pipeline.recommender.judged import ndcg_of_order


def test_it_is_the_metric_of_the_lists_that_the_scores_make() -> None:
    random = np.random.default_rng(4)
    group = np.array([30, 5, 12], np.int32)
    scores = random.integers(0, 9, 47).astype(float)
    label = (random.random(47) < 0.3).astype(np.int8)
    lost = np.array([0, 2, 40])
    wanted = np.add.reduceat(label, [0, 30, 35]).astype(np.int64) + lost
    lists, truth, start = np.full((3, 10), -1), [], 0
    for at, size in enumerate(group):
        rows = np.arange(start, start + size)
        best = rows[np.lexsort((rows, -scores[rows]))][:10]
        lists[at, : len(best)] = best
        truth.append(np.r_[rows[label[rows] > 0], 1000 + np.arange(lost[at])])
        start += size
    found = ndcg_of_order(scores, Examples(np.empty((47, 0), np.float32), label, group), wanted, 10)
    assert found == pytest.approx(ndcg(judge(lists, truth), 10))


def test_who_wanted_nothing_has_zero() -> None:
    nobody = Examples(np.empty((2, 0), np.float32), np.zeros(2, np.int8), np.array([2], np.int32))
    assert ndcg_of_order(np.zeros(2), nobody, np.array([0])).tolist() == [0]
