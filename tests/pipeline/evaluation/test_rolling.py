"""Several weeks, each with a ranker of its own: who comes every week is one person, and nothing in use is touched."""

import datetime as dt
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.evaluation.rolling import Week, rolling, summary
from tests.pipeline.conftest import DAY

METRICS = ("ndcg@20", "recall@20", "ndcg@10", "recall@10", "mrr")


def week(users, release, baseline, number=0):
    cut = dt.date(2017, 1, 1) + dt.timedelta(days=7 * number)
    values = {
        model: dict.fromkeys(METRICS, np.array(column, float))
        for model, column in (("release", release), ("popular", np.zeros(len(users))), ("frequency", baseline))
    }
    metrics = {model: {name: float(column.mean()) for name, column in of.items()} for model, of in values.items()}
    return Week(
        cut,
        (cut + dt.timedelta(days=1), cut + dt.timedelta(days=7)),
        np.array(list(users)),
        values,
        metrics,
        {},
        {},
        1,
        1,
    )


def test_each_week_counts_the_same_however_many_users_it_has():
    report = summary([week("a", [1.0], [0.0]), week("bcd", [0.0, 0.0, 0.3], [0.0] * 3, 1)], seed=0)
    assert report["means"]["release"]["ndcg@20"] == pytest.approx((1 + 0.1) / 2)
    assert report["release"]["ndcg@20"][0] == pytest.approx(0.55)


def test_metrics_of_whole_weeks_have_a_mean_and_what_a_week_lacks_has_none():
    one, other = week("ab", [0.5, 0.7], [0.4, 0.4]), week("ab", [0.5, 0.5], [0.3, 0.5], 1)
    one.metrics["release"].update({"coverage@20": 0.2, "auc": 0.7})
    other.metrics["release"].update({"coverage@20": 0.4})
    means = summary([one, other], seed=0)["means"]["release"]
    assert means["coverage@20"] == pytest.approx(0.3)
    assert "auc" not in means


def test_the_best_baseline_is_that_of_the_mean_and_differences_are_to_it():
    report = summary([week("ab", [0.5, 0.7], [0.4, 0.4]), week("ab", [0.5, 0.5], [0.3, 0.5], 1)], seed=0)
    assert report["best_baseline"] == "frequency"
    value, low, high = report["difference"]["ndcg@20"]
    assert value == pytest.approx(0.15)
    assert low <= value <= high
    assert report["ratio"]["ndcg@20"] == pytest.approx(0.55 / 0.4)


def test_the_same_users_every_week_are_no_more_users():
    """Eight weeks of the same forty people tell as much as one: the interval is as wide. Other people each time tell
    more.
    """
    generator = np.random.default_rng(1)
    gained = generator.random(40)
    same = [week([f"{n:02}" for n in range(40)], gained, np.zeros(40), number) for number in range(8)]
    other = [week([f"{number}-{n:02}" for n in range(40)], gained, np.zeros(40), number) for number in range(8)]

    def width(weeks):
        _, low, high = summary(weeks, seed=0)["release"]["ndcg@20"]
        return high - low

    assert width(same) == pytest.approx(width(same[:1]), rel=0.01)
    assert width(other) < 0.5 * width(same)


def test_without_baselines_the_release_stands_alone():
    alone = week("ab", [0.5, 0.7], [0, 0])
    values, metrics = ({"release": each["release"]} for each in (alone.values, alone.metrics))
    report = summary([Week(alone.cut, alone.judged, alone.users, values, metrics, {}, {}, 1, 1)], seed=0)
    assert report["best_baseline"] is None
    assert "difference" not in report


@pytest.mark.slow
def test_the_last_week_is_what_the_run_of_its_day_found_and_nothing_else_changed(finished_run, tmp_path):
    settings = finished_run.copy(tmp_path)

    def kept():
        return {path: path.stat().st_mtime_ns for path in settings.work_dir.rglob("*") if "spill" not in path.parts}

    before = kept()
    report = rolling(DAY, 2, settings, tmp_path / "users.parquet")
    assert kept() == before
    assert not any(settings.workspace.spill.iterdir())
    run = json.loads((settings.workspace.evaluation(DAY) / "metrics.json").read_text())
    earlier, last = report["weeks"]
    assert last["models"] == run["models"]
    assert last["judged"] == run["judged"]
    assert (last["groups"], last["segments"]) == (run["groups"], run["segments"])
    assert earlier["judged"][1] == str(DAY)
    assert last["seconds"] > 0
    told = pq.read_table(tmp_path / "users.parquet").to_pandas().groupby(["cut", "model"])
    for name, models in told["ndcg@20"].mean().groupby(level="cut"):
        (of,) = (week for week in report["weeks"] if week["cut"] == str(name))
        assert models.droplevel("cut").to_dict() == pytest.approx({m: v["ndcg@20"] for m, v in of["models"].items()})
    assert set(told["user_id"].nunique()[:, "release"]) == {earlier["users"], last["users"]}
