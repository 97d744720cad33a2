"""A release that never served, estimated from the log of one that did: asked over HTTP, clicked by a known truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feature_store.made_from import MADE_FROM
from feature_store.online.recent import Event
from feature_store.schema import EVENTS
from pipeline.commands.evaluation import app
from pipeline.configuration import load_settings
from pipeline.errors import PipelineError
from pipeline.evaluation.counterfactual import counterfactual
from pipeline.exposures import exposures
from pipeline.sources.canonical import arrow_schema
from pipeline.stages.sync import sync
from tests.feature_store.online.stores import Store
from tests.pipeline.asked_shop import DAY, HOUR, serve, write_features
from tests.serving.releases import AS_OF, ITEMS, publish

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings

SIZE, REQUESTS, USERS = 4, 500, 40
LIKING = dict(zip(ITEMS, (0.05, 0.1, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7), strict=True))
ATTENTION = (1.0, 0.8, 0.6, 0.5)
"""The truth: a shown item is clicked by the product of both."""
WANTS_LAST = {"user_item_basket_count": -1.0}
"""The challenger puts last what the champion puts first."""


@dataclass(frozen=True)
class Shop:
    settings: Settings
    served: dt.date
    truth: float
    """Mean chance of a click in the challenger's own lists."""


def bodies() -> list[dict]:
    return [
        {"user_id": f"user-{number % USERS}" if number % 10 else "anna", "size": SIZE}
        | ({"exclude": ["item-7"]} if number % 2 else {})
        for number in range(REQUESTS)
    ]


def made(folder, **scene) -> Settings:
    home = load_settings(arguments={}).scenes["home"].model_dump() | scene
    return load_settings(
        arguments={
            "work_dir": folder / "work",
            "serving": {"online_timeout_ms": 2_000},
            "exposures": {"vector_share": 0.0},
            "scenes": {"home": home},
        }
    )


def filled(settings: Settings) -> Settings:
    """With a snapshot, the online store, and what users bought since: each item so many times."""
    write_features(settings.workspace.features(DAY), settings.online_history.bounds())
    sync(DAY, settings)
    bought = [
        Event(f"{user} {item} {hour}", f"user-{user}", "purchase", item, AS_OF + hour * HOUR)
        for user in range(USERS)
        for place, item in enumerate(ITEMS)
        for hour in range(len(ITEMS) - 1 - place)
    ]
    assert Store(settings.online_url, settings.online_prefix).append(*bought) == len(bought)
    return settings


def clicked(settings: Settings, day: dt.date, seed: int) -> float:
    """Write the impressions and clicks of what serving showed; the mean chance of a click."""
    generator, rows, chances = np.random.default_rng(seed), [], []
    for number, row in enumerate(exposures(day, settings).to_pylist()):
        chances.append(LIKING[row["item_id"]] * ATTENTION[row["position"] - 1])
        told = dict.fromkeys(EVENTS.columns) | {
            "time": row["time"], "updated_at": row["time"], "user_id": row["user_id"], "item_id": row["item_id"],
            "basket_id": "visit", "quantity": 1.0, "value": 0.0, "discount": 0.0, "slot": "home",
            "position": row["position"], "request_id": row["request_id"],
        }  # fmt: skip
        rows.append(told | {"event_id": f"i{number}", "kind": "impression"})
        if generator.random() < chances[-1]:
            rows.append(told | {"event_id": f"c{number}", "kind": "click"})
    path = settings.workspace.clean / "events" / f"day={day}" / "part.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, arrow_schema(EVENTS)), path)
    return float(np.mean(chances))


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    settings = filled(made(tmp_path_factory.mktemp("served"), explore={"share": 0.6, "candidates": 8}))
    publish(settings.releases, "champion", settings)
    publish(settings.releases, "challenger", settings, weights=WANTS_LAST, move=False)
    day = serve(settings, *bodies())
    other = filled(made(tmp_path_factory.mktemp("other world")))
    publish(other.releases, "challenger", other, weights=WANTS_LAST)
    return Shop(settings, day, clicked(other, serve(other, *bodies()), seed=0))


def estimated(shop: Shop, name: str = "challenger", **more) -> dict:
    return counterfactual(name, shop.served, shop.served, shop.settings, **more)


