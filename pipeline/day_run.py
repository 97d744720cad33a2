"""One day through every stage, or, with `sync_only`, through those that need no source."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

from monitoring.textfile import write_metrics
from pipeline.locks import day_lock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from pipeline.settings import Settings
    from pipeline.stage import Stage, StageResult

STAGES = (
    "demo",
    "extract",
    "clean",
    "validate",
    "audit",
    "features",
    "sync",
    "train",
    "recall",
    "evaluate",
    "publish",
    "reload",
)
"""In the order of the pass; each is the function of that name in the module of that name."""
SOURCE_STAGES = ("demo", "extract", "clean", "validate")
"""What `sync_only` leaves out: they read or judge the sources."""


def load_stage(name: str) -> Stage:
    """The stage called `name`, its libraries imported only now."""
    work: Stage = getattr(importlib.import_module(f"pipeline.stages.{name}"), name)
    return work


def run(day: dt.date, settings: Settings, *, sync_only: bool = False) -> Iterator[StageResult]:
    """The pass of `day`, one result a stage as it finishes. The day is locked until the last one is taken.

    Raises:
        LockedError: another run of this day holds the lock.
        VitrineError: a stage failed; partitions and releases of before are as they were.
    """
    with day_lock(day, settings):
        for name in STAGES:
            if not (sync_only and name in SOURCE_STAGES):
                yield load_stage(name)(day, settings)


def run_and_record(day: dt.date, settings: Settings, *, sync_only: bool = False) -> list[StageResult]:
    """The pass of `day`, whole; afterwards its metrics lie where `record` writes them."""
    results = list(run(day, settings, sync_only=sync_only))
    record(day, settings, results)
    return results


def record(day: dt.date, settings: Settings, results: Sequence[StageResult]) -> None:
    """Write the metrics of a run of `day` that has ended to `<work_dir>/metrics/vitrine.prom`."""
    evaluation = settings.workspace.evaluation(day) / "metrics.json"
    models = json.loads(evaluation.read_text(encoding="utf-8"))["models"]
    write_metrics(settings.work_dir / "metrics" / "vitrine.prom", results, models, settings.end_of(day))
