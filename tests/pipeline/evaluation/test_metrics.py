import doctest

import numpy as np
import pytest

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import average_precision, hit, judge, means, mrr, ndcg, recall

LISTS = np.array([[4, 9, 7, 2], [1, 2, 3, -1], [5, -1, -1, -1]], np.int32)
TRUTH = [np.array([9, 2, 50]), np.array([8]), np.array([5])]
JUDGED = judge(LISTS, TRUTH)


def test_recall_is_the_share_of_what_was_wanted():
    assert recall(JUDGED, 2).tolist() == pytest.approx([1 / 3, 0, 1])
    assert recall(JUDGED, 4).tolist() == pytest.approx([2 / 3, 0, 1])


def test_hit_needs_one():
    assert hit(JUDGED, 1).tolist() == [0, 0, 1]
    assert hit(JUDGED, 2).tolist() == [1, 0, 1]


def test_mrr_is_one_over_the_first_place():
    assert mrr(JUDGED).tolist() == [0.5, 0, 1]


def test_ndcg_counts_early_places_more():
    """Hits at places 2 and 4 of a list of 4, three wanted: (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/log2 4)."""
    expected = (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 0.5)
    assert ndcg(JUDGED, 4).tolist() == pytest.approx([expected, 0, 1])


def test_average_precision_is_the_precision_at_every_hit():
    """Hits at places 2 and 4, three wanted: (1/2 + 2/4) / 3."""
    assert average_precision(JUDGED, 4).tolist() == pytest.approx([1 / 3, 0, 1])


def test_the_ideal_list_is_no_longer_than_k():
    """Five wanted, two places, both hits: perfect."""
    assert ndcg(judge(np.array([[1, 2]]), [np.arange(1, 6)]), 2).tolist() == pytest.approx([1])


def test_a_list_shorter_than_k_is_judged_as_it_is():
    assert ndcg(JUDGED, 20)[2] == 1
    assert recall(JUDGED, 20)[0] == pytest.approx(2 / 3)


def test_what_no_list_can_hold_still_counts_as_wanted():
    assert recall(judge(np.array([[3, -1]]), [np.array([3, -2, -3])]), 2).tolist() == pytest.approx([1 / 3])


def test_padding_is_never_a_hit():
    assert hit(judge(np.array([[-1, -1]]), [np.array([-1])]), 2).tolist() == [0]


def test_wanted_twice_counts_once():
    assert recall(judge(np.array([[3]]), [np.array([3, 3])]), 1).tolist() == [1]


def test_a_user_has_the_same_value_alone_as_beside_others():
    for user in range(3):
        alone = judge(LISTS[[user]], TRUTH[user : user + 1])
        assert ndcg(alone, 4).tobytes() == ndcg(JUDGED, 4)[[user]].tobytes()


def test_means_are_named_by_metric_and_size():
    found = means(JUDGED, sizes=[1, 4])
    assert list(found) == [f"{name}@{k}" for k in (1, 4) for name in ("recall", "ndcg", "hit", "map")] + ["mrr"]
    assert found["hit@1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("truth", [[np.array([1])], [np.array([1]), np.array([], int), np.array([2])]])
def test_no_truth_is_an_error(truth):
    with pytest.raises(ValueError, match="non-empty truth for each of 3 lists"):
        judge(LISTS, truth)


def test_the_example_is_true():
    assert doctest.testmod(metrics) == (0, 2)
