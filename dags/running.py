"""What every task of a pipeline DAG needs: its day, and a stage run under the lock of that day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from pipeline.configuration import load_settings
from pipeline.errors import DataContractError, DayOutsideDataError, LeakError, SettingsError
from pipeline.locks import day_lock
from pipeline.stage import Stage, StageResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    Summary = dict[str, JsonValue]
    """A `StageResult` as an XCom."""

HOPELESS = (DataContractError, DayOutsideDataError, LeakError, SettingsError)
"""Errors that the next attempt would meet again: the task fails at once, without its retries."""


def day_of_run(named: str | None, interval_start: dt.datetime | None) -> str:
    """The day named by the run's params, else the day its data interval begins; ISO text, because XComs are JSON.

    Raises:
        AirflowFailException: the run has neither. The clock is never asked: a run repeated later must do the same day.
    """
    if named is not None:
        return dt.date.fromisoformat(named).isoformat()
    if interval_start is None:
        raise AirflowFailException('this run has no data interval: name its day, {"day": "2017-11-05"}')
    return interval_start.date().isoformat()


def run(stage: Stage, day: str) -> Summary:
    """Run one stage of `day`, holding the day's lock no longer than the stage takes; returns its result as JSON."""
    date = dt.date.fromisoformat(day)
    try:
        settings = load_settings()
        with day_lock(date, settings):
            return as_json(stage(date, settings))
    except HOPELESS as error:
        raise AirflowFailException(str(error)) from error


def record_run(day: str, summaries: Sequence[Summary | None]) -> None:
    """Write the metrics of the run: one summary a stage, None for a stage that was skipped."""
    from pipeline.day_run import record

    record(dt.date.fromisoformat(day), load_settings(), [from_json(summary) for summary in summaries if summary])


def as_json(result: StageResult) -> Summary:
    return {
        "stage": result.stage,
        "day": result.day.isoformat(),
        "rows": int(result.rows),
        "seconds": round(result.seconds, 3),
        "peak_memory_bytes": result.peak_memory_bytes,
        "paths": [str(path) for path in result.paths],
        "counts": {name: float(count) for name, count in result.counts.items()},
        "decision": result.decision,
    }


def from_json(summary: Mapping[str, Any]) -> StageResult:  # `Any`: what was JSON for a while has lost its types
    return StageResult(
        paths=tuple(Path(path) for path in summary["paths"]),
        rows=summary["rows"],
        counts=summary["counts"],
        stage=summary["stage"],
        day=dt.date.fromisoformat(summary["day"]),
        seconds=summary["seconds"],
        peak_memory_bytes=summary["peak_memory_bytes"],
        decision=summary["decision"],
    )
