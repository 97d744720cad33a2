"""The whole DAG on a small shop, while a real serving process answers: at the end it has swapped to the new release."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.configuration import load_settings
from pipeline.day_run import SOURCE_STAGES, run_and_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
QUICK = {
    "VITRINE_TRAINING__LIGHTGBM__TREES": "20",
    "VITRINE_TRAINING__WEEKS": "2",
    "VITRINE_EVALUATION__BASELINES": "false",
    # Which of two releases of sixty households is the better one is chance, and not what is asked here.
    "VITRINE_GATE__RULES": '[{"metric": "leaks", "at_most": 0}]',
}
FIRST_DAY, NEXT_DAY = dt.date(2017, 11, 4), dt.date(2017, 11, 5)
AFTER_NEXT_DAY = dt.datetime(2017, 11, 6, 2, tzinfo=dt.UTC)
"""The scheduled moment whose data interval begins on the next day."""


def ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return json.load(response)


@dataclass
class Shopper:
    """Somebody who asks for a list again and again, and remembers what went wrong."""

    url: str
    lists: int = 0
    trouble: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def shop(self) -> None:
        while not self.left.wait(0.05):
            try:
                ask(f"{self.url}/api/v1/recommend", {"user_id": "1"})
                self.lists += 1
            except (OSError, ValueError) as error:
                self.trouble.append(str(error))


@pytest.fixture
def settings(tmp_path: Path, small_shop_file: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A small shop with a release of the first day, and the place where serving will be."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("VITRINE_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("VITRINE_SERVING__PORT", str(port))
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    shop = load_settings().workspace.demo_shop
    shop.parent.mkdir(parents=True)
    shutil.copyfile(small_shop_file, shop)
    run_and_record(FIRST_DAY, load_settings())
    monkeypatch.setenv("VITRINE_SERVING__RELOAD_URL", f"http://127.0.0.1:{port}/models/reload")
    return load_settings()


@pytest.fixture
def serving(settings: Settings) -> Iterator[str]:
    """The address of a serving process that is ready."""
    url = f"http://127.0.0.1:{settings.serving.port}"
    log = settings.work_dir / "serving.log"
    with log.open("w") as out, subprocess.Popen([sys.executable, "-m", "serving"], stdout=out, stderr=out) as process:
        try:
            end = time.monotonic() + 60
            while not is_ready(url):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)  # a process that starts has no other sign
            yield url
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    try:
        return bool(ask(f"{url}/ready")["ready"])
    except OSError:
        return False


@contextmanager
def shopping(url: str) -> Iterator[Shopper]:
    shopper = Shopper(url)
    thread = threading.Thread(target=shopper.shop)
    thread.start()
    try:
        yield shopper
    finally:
        shopper.left.set()
        thread.join()


@pytest.mark.usefixtures("airflow_home")
def test_a_run_releases_its_day_and_serving_swaps_to_it_without_losing_a_request(
    settings: Settings, serving: str
) -> None:
    from dags.recommendation_pipeline import recommendation_pipeline

    dag = recommendation_pipeline()
    before = ask(f"{serving}/models")["current"]

    with shopping(serving) as shopper:
        run = dag.test(logical_date=AFTER_NEXT_DAY)
    assert {task.task_id: task.state for task in run.get_task_instances() if task.state != "success"} == {}
    assert shopper.trouble == []
    assert shopper.lists > 0

    after = ask(f"{serving}/models")["current"]
    assert before.startswith(f"{FIRST_DAY:%Y%m%d}-")
    assert after.startswith(f"{NEXT_DAY:%Y%m%d}-")
    with sqlite3.connect(settings.workspace.demo_shop) as shop:
        user = {"user_id": str(shop.execute("SELECT min(household_id) FROM users").fetchone()[0])}
    answer = ask(f"{serving}/api/v1/recommend", user)
    assert (answer["release"], answer["degrade_level"]) == (after, 0)
    metrics = (settings.work_dir / "metrics/vitrine.prom").read_text()
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    end_of_day = dt.datetime(2017, 11, 6, tzinfo=dt.UTC).timestamp()
    assert float(values["vitrine_run_day_timestamp_seconds"]) == end_of_day
    assert float(values['vitrine_stage_rows{stage="publish"}']) > 0

    # Again, from the archive alone: neither the sources nor the online store are there any more.
    settings.workspace.demo_shop.unlink()
    settings.workspace.online_store.unlink()
    run = dag.test(logical_date=AFTER_NEXT_DAY, run_conf={"sync_only": True, "day": str(NEXT_DAY)})
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert {task for task, state in states.items() if state == "skipped"} == set(SOURCE_STAGES)
    assert set(states.values()) == {"skipped", "success"}
    assert not settings.workspace.demo_shop.exists()
    assert ask(f"{serving}/models")["current"] == after
    assert items(ask(f"{serving}/api/v1/recommend", user)) == items(answer)


def items(answer: dict[str, Any]) -> list[Any]:
    return answer["items"]
