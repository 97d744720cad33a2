"""The DAG as Airflow sees it: it loads, its edges are as planned, nothing about its running is left to defaults."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.day_run import SOURCE_STAGES, STAGES

if TYPE_CHECKING:
    from airflow.sdk import DAG

REPOSITORY = Path(__file__).resolve().parents[2]
TASKS = ["resolve_day", "read_sources", *STAGES, "record"]


@pytest.fixture(scope="session")
def bag(airflow_home: Path):  # noqa: ARG001  Airflow is set up before it is imported
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(REPOSITORY / "dags"))


@pytest.fixture(scope="session")
def pipeline(bag) -> DAG:
    return bag.dags["recommendation_pipeline"]


def test_every_dag_file_loads_without_errors(bag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {"recommendation_pipeline"}


def test_the_edges_are_the_pass_and_every_stage_is_given_its_day(pipeline: DAG) -> None:
    edges = {(up, down) for up, task in pipeline.task_dict.items() for down in task.downstream_task_ids}
    steps = set(itertools.pairwise(TASKS))
    days = {("resolve_day", task) for task in (*STAGES, "record")}
    assert edges == steps | days


def test_every_stage_of_the_pass_is_a_task_that_calls_it(pipeline: DAG) -> None:
    assert set(pipeline.task_dict) == set(TASKS)
    for name in STAGES:
        source = pipeline.task_dict[name].python_callable.__code__
        assert f"pipeline.stages.{name}" in source.co_names


def test_the_tasks_that_sync_only_skips_are_those_that_need_a_source(pipeline: DAG) -> None:
    assert pipeline.task_dict["read_sources"].downstream_task_ids == {SOURCE_STAGES[0]}
    assert SOURCE_STAGES[-1] in pipeline.task_dict["audit"].upstream_task_ids


def test_only_the_audit_goes_on_after_a_skipped_task(pipeline: DAG) -> None:
    rules = {name: task.trigger_rule.value for name, task in pipeline.task_dict.items()}
    assert rules.pop("audit") == "none_failed"
    assert set(rules.values()) == {"all_success"}
    assert pipeline.task_dict["read_sources"].ignore_downstream_trigger_rules is False


def test_schedule_catchup_and_concurrency_are_explicit(pipeline: DAG) -> None:
    assert (pipeline.catchup, pipeline.max_active_runs) == (False, 1)
    assert pipeline.start_date <= dt.datetime(2017, 1, 1, tzinfo=dt.UTC)
    assert pipeline.dagrun_timeout == dt.timedelta(hours=12)
    assert all(task.max_active_tis_per_dag == 1 for task in pipeline.tasks)


def test_a_backfill_gives_exactly_its_days(pipeline: DAG) -> None:
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization

    scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(pipeline))
    runs = scheduled.iter_dagrun_infos_between(pendulum.datetime(2017, 11, 1), pendulum.datetime(2017, 11, 4))
    assert [str(run.data_interval.start.date()) for run in runs] == ["2017-11-01", "2017-11-02", "2017-11-03"]


def test_every_task_has_timeout_retries_and_failure_callback(pipeline: DAG) -> None:
    from dags.callbacks import log_failure

    assert pipeline.on_failure_callback == log_failure
    for task in pipeline.tasks:
        assert task.execution_timeout, task.task_id
        assert (task.retries, task.retry_delay) == (2, dt.timedelta(minutes=5)), task.task_id
        assert list(task.on_failure_callback) == [log_failure], task.task_id


def test_a_task_may_not_outlast_the_run(pipeline: DAG) -> None:
    assert sum((task.execution_timeout for task in pipeline.tasks), dt.timedelta()) <= pipeline.dagrun_timeout


def test_params_accept_a_day_or_none_and_nothing_else(pipeline: DAG) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    assert pipeline.params["day"] is None
    assert pipeline.params["sync_only"] is False
    pipeline.params.get_param("day").resolve("2017-11-05")
    for wrong in ({"day": "yesterday"}, {"sync_only": "perhaps"}):
        name, value = next(iter(wrong.items()))
        with pytest.raises(ParamValidationError):
            pipeline.params.get_param(name).resolve(value)


def test_the_page_for_operators_comes_from_the_docstrings(pipeline: DAG) -> None:
    assert all(word in pipeline.doc_md for word in ("sync_only", "Hazards", "Run again", "backfill"))
    assert all(task.doc_md for task in pipeline.tasks)
