import numpy as np
import pytest

from pipeline.recommender.recall.interest import HABIT, Decay, lines, taste, tastes
from tests.pipeline.recommender.shop import NOW, history

TEN_DAYS = Decay(half_lives_days=(10.0,), shares=(1.0,))


def test_half_is_left_after_a_half_life():
    mixed = Decay(half_lives_days=(10.0, 20.0), shares=(0.6, 0.4))
    assert mixed.weights(np.array([0.0, 20.0])).tolist() == pytest.approx([1.0, 0.6 / 4 + 0.4 / 2])


def test_a_decay_lies_in_an_index_as_an_array_and_comes_back():
    mixed = Decay(half_lives_days=(10.0, 20.0), shares=(0.6, 0.4))
    assert Decay.from_array(mixed.array()) == mixed


def test_twice_in_one_basket_counts_once_and_twice_on_two_days_counts_twice():
    items, interest = taste(history((0, 5, 10), (0, 5, 10), (0, 8, 10), (0, 8, 20)), NOW, TEN_DAYS)
    assert items.tolist() == [5, 8]
    assert interest.tolist() == [0.5, 0.75]


def test_a_basket_counts_by_its_strongest_kind():
    events = history((0, 1, 0.5, "view"), (0, 1, 0.5, "purchase"), (0, 2, 0.5, "cart"), (0, 3, 0.5, "impression"))
    found = lines(events, NOW, Decay((np.inf,), (1.0,)))
    assert found.item.tolist() == [1, 2]
    assert found.weight.tolist() == [1.0, 0.5]


def test_the_same_item_at_the_same_time_by_two_users_is_two_lines():
    assert len(lines(history((0, 4, 1), (1, 4, 1), users=2), NOW, HABIT).item) == 2


def test_a_row_of_everybodys_tastes_is_the_users_taste():
    events = history((0, 1, 3), (2, 1, 5), (2, 0, 40), (2, 1, 60), users=3)
    matrix = tastes(events, 2, NOW, HABIT)
    for user in range(3):
        items, interest = taste(events.of(user), NOW, HABIT)
        row = matrix[[user]]
        assert row.indices.tolist() == items.tolist()
        assert row.data.tobytes() == interest.tobytes()