def test_the_truth_of_a_release_that_never_served_is_found(shop: Shop) -> None:
    """In the mean of six logs, and by most of their intervals; the log's own rate is far from it."""
    names = ("ips", "snips", "dr")
    found, held = {name: [] for name in names}, dict.fromkeys(names, 0)
    for seed in range(6):
        clicked(shop.settings, shop.served, seed)
        report = estimated(shop)
        assert report["requests"] == REQUESTS
        assert report["effective_rows"] <= report["same"] < report["rows"] / 5
        assert report["logged"][2] < shop.truth - 0.04
        assert report["difference"][0] == pytest.approx(report["snips"][0] - report["logged"][0], abs=1e-6)
        assert report["covered"][1] < 1 < report["covered"][2]
        for name in names:
            value, low, high = report[name]
            found[name].append(value)
            held[name] += low < shop.truth < high
    assert min(held.values()) >= 4, held
    for name in names:
        assert np.mean(found[name]) == pytest.approx(shop.truth, abs=0.03), name


def test_the_release_that_served_is_estimated_by_its_best_lists(shop: Shop) -> None:
    clicked(shop.settings, shop.served, seed=0)
    report = estimated(shop, "champion")
    low, value, high = report["covered"][1], report["covered"][0], report["covered"][2]
    assert low < 1 < high
    assert high - low < 0.2 < value
    assert report["effective_rows"] > 0.4 * report["rows"]


def test_a_person_reads_the_estimates_and_what_they_rest_on(shop: Shop) -> None:
    clicked(shop.settings, shop.served, seed=0)
    days = ["--from", str(shop.served), "--to", str(shop.served)]
    environment = {"VITRINE_WORK_DIR": str(shop.settings.work_dir), "COLUMNS": "250"}
    done = CliRunner().invoke(app, ["off-policy", "--release", "challenger", *days], env=environment)
    assert done.exit_code == 0, done.output
    report = estimated(shop)
    for part in (f"{report['snips'][0]:.2%}", f"{100 * report['difference'][0]:+.2f} points", "challenger, DR"):
        assert part in done.output
    assert f"{REQUESTS} requests of 37 users, 2,000 places with {report['clicks']} clicks" in done.output


def test_a_sample_of_the_requests_is_enough(shop: Shop) -> None:
    clicked(shop.settings, shop.served, seed=0)
    assert estimated(shop, "champion", most=300)["requests"] == 300


def test_too_little_in_common_is_refused(shop: Shop) -> None:
    clicked(shop.settings, shop.served, seed=0)
    with pytest.raises(PipelineError, match=r"at least 100 effective rows.*found \d+: of \d+ explored places"):
        estimated(shop, most=40)


def test_a_log_in_which_nothing_was_drawn_is_refused(tmp_path) -> None:
    settings = filled(made(tmp_path))
    publish(settings.releases, "champion", settings)
    publish(settings.releases, "challenger", settings, weights=WANTS_LAST, move=False)
    day = serve(settings, *bodies()[:5])
    with pytest.raises(PipelineError, match="impressions that serving"):
        counterfactual("challenger", day, day, settings)
    clicked(settings, day, seed=0)
    with pytest.raises(PipelineError, match=r"propensity 1 in all 20 rows.*Let the scene `explore`"):
        counterfactual("challenger", day, day, settings)


def test_what_cannot_be_asked_again_is_said(tmp_path) -> None:
    settings = filled(made(tmp_path, explore={"share": 0.6, "candidates": 8}))
    publish(settings.releases, "champion", settings)
    later = publish(settings.releases, "later", settings, weights=WANTS_LAST, move=False)
    manifest = json.loads((later / "manifest.json").read_text())
    (later / "manifest.json").write_text(json.dumps(manifest | {"day": "2017-11-06", "as_of": AS_OF + 24 * HOUR}))
    day = serve(settings, *bodies()[:5])
    clicked(settings, day, seed=0)
    with pytest.raises(PipelineError, match="5 requests: asked before the end of 2017-11-06, which later knows"):
        counterfactual("later", day, day, settings)
    (settings.workspace.features(DAY) / MADE_FROM).write_text('{"events/2017-11-05": "told late"}')
    with pytest.raises(PipelineError, match=r"5 requests: the snapshot of 20171105-.* was made again since"):
        counterfactual("champion", day, day, settings)
