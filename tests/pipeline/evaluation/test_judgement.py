import numpy as np
import pytest

from feature_store.catalog import build_catalog
from feature_store.history import build_history
from pipeline.evaluation.judgement import Truth, judgement

DAY = 86_400
AS_OF = 100 * DAY
CATALOG = build_catalog(
    [str(n) for n in range(6)],
    [f"item {n}" for n in range(6)],
    {level: list("aabbcc") for level in ("category", "subcategory", "brand")},
)


def rows(*names):
    return CATALOG.rows_of_ids([str(name) for name in names])


def report(lists, items=((0, 1), (5,)), money=((3.0, 1.0), (6.0,)), bought=((0, 0, 1), (1, 2, 1)), aucs=None):
    """`bought`: (user, item, day) before; users 0 and 1 are judged. aucs: model -> each user's own"""
    user, item, day = (np.array(column) for column in zip(*bought, strict=True))
    history = build_history(
        user,
        rows(*item),
        day * DAY,
        np.zeros(len(user), int),
        np.ones(len(user)),
        np.ones(len(user)),
        users=2,
    )
    truth = Truth(
        [rows(*each) for each in items],
        [np.array(each) for each in money],
        np.array([1, 50]),
        {"segment": np.array(["a", "b"])},
    )
    named = {name: np.array([rows(*each) for each in chosen]) for name, chosen in lists.items()}
    own = {model: np.array(each, float) for model, each in (aucs or {}).items()}
    return judgement(named, truth, CATALOG, history, own, as_of=AS_OF, seed=0)


def test_every_model_is_judged_by_the_same_metrics():
    found = report({"release": [(0, 2), (3, 4)], "popular": [(2, 3), (5, 4)]})
    assert found["models"]["release"]["recall@20"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["models"]["popular"]["recall@20"] == pytest.approx((0 + 1) / 2)
    assert found["models"]["release"].keys() == found["models"]["popular"].keys()


def test_money_weighs_what_was_found():
    """The release finds item 0 (3 of 10 spent), the baseline item 5 (6 of 10)."""
    found = report({"release": [(0, 2), (3, 4)], "popular": [(2, 3), (5, 4)]})
    assert found["models"]["release"]["gmv_recall@20"] == pytest.approx(0.3)
    assert found["models"]["popular"]["gmv_recall@20"] == pytest.approx(0.6)
    assert found["models"]["popular"]["gmv_ndcg@20"] == pytest.approx(0.6)


def test_differences_are_to_the_champion_and_to_the_best_baseline():
    found = report(
        {"release": [(0, 2), (3, 4)], "champion": [(0, 2), (3, 4)], "a": [(2, 3), (4, 3)], "b": [(0, 1), (5, 4)]}
    )
    assert found["best_baseline"] == "b"
    assert found["differences"]["champion"]["ndcg@20"] == [0, 0, 0]
    value, low, high = found["differences"]["best_baseline"]["ndcg@20"]
    assert value < 0
    assert low <= value <= high


def test_without_rivals_there_are_no_differences():
    found = report({"release": [(0, 2), (3, 4)]})
    assert found["differences"] == {}
    assert found["best_baseline"] is None


def test_users_with_few_baskets_are_told_apart():
    groups = report({"release": [(0, 1), (3, 4)]})["groups"]
    assert groups["1 to 9 baskets before"] == {"users": 1, "ndcg@20": pytest.approx(1.0), "recall@20": 1.0}
    assert groups["40 baskets before and more"]["recall@20"] == 0


def test_money_has_its_interval_too():
    """Who paid 6 found all of it, who paid 4 nothing: drawn twice each may be everything."""
    found = report({"release": [(2, 3), (5, 4)], "popular": [(2, 3), (4, 3)]})
    assert found["intervals"]["gmv_recall@20"] == [0.6, 0, 1]
    assert found["differences"]["best_baseline"]["gmv_ndcg@20"] == [0.6, 0, 1]


def test_auc_is_told_of_each_group_of_users_that_has_one():
    lists, aucs = {"release": [(0, 1), (3, 4)], "champion": [(0, 1), (3, 4)]}, {"release": [0.75, np.nan]}
    found = report(lists, aucs=aucs | {"champion": [0.5, np.nan]})
    assert found["models"]["release"]["gauc"] == 0.75
    assert found["intervals"]["gauc"] == [0.75, 0.75, 0.75]
    assert found["differences"]["champion"]["gauc"] == [0.25, 0.25, 0.25]
    assert found["groups"]["1 to 9 baskets before"]["gauc"] == found["segments"]["segment"]["a"]["gauc"] == 0.75
    assert "gauc" not in found["groups"]["40 baskets before and more"]
    assert "gauc" not in found["segments"]["segment"]["b"]
    assert "gauc" not in report(lists, aucs={"release": [np.nan, np.nan]})["models"]["release"]


def test_items_that_were_new_are_judged_apart():
    """Of what was wanted items 1 and 5 were never sold before; each user wants one of them, one is found."""
    found = report({"release": [(0, 1), (3, 4)]})["groups"]["items first sold within 28 days"]
    assert found == {"users": 2, "share_of_wanted": pytest.approx(2 / 3), "recall@20": 0.5}
