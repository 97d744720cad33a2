"""A task's day, its lock, its result as JSON, and what its errors become."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.configuration import load_settings
from pipeline.errors import DataContractError, DayOutsideDataError, LeakError, SettingsError, SourceError
from pipeline.locks import day_lock
from pipeline.stage import StageResult

if TYPE_CHECKING:
    from pipeline.settings import Settings

DAY = "2017-11-05"
pytestmark = pytest.mark.usefixtures("airflow_home")


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITRINE_WORK_DIR", str(tmp_path))
    return tmp_path


def broken(error: type[Exception]):
    def stage(_day: dt.date, _settings: Settings) -> StageResult:
        raise error("orders", expected="no nulls", found="3", remedy="Look.")

    return stage


def test_a_named_day_wins_over_the_interval() -> None:
    from dags.running import day_of_run

    assert day_of_run(DAY, dt.datetime(2020, 1, 1, 2, tzinfo=dt.UTC)) == DAY


def test_without_a_named_day_the_interval_decides() -> None:
    from dags.running import day_of_run

    assert day_of_run(None, dt.datetime(2017, 11, 5, 2, tzinfo=dt.UTC)) == DAY


def test_a_run_with_neither_fails_and_says_what_to_give() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags.running import day_of_run

    with pytest.raises(AirflowFailException, match="name its day"):
        day_of_run(None, None)


def test_a_stage_runs_under_the_lock_of_its_day_and_lets_go_of_it() -> None:
    from dags.running import run
    from pipeline.errors import LockedError

    def stage(day: dt.date, settings: Settings) -> StageResult:
        with pytest.raises(LockedError), day_lock(day, settings):
            pass
        return StageResult((), 1)

    run(stage, DAY)
    with day_lock(dt.date(2017, 11, 5), load_settings()):
        pass


def test_a_result_becomes_json() -> None:
    from dags.running import as_json, from_json

    result = StageResult(
        (Path("a/b"),), np.int64(3), {"users": np.float32(2)}, "extract", dt.date(2017, 11, 5), 0.12345, 9
    )
    decided = dataclasses.replace(result, decision={"promoted": False, "findings": [{"rule": "no leak"}]})
    assert from_json(json.loads(json.dumps(as_json(decided)))).decision == decided.decision
    summary = json.loads(json.dumps(as_json(result)))
    assert as_json(from_json(summary)) == summary
    assert summary == {
        "stage": "extract",
        "day": DAY,
        "rows": 3,
        "seconds": 0.123,
        "peak_memory_bytes": 9,
        "paths": ["a/b"],
        "counts": {"users": 2.0},
        "decision": None,
    }


@pytest.mark.parametrize("error", [DataContractError, DayOutsideDataError, LeakError, SettingsError])
def test_what_the_next_attempt_would_find_again_is_not_tried_again(error: type[Exception]) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags.running import run

    with pytest.raises(AirflowFailException, match="expected no nulls, found 3"):
        run(broken(error), DAY)


def test_an_unreachable_source_is_tried_again() -> None:
    from dags.running import run

    with pytest.raises(SourceError):
        run(broken(SourceError), DAY)


def test_a_failure_is_logged_with_task_run_reason_and_runbook(caplog: pytest.LogCaptureFixture) -> None:
    from types import SimpleNamespace as Stand

    from dags.callbacks import log_failure

    context = {
        "dag": Stand(dag_id="recommendation_pipeline"),
        "run_id": "manual__1",
        "task_instance": Stand(task_id="clean"),
        "exception": ValueError("no such table"),
    }
    with caplog.at_level(logging.ERROR):
        log_failure(context)
        log_failure({**context, "exception": None, "reason": "timed_out"})
    task, run = [record.getMessage() for record in caplog.records]
    assert task.startswith("task clean of recommendation_pipeline failed in manual__1: no such table (")
    assert run.startswith("the run of recommendation_pipeline failed in manual__1: timed_out (")
    assert "docs/runbook.md#" in task
