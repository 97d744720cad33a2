"""Lists out of an impression log: who saw what where, what came of it, and what was known when it was shown."""

from __future__ import annotations

import numpy as np

from feature_store.schema import EVENT_KINDS
from pipeline.recommender.shown import came_of, lists_shown, make_shown_examples
from tests.pipeline.recommender.releases import Offers, defaults, scene
from tests.pipeline.recommender.shop import DAY, NOW, catalog, history

CATALOG = catalog(["milk", "bread"] * 5)
HOUR = 3600


def lists(*impressions: tuple[int, int, int, int, int]):
    """Impressions as (request, user, position, item, seconds after NOW)."""
    request, user, place, item, after = (np.array(column) for column in zip(*impressions, strict=True))
    return lists_shown(
        user.astype(np.int64), item.astype(np.int32), NOW + after, place.astype(np.float32), request.astype(np.int64)
    )


class TestLists:
    def test_a_list_is_what_one_user_saw_of_one_request_by_place(self) -> None:
        found = lists((2, 0, 1, 7, 90), (1, 0, 2, 5, 11), (1, 0, 1, 4, 10), (1, 1, 1, 4, 12))
        assert found.group.tolist() == [2, 1, 1]
        assert found.user.tolist() == [0, 1, 0]
        assert found.item.tolist() == [4, 5, 4, 7]
        assert found.position.tolist() == [1, 2, 1, 1]
        assert (found.asked_at - NOW).tolist() == [10, 12, 90]

    def test_who_or_what_is_unknown_is_left_out(self) -> None:
        assert lists((1, -1, 1, 4, 0), (1, 0, 1, -1, 0), (1, 0, 2, 3, 0)).item.tolist() == [3]

    def test_an_item_shown_twice_counts_where_it_stood_first(self) -> None:
        assert lists((1, 0, 5, 4, 0), (1, 0, 2, 4, 0)).position.tolist() == [2]


class TestOutcome:
    def test_what_happens_to_the_shown_item_soon_after_counts_with_its_money(self) -> None:
        seen = lists((1, 0, 1, 4, 0), (1, 0, 2, 5, 0), (1, 0, 3, 6, 0), (2, 1, 1, 4, 0))
        happened = history(
            (0, 4, -0.1), (0, 4, -0.2), (0, 5, -2.0), (0, 6, 0.1), (1, 7, -0.1), users=2
        )  # days ago: later is negative
        count, money = came_of(seen, happened, 24 * HOUR)
        assert count.tolist() == [2, 0, 0, 0]
        assert money.tolist() == [2, 0, 0, 0]

    def test_nothing_comes_of_nothing(self) -> None:
        count, money = came_of(lists((1, 0, 1, 4, 0)), history(users=1), HOUR)
        assert (count.tolist(), money.tolist()) == ([0], [0])


def examples(seen, past, users: int, **over):
    named = {
        "history": past,
        "bounds": dict.fromkeys(EVENT_KINDS, 99),
        "user_values": np.zeros((users, 99), np.float32),
        "item_side": defaults(CATALOG),
        "recall": {"offers": Offers([4, 6])},
        "scene": scene({"offers": 9}),
        "scene_name": "home",
        "scenes": ("home",),
        "timezone": "UTC",
        "features": ("user_item_basket_count", "user_item_days_since_last"),
    }
    label = (np.arange(len(seen.item)) == 0).astype(np.int8)
    return make_shown_examples(seen, {"click": label.astype(np.float32)}, label, **{**named, **over})


class TestExamples:
    def test_each_list_knows_what_was_before_it_and_nothing_after(self) -> None:
        """User 0 buys item 4 between the two lists."""
        seen = lists((1, 0, 1, 4, 0), (1, 0, 2, 5, 0), (2, 0, 1, 4, 2 * DAY), (2, 0, 2, 5, 2 * DAY))
        found = examples(seen, history((0, 5, 3), (0, 4, -1), users=1), 1)
        assert found.group.tolist() == [2, 2]
        assert found.matrix[:, 0].tolist() == [0, 1, 1, 1]
        assert found.matrix[1:, 1].tolist() == [3, 1, 5]
        assert found.position.tolist() == [1, 2, 1, 2]
        assert (found.label.tolist(), found.targets["click"].tolist()) == ([1, 0, 0, 0], [1, 0, 0, 0])

    def test_many_lists_are_described_as_if_each_were_alone(self) -> None:
        random = np.random.default_rng(2)
        seen = lists(
            *((r, r % 3, p, int(i), r * HOUR) for r in range(1100) for p, i in enumerate(random.choice(10, 2, False)))
        )
        past = history(
            *((u, int(random.integers(10)), float(random.random() * 60 - 40)) for u in (0, 1, 2) * 40), users=3
        )
        whole = examples(seen, past, 3)
        for at in (0, 499, 500, 1099):
            alone = examples(seen.take(np.array([at])), past, 3)
            assert alone.matrix.tobytes() == whole.matrix[2 * at : 2 * at + 2].tobytes()
