"""What stands first is clicked more: a ranker that is told the position does not take that for liking."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from pipeline.audits.leaks import separation
from pipeline.demo.storefront_truth import Truth
from pipeline.demo.storefront_visits import visits_of
from pipeline.recommender.examples import Examples
from pipeline.recommender.ranker.choices import LightGBMChoices, TrainingChoices
from pipeline.recommender.ranker.lightgbm import LightGBM
from pipeline.recommender.ranker.position import POSITION, SCORED_AT, scoring_columns, training_columns

FEATURES = ("wanted", "often")
TRAINING = TrainingChoices(lightgbm=LightGBMChoices(trees=40, leaves=8, min_rows_per_leaf=40))


def some(position) -> Examples:
    return Examples(np.ones((3, 2), np.float32), np.zeros(3, np.int8), np.array([3], np.int32), {}, position)


def test_the_position_is_the_last_column_where_it_is_known() -> None:
    matrix, names = training_columns(some(np.array([1, 2, np.nan], np.float32)), FEATURES)
    assert names == [*FEATURES, POSITION]
    assert matrix[:2, 2].tolist() == [1, 2]
    assert training_columns(some(None), FEATURES)[1] == list(FEATURES)


def test_every_row_is_scored_as_if_it_stood_first() -> None:
    assert scoring_columns(np.zeros((2, 2), np.float32), 3)[:, 2].tolist() == [SCORED_AT] * 2
    assert scoring_columns(np.zeros((2, 2), np.float32), 2).shape == (2, 2)


class Shop:
    """Assortment enough for visits: 200 items, a basket of three for each of many households a day."""

    def __init__(self, households: int, days: int) -> None:
        from pipeline.demo.storefront_baskets import Basket

        random = np.random.default_rng(3)
        self.skus = [f"{number:03}" for number in range(200)]
        self.prices = dict.fromkeys(self.skus, 1.0)
        self.categories = dict.fromkeys(self.skus, "all")
        self.by_day = {}
        for day in range(days):
            date = dt.date(2017, 1, 2) + dt.timedelta(days=day)
            time = dt.datetime.combine(date, dt.time(12))
            self.by_day[date] = [
                Basket(f"{day}-{h}", f"{h}", time, {str(s): (1, 1.0) for s in random.choice(self.skus, 3, False)}, 0.0)
                for h in range(households)
            ]


def lists_of_the_storefront(truth: Truth):
    """(items, positions, clicked, wanted, often) of every list that the simulated storefront showed."""
    shop = Shop(households=60, days=12)
    rank = {sku: at for at, sku in enumerate(shop.skus)}
    for day in shop.by_day:
        for visit in visits_of(day, shop, truth):
            shown = [hit for hit in visit.hits if hit.kind == "impression"]
            clicked = {hit.text for hit in visit.hits if hit.kind == "click"}
            lines = visit.basket.lines if visit.basket else {}
            if shown:
                yield [
                    (hit.position, hit.text in clicked, hit.text in lines, 1 - rank[hit.text] / 200) for hit in shown
                ]


@pytest.fixture(scope="module")
def log() -> tuple[Examples, np.ndarray]:
    """Clicks of the storefront's visits where a policy like many is in use: what is bought often stands further up.
    That is had by taking, of lists in random order, those in which it happens to. With it, what was looked at is
    clicked with which chance.
    """
    truth = Truth(seed=7, attention_decay=0.6, bots_per_day=0)
    rows, group, chance = [], [], []
    for shown in lists_of_the_storefront(truth):
        often = np.array([row[3] for row in shown])
        if np.corrcoef(often, [row[0] for row in shown])[0, 1] < -0.25:
            rows += shown
            group.append(len(shown))
            chance += [truth.click_wanted if row[2] else truth.click_other for row in shown]
    position, clicked, wanted, often = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    # The ranker guesses what is wanted, as features do: right nine times in ten.
    noise = np.random.default_rng(1).random(len(wanted)) < 0.1
    matrix = np.column_stack([np.abs(wanted - noise), often]).astype(np.float32)
    return Examples(matrix, clicked.astype(np.int8), np.array(group, np.int32), {}, position), np.array(chance)


def scores(examples: Examples, matrix: np.ndarray) -> np.ndarray:
    binary = TRAINING.model_copy(update={"lightgbm": TRAINING.lightgbm.model_copy(update={"objective": "binary"})})
    return LightGBM.fit(examples, FEATURES, binary, seed=1, threads=1).score(matrix)


def test_the_storefronts_order_is_nearer_to_its_truth_with_the_correction(log) -> None:
    """Truth: a click depends on what is wanted alone, once it is looked at. Without the position, what is bought often
    seems to be liked, because it stands where people look.
    """
    examples, chance = log
    grid = np.column_stack([np.zeros(50), np.linspace(0, 1, 50)]).astype(np.float32)
    biased, mended = (scores(each, grid) for each in (replace(examples, position=None), examples))
    assert np.abs(mended[30:].mean() - mended[:20].mean()) < 0.5 * (biased[30:].mean() - biased[:20].mean())
    biased, mended = (scores(each, examples.matrix) for each in (replace(examples, position=None), examples))
    truth = (chance > 0.1).astype(np.int8)
    assert separation(mended.astype(np.float32), truth) > separation(biased.astype(np.float32), truth)


def test_the_log_shows_the_attention_of_the_truth(log) -> None:
    """Clicks fall from place to place as the truth says people look."""
    examples, _ = log
    rate = [examples.label[examples.position == place].mean() for place in (1, 2, 3)]
    assert rate[0] > 1.2 * rate[1] > 1.2 * rate[2]
