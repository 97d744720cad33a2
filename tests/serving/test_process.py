"""The server as it runs: a process of its own on a loopback port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import servers
from tests.serving.releases import flip_a_byte, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
ASK = {"user_id": "anna", "size": 3}
CLIENTS = 4


@contextmanager
def running(shop: Settings, workers: int = 1) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """`python -m serving`, ready, and a client of it."""
    port = servers._free_port()
    environment = {
        **os.environ,
        "VITRINE_WORK_DIR": str(shop.work_dir),
        "VITRINE_SERVING__PORT": str(port),
        "VITRINE_SERVING__WORKERS": str(workers),
        "VITRINE_SERVING__CLOCK": "snapshot",
        "VITRINE_SERVING__ONLINE_TIMEOUT_MS": "2000",
    }
    command = [sys.executable, "-m", "serving"]
    with (
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        try:
            wait_for(lambda: answers(client, "/ready"))
            yield client, process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def keep_asking(url: httpx.URL, stop: Path) -> list[tuple[int, str, int]]:
    """Status, release and length of every answer until `stop` exists."""
    seen = []
    with httpx.Client(base_url=url, timeout=30) as client:
        while not stop.exists():
            answer = client.post("/api/v1/recommend", json=ASK)
            seen.append((answer.status_code, answer.json()["release"], len(answer.json()["items"])))
    return seen


def test_reloads_under_traffic_lose_no_request(shop: Settings, tmp_path: Path) -> None:
    publish(shop.releases, "second", shop, move=False)
    flip_a_byte(publish(shop.releases, "broken", shop, move=False) / "ranker/model.onnx")
    stop = tmp_path / "stop"
    with running(shop) as (client, _), ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(keep_asking, client.base_url, stop) for _ in range(CLIENTS)]
        try:
            for name, status in [("second", 200), ("broken", 409), ("first", 200), ("broken", 409), ("second", 200)]:
                assert client.post("/models/reload", json={"release": name}).status_code == status
                time.sleep(0.2)
        finally:
            stop.touch()
        seen = [answer for task in asking for answer in task.result()]
    assert len(seen) > 50
    assert {status for status, _, _ in seen} == {200}
    assert {length for _, _, length in seen} == {3}
    assert {release for _, release, _ in seen} == {"first", "second"}


def test_a_reload_reaches_every_worker_and_metrics_are_of_all(shop: Settings) -> None:
    publish(shop.releases, "second", shop, move=False)
    with running(shop, workers=2) as (client, _):

        def releases() -> set[str]:
            """What connections of their own, shared out over the workers, find."""
            found = set()
            for _ in range(20):
                with httpx.Client(base_url=client.base_url, timeout=30) as fresh:
                    answer = fresh.get("/ready")
                    found.add(answer.json().get("release"))
            return found

        wait_for(lambda: releases() == {"first"})
        assert client.post("/models/reload", json={"release": "second"}).json()["new"] == "second"
        wait_for(lambda: releases() == {"second"})
        for _ in range(20):
            with httpx.Client(base_url=client.base_url, timeout=30) as fresh:
                assert fresh.post("/api/v1/recommend", json=ASK).status_code == 200
        text = client.get("/metrics").text
    assert 'vitrine_recommendations_total{degrade_level="0",scene="home"} 20.0' in text
    assert 'vitrine_requests_total{path="/api/v1/recommend",status="200"} 20.0' in text


def test_it_stops_cleanly_when_told_to(shop: Settings) -> None:
    with running(shop) as (client, process):
        assert client.get("/live").json() == {"live": True}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("VITRINE_SERVING__PORT", "many", "serving.port"),
        ("VITRINE_ONLINE_STORE_URL", "mysql://me:s3cret@host/db", "redis://"),
    ],
)
def test_wrong_settings_stop_it_at_the_start(shop: Settings, variable: str, value: str, said: str) -> None:
    environment = {**os.environ, "VITRINE_WORK_DIR": str(shop.work_dir), variable: value}
    command = [sys.executable, "-m", "serving"]
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "s3cret" not in ended.stderr
