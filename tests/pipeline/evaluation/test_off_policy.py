from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.off_policy import Log, crossfitted_rates, doubly_robust, ips, snips

BANDIT = Path(__file__).resolve().parents[4] / "shared" / "data" / "open_bandit_small"
ITEMS, PLACES = 6, 3


def numbers(*values):
    return np.array(values, float)


def test_each_reward_counts_as_often_as_the_target_would_have_shown_it():
    log = Log(numbers(1, 0), numbers(0.5, 0.25), np.arange(2))
    target = numbers(1.0, 0.5)
    assert ips(log, target).value == pytest.approx((1 * 2 + 0 * 2) / 2)
    assert snips(log, target).value == pytest.approx((1 * 2 + 0 * 2) / (2 + 2))


def test_a_perfect_model_needs_no_rewards():
    log = Log(numbers(1, 0), numbers(0.5, 0.5), np.arange(2))
    estimate = doubly_robust(log, numbers(0.5, 0.5), numbers(1, 0), numbers(0.3, 0.3))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.3, 0.3, 0.3))


def test_the_same_policy_is_estimated_by_the_mean_itself():
    log = Log(numbers(1, 0, 0, 1), np.full(4, 0.2), np.arange(4))
    for estimate in (ips(log, log.propensity), snips(log, log.propensity)):
        assert estimate.value == 0.5
        assert estimate.effective_rows == 4


def test_uneven_weights_are_worth_few_rows():
    log = Log(np.zeros(100), np.r_[0.001, np.full(99, 0.9)], np.arange(100))
    assert snips(log, np.full(100, 0.5)).effective_rows < 2


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.5, float("nan")])
def test_a_row_without_a_propensity_is_refused(propensity):
    with pytest.raises(PipelineError, match="propensity above 0"):
        Log(numbers(1, 0), numbers(0.5, propensity), np.arange(2))


def test_a_log_that_shares_nothing_with_the_target_is_refused():
    log = Log(numbers(1, 0), numbers(0.5, 0.5), np.arange(2))
    with pytest.raises(PipelineError, match="found none"):
        snips(log, np.zeros(2))


def test_exposures_of_one_request_are_drawn_together():
    """Ten copies of every row say no more than one: the interval must not shrink."""
    generator = np.random.default_rng(3)
    reward = (generator.random(400) < 0.3).astype(float)
    alone = Log(reward, np.full(400, 0.5), np.arange(400))
    copies = Log(np.repeat(reward, 10), np.full(4000, 0.5), np.repeat(np.arange(400), 10))
    once, tenfold = snips(alone, np.full(400, 0.5)), snips(copies, np.full(4000, 0.5))
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.1)


def test_the_model_never_saw_the_rows_it_answers_for():
    item, place, group = np.zeros(10, int), np.zeros(10, int), np.arange(10)
    reward = np.zeros(10)
    reward[group % 5 == 2] = 1  # only fold 2 was ever rewarded
    rates, fold = crossfitted_rates(item, place, reward, group, items=1, places=1, strength=1e-9)
    assert rates[2, 0, 0] == pytest.approx(0)
    assert rates[0, 0, 0] == pytest.approx(2 / 8)
    assert fold.tolist() == [0, 1, 2, 3, 4] * 2


def simulated(seed, rows=1500):
    """A log of a policy that prefers items 0 and 1, and the true rate of one that prefers the last two."""
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(99).uniform(0.02, 0.3, (ITEMS, PLACES))
    logging = np.array([0.3, 0.3, 0.15, 0.15, 0.05, 0.05])
    target = logging[::-1]
    item, place = generator.choice(ITEMS, rows, p=logging), generator.integers(0, PLACES, rows)
    reward = (generator.random(rows) < truth[item, place]).astype(float)
    group = np.arange(rows)
    rates, fold = crossfitted_rates(item, place, reward, group, items=ITEMS, places=PLACES)
    answers = np.einsum("i,fip->fp", target, rates)[fold, place]
    log = Log(reward, logging[item], group)
    estimates = {
        "ips": ips(log, target[item], seed=seed),
        "snips": snips(log, target[item], seed=seed),
        "dr": doubly_robust(log, target[item], rates[fold, item, place], answers, seed=seed),
    }
    return estimates, reward.mean(), float((target @ truth).mean())


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of 40 intervals of 95 % some 38 hold it; fewer than 33 would happen once in a thousand times."""
    names = ("ips", "snips", "dr")
    held, wide, wrong = (dict.fromkeys(names, 0.0) for _ in range(3))
    wrong_naive = 0.0
    for seed in range(40):
        estimates, naive, truth = simulated(seed)
        wrong_naive += abs(naive - truth)
        for name, estimate in estimates.items():
            held[name] += estimate.low <= truth <= estimate.high
            wide[name] += estimate.high - estimate.low
            wrong[name] += abs(estimate.value - truth)
    assert min(held.values()) >= 33, held
    assert max(wrong["snips"], wrong["dr"]) < wrong_naive
    assert max(wide["snips"], wide["dr"]) < wide["ips"]


@pytest.mark.skipif(not BANDIT.is_dir(), reason="the Open Bandit sample is not here")
@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_a_real_log_tells_the_click_rate_of_the_policy_that_ran_beside_it(campaign):
    """Open Bandit (Saito et al., 2020): from the log of Thompson sampling, the random policy's click rate.

    Both numbers are uncertain: the truth has some 40 clicks. Their 95 % intervals must overlap.
    """
    columns = ["item_id", "position", "click", "propensity_score"]
    logged = pq.ParquetFile(BANDIT / f"bts_{campaign}.parquet").read(columns)
    random = pq.ParquetFile(BANDIT / f"random_{campaign}.parquet").read(columns)
    item, place = logged["item_id"].to_numpy(), logged["position"].to_numpy() - 1
    reward, group = logged["click"].to_numpy().astype(float), np.arange(len(logged))
    items = int(random["item_id"].to_numpy().max()) + 1
    target = np.full(len(item), 1 / items)
    rates, fold = crossfitted_rates(item, place, reward, group, items=items, places=3)
    log = Log(reward, logged["propensity_score"].to_numpy(), group)
    truth = random["click"].to_numpy().mean()
    spread = 1.96 * np.sqrt(truth / len(random))
    answers = rates.mean(axis=1)[fold, place]
    for estimate in (
        ips(log, target),
        snips(log, target),
        doubly_robust(log, target, rates[fold, item, place], answers),
    ):
        assert estimate.low <= truth + spread
        assert estimate.high >= truth - spread
        assert estimate.effective_rows < len(item) / 2
