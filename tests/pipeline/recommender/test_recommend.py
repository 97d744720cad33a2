"""The only path from a user and a moment to a list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feature_store.catalog import build_catalog
from feature_store.history import empty_history
from feature_store.online.recent import default_values
from feature_store.registry import stored_features
from feature_store.schema import LEVELS
from pipeline.recommender.probability import ScoreTable
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.recommend import Request, history_of, offer, recommend
from tests.pipeline.recommender.releases import ByFeature, Offers, defaults, record, release, scene
from tests.pipeline.recommender.shop import DAY, NOW, catalog

CATALOG = catalog(["milk", "milk", "milk", "bread", "bread", "soap"])
SIDE = defaults(CATALOG)
ONE, TWO = Offers([4, 1, 3]), Offers([1, 0])
NOBODY = Asker(empty_history(), NOW)
ASK = Request("anna", NOW)


def offering(*items: int, **kwargs):
    """A release with one source that offers `items`, ranked by how often the user bought them."""
    rules = {key: kwargs.pop(key) for key in ("exclude_bought", "max_per_category", "explore") if key in kwargs}
    return release(SIDE, {"offers": Offers(items)}, {"home": scene({"offers": 9}, **rules)}, **kwargs)


def items(answer) -> list[int]:
    """Rows of the list; the id of an item of this shop is its row."""
    return [int(choice.item_id) for choice in answer.items]


class TestOffer:
    def test_answers_are_merged_one_row_an_item_ascending(self) -> None:
        found = offer({"one": ONE, "two": TWO}, scene({"one": 9, "two": 9}), NOBODY)
        assert found.items.tolist() == [0, 1, 3, 4]
        assert found.items.dtype == np.int32

    def test_each_score_stands_beside_its_item_nan_where_a_source_did_not_offer(self) -> None:
        found = offer({"one": ONE, "two": TWO}, scene({"one": 9, "two": 9}), NOBODY)
        assert np.array_equal(found.scores["one"], np.array([np.nan, 2, 1, 3], np.float32), equal_nan=True)
        assert np.array_equal(found.scores["two"], np.array([1, 2, np.nan, np.nan], np.float32), equal_nan=True)

    def test_no_source_offers_more_than_its_quota(self) -> None:
        assert offer({"one": ONE, "two": TWO}, scene({"one": 1, "two": 1}), NOBODY).items.tolist() == [1, 4]

    def test_a_scene_asks_only_the_sources_it_names(self) -> None:
        assert list(offer({"one": ONE, "two": TWO}, scene({"two": 9}), NOBODY).scores) == ["two"]

    def test_no_more_are_ranked_than_the_scene_says_and_those_keep_every_score(self) -> None:
        """Item 1 stands second and first; items 4 and 0 are offered once, item 4 higher."""
        found = offer({"one": ONE, "two": TWO}, scene({"one": 9, "two": 9}, most_ranked=2), NOBODY)
        assert found.items.tolist() == [1, 4]
        assert np.array_equal(found.scores["one"], np.array([2, 3], np.float32))
        assert np.array_equal(found.scores["two"], np.array([2, np.nan], np.float32), equal_nan=True)

    def test_a_scene_that_ranks_more_than_is_offered_ranks_all(self) -> None:
        everything = offer({"one": ONE, "two": TWO}, scene({"one": 9, "two": 9}), NOBODY)
        found = offer({"one": ONE, "two": TWO}, scene({"one": 9, "two": 9}, most_ranked=4), NOBODY)
        assert found.items.tolist() == everything.items.tolist()

    def test_without_offers_there_is_nothing(self) -> None:
        assert offer({"one": Offers([])}, scene({"one": 9}), NOBODY).items.tolist() == []
        assert offer({}, scene({}), NOBODY).items.tolist() == []
        assert offer({"one": Offers([])}, scene({"one": 9}, most_ranked=3), NOBODY).items.tolist() == []


class TestProbabilities:
    HALF = ScoreTable(np.array([0.0, 2.0]), np.array([0.0, 0.5]))

    def test_a_score_is_read_in_the_table_of_the_release(self) -> None:
        asked = replace(offering(0, 3), calibration=self.HALF)
        answer = recommend(ASK, asked, record(CATALOG, (3, 8)))
        assert [(choice.score, choice.probability) for choice in answer.items] == [(1, 0.25), (0, 0.0)]

    def test_without_a_table_nothing_is_said(self) -> None:
        assert {choice.probability for choice in recommend(ASK, offering(0, 3), None).items} == {None}

    def test_a_scene_of_other_worths_has_other_scores_of_which_it_says_nothing(self) -> None:
        scenes = {"home": scene({"offers": 9}), "cart": scene({"offers": 9}, worth={"click": 1.0})}
        asked = replace(release(SIDE, {"offers": Offers([0])}, scenes), calibration=self.HALF)
        (home,), (cart,) = (recommend(Request("anna", NOW, scene=name), asked, None).items for name in scenes)
        assert (home.probability, cart.probability) == (0.0, None)


class TestTheUser:
    def test_a_record_becomes_a_history_in_rows_of_the_release(self) -> None:
        past = history_of(record(CATALOG, (3, 5), (1, 2)), SIDE)
        assert past.item.tolist() == [3, 1]
        assert past.users == 1

    def test_events_with_items_that_the_release_does_not_hold_are_left_out(self) -> None:
        larger = catalog(["milk"] * 9)
        assert history_of(record(larger, (8, 5), (1, 2)), SIDE).item.tolist() == [1]

    def test_somebody_unknown_has_every_features_default(self) -> None:
        assert default_values().tolist() == [np.float32(feature.default) for feature in stored_features("user")]
        assert default_values().dtype == np.float32


class TestTheList:
    def test_what_the_ranker_likes_best_comes_first(self) -> None:
        answer = recommend(ASK, offering(0, 3, 5), record(CATALOG, (5, 9), (3, 8), (5, 2)))
        assert items(answer) == [5, 3, 0]
        assert [choice.score for choice in answer.items] == [2, 1, 0]
        assert answer.degrade_level == 0

    def test_an_item_comes_with_its_title_and_the_sources_that_proposed_it(self) -> None:
        asked = release(SIDE, {"one": ONE, "two": TWO}, {"home": scene({"one": 9, "two": 9})})
        sources = {int(choice.item_id): choice.sources for choice in recommend(ASK, asked, None).items}
        assert sources == {0: ("two",), 1: ("one", "two"), 3: ("one",), 4: ("one",)}
        assert all(choice.title == choice.item_id for choice in recommend(ASK, asked, None).items)

    def test_somebody_unknown_gets_a_list_too(self) -> None:
        assert items(recommend(ASK, offering(5, 3, 0), None)) == [0, 3, 5]

    def test_equal_scores_come_in_order_of_row_however_they_were_offered(self) -> None:
        for offered in ([5, 4, 3, 2], [2, 5, 3, 4]):
            assert items(recommend(ASK, offering(*offered), None)) == [2, 3, 4, 5]

    def test_it_is_as_long_as_asked(self) -> None:
        assert items(recommend(Request("anna", NOW, size=2), offering(5, 4, 3, 2), None)) == [2, 3]

    def test_the_same_question_has_the_same_answer(self) -> None:
        asked, anna = offering(0, 1, 2, 3, 4, 5), record(CATALOG, (5, 9), (3, 8), (5, 2))
        assert recommend(ASK, asked, anna) == recommend(ASK, asked, anna)

    def test_what_was_bought_never_appears_where_the_scene_says_so(self) -> None:
        assert items(recommend(ASK, offering(0, 1, 2, exclude_bought=True), record(CATALOG, (1, 3)))) == [0, 2]

    def test_a_category_takes_only_its_share(self) -> None:
        assert items(recommend(Request("a", NOW, 3), offering(0, 1, 2, 3, 5, max_per_category=1), None)) == [0, 3, 5]

    def test_what_happens_after_the_moment_of_asking_is_not_seen(self) -> None:
        anna, then = record(CATALOG, (0, 9), (3, 2), (3, 1)), Request("anna", NOW - 3 * DAY)
        assert items(recommend(then, offering(0, 3), anna)) == [0, 3]
        assert items(recommend(ASK, offering(0, 3), anna)) == [3, 0]

    def test_a_source_sees_the_same_history(self) -> None:
        class Bought(Offers):
            """Offers what the asker bought."""

            def candidates(self, asker, k):
                self.items = np.unique(asker.history.item)
                return super().candidates(asker, k)

        asked = release(SIDE, {"offers": Bought([])}, {"home": scene({"offers": 9})})
        anna, then = record(CATALOG, (0, 9), (3, 2), (3, 1)), Request("anna", NOW - 3 * DAY)
        assert items(recommend(then, asked, anna)) == [0]

    def test_the_ranker_sees_the_users_own_vector(self) -> None:
        names = [feature.name for feature in stored_features("user")]
        ranker = ByFeature()
        recommend(
            ASK,
            offering(0, ranker=ranker, features=names),
            record(CATALOG, values=np.arange(len(names), dtype=np.float32)),
        )
        assert ranker.seen.tolist() == [list(range(len(names)))]

    def test_a_scene_that_explores_draws_by_the_request_alone(self) -> None:
        asked = offering(0, 1, 2, 3, 4, 5, explore={"share": 0.5, "candidates": 6})
        requests = [Request("anna", NOW, request_id=f"r-{number}") for number in range(40)]
        answers = [recommend(request, asked, None) for request in requests]
        assert answers == [recommend(request, asked, None) for request in requests]
        best = [items(answer) == [0, 1, 2, 3, 4, 5] for answer in answers]
        assert 10 < sum(best) < 30
        for answer, certain in zip(answers, best, strict=True):
            assert answer.propensity.tolist() == [
                7 / 12 if at == item else 1 / 12 for at, item in enumerate(items(answer))
            ]
            assert certain == (answer.propensity > 0.5).all()

    def test_nobody_explores_without_a_request_or_a_scene_that_says_so(self) -> None:
        exploring = offering(5, 3, 0, explore={"share": 1, "candidates": 6})
        for asked, release_ in ((ASK, exploring), (Request("anna", NOW, request_id="r-1"), offering(5, 3, 0))):
            answer = recommend(asked, release_, None)
            assert (items(answer), answer.propensity) == ([0, 3, 5], None)

    def test_the_rankers_vectors_follow_what_is_shown(self) -> None:
        asked = offering(0, 1, 2, explore={"share": 1, "candidates": 3})
        anna = record(CATALOG, (0, 9), (1, 9), (1, 8))
        for number in range(6):
            answer = recommend(Request("anna", NOW, request_id=f"r-{number}"), asked, anna)
            assert answer.vectors[:, 0].tolist() == [(1, 2, 0)[item] for item in items(answer)]

    def test_nothing_to_offer_is_an_empty_list(self) -> None:
        assert recommend(ASK, offering(), None).items == ()

    def test_a_scene_that_the_release_does_not_have_is_an_error(self) -> None:
        with pytest.raises(KeyError, match="cart"):
            recommend(Request("anna", NOW, scene="cart"), offering(0), None)


@pytest.mark.parametrize("seed", range(20))
def test_excluded_items_never_appear(seed: int) -> None:
    random = np.random.default_rng(seed)
    ids = [f"item {number}" for number in range(30)]
    shop = build_catalog(ids, ids, {level: [f"group {n % 3}" for n in range(30)] for level in LEVELS})
    sources = {name: Offers(random.choice(30, 15, replace=False).tolist()) for name in ("one", "two")}
    asked = release(defaults(shop), sources, {"home": scene({"one": 15, "two": 15}, max_per_category=4)})
    unwanted = random.choice(ids, 10, replace=False).tolist()
    answer = recommend(Request("anna", NOW, 30, exclude=(*unwanted, "unknown")), asked, None)
    chosen = [choice.item_id for choice in answer.items]
    offered = {ids for source in sources.values() for ids in shop.ids[source.items].tolist()}
    assert set(chosen) == offered - set(unwanted)
    assert len(chosen) == len(set(chosen))
