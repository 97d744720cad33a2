from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from feature_store.registry import feature_set_id
from monitoring.names import SERVING
from tests.serving.releases import AS_OF

if TYPE_CHECKING:
    from pipeline.settings import Settings

pytestmark = pytest.mark.anyio


async def test_health_says_what_is_served(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        body = (await client.get("/health")).json()
    assert body.pop("uptime_seconds") >= 0
    assert body == {
        "status": "ok",
        "release": "first",
        "day": "2017-11-05",
        "feature_set": feature_set_id(),
        "problem": None,
        "online_store": {"feature_set": feature_set_id(), "name": "20171105", "as_of": AS_OF, "users": 2},
    }


async def test_health_says_what_is_wrong_with_the_store_without_the_password(shop: Settings, serve) -> None:
    down = type(shop).model_validate({**shop.model_dump(), "online_store_url": "redis://:s3cret@127.0.0.1:1/0"})
    async with serve(down) as client:
        answer = await client.get("/health")
    assert answer.json()["status"] == "degraded"
    assert answer.json()["online_store"]["where"] == "Redis at 127.0.0.1:1/0"
    assert "s3cret" not in answer.text


class SlowRanker:
    """Ranks when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def score(self, matrix: np.ndarray, worth=None) -> np.ndarray:  # noqa: ARG002 - one target
        self.asked.set()
        self.go_on.wait(30)
        return np.zeros(len(matrix), np.float32)


async def test_health_answers_while_lists_are_being_computed(shop: Settings, serve) -> None:
    ranker = SlowRanker()
    async with serve(shop) as client, anyio.create_task_group() as tasks:
        releases = client._transport.app.state.service.releases
        releases.in_use = replace(releases.in_use, release=replace(releases.in_use.release, ranker=ranker))
        for _ in range(5):
            tasks.start_soon(lambda: client.post("/api/v1/recommend", json={"user_id": "anna"}))
        await anyio.to_thread.run_sync(ranker.asked.wait)
        with anyio.fail_after(10):
            assert (await client.get("/live")).status_code == 200
            assert (await client.get("/ready")).status_code == 200
            assert (await client.get("/health")).status_code == 200
        ranker.go_on.set()


async def test_metrics_are_the_ones_of_the_list_and_no_others(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        await client.post("/api/v1/recommend", json={"user_id": "anna"})
        await client.post("/api/v1/recommend", json={})
        await client.get("/no/such/page/7")
        await client.post("/models/reload")
        families = {
            family.name: family for family in text_string_to_metric_families((await client.get("/metrics")).text)
        }
    assert set(families) == {metric.name.removesuffix("_total") for metric in SERVING}
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    path = ("path", "/api/v1/recommend")
    assert values["vitrine_requests_total", path, ("status", "200")] == 1
    assert values["vitrine_requests_total", path, ("status", "422")] == 1
    assert values["vitrine_requests_total", ("path", "other"), ("status", "404")] == 1
    assert values["vitrine_request_seconds_count", path] == 2
    assert values["vitrine_recommendations_total", ("degrade_level", "0"), ("scene", "home")] == 1
    assert values["vitrine_reloads_total", ("outcome", "swapped")] == 1
    assert values["vitrine_reloads_total", ("outcome", "unchanged")] == 1
    assert values["vitrine_online_store_seconds_count",] == 1
    assert values["vitrine_release_info", ("feature_set", feature_set_id()), ("release", "first")] == 1
    assert values["vitrine_release_age_seconds",] == 0  # the clock is the snapshot's
    assert values["vitrine_feature_freshness_seconds",] == 0


async def test_the_online_store_tells_its_version_its_vectors_and_how_old_they_are(shop: Settings, serve) -> None:
    live = shop.model_copy(update={"serving": shop.serving.model_copy(update={"clock": "now"})})
    async with serve(live) as client:
        before = int(time.time())
        lines = (await client.get("/metrics")).text.splitlines()
        after = int(time.time())
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert before - AS_OF <= float(told["vitrine_feature_freshness_seconds"]) <= after - AS_OF
    assert float(told["vitrine_online_vectors"]) == 2
    assert float(told[f'vitrine_online_store_info{{feature_set="{feature_set_id()}",version="20171105"}}']) == 1


async def test_failing_stores_are_counted(shop: Settings, serve) -> None:
    down = type(shop).model_validate({**shop.model_dump(), "online_store_url": "redis://127.0.0.1:1/0"})
    async with serve(down) as client:
        await client.post("/api/v1/recommend", json={"user_id": "anna"})
        text = (await client.get("/metrics")).text
    assert "vitrine_online_store_errors_total 1.0" in text
    assert 'vitrine_recommendations_total{degrade_level="1",scene="home"} 1.0' in text


async def test_an_unknown_page_is_json_too(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        assert (await client.get("/nothing")).json() == {"error": "Not Found"}
        assert (await client.get("/api/v1/recommend")).status_code == 405


def test_serving_imports_no_heavy_library() -> None:
    heavy = ("pandas", "mlflow", "sklearn", "lightgbm", "pyarrow", "duckdb", "ibis", "airflow", "great_expectations")
    code = f"import sys, serving.server; print(*sorted({{m.split('.')[0] for m in sys.modules}} & set({heavy})))"
    repository = Path(__file__).resolve().parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
