"""What the last run did, as a Prometheus text file for the node exporter's textfile collector."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from monitoring import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Stage(Protocol):
    """What is told of one stage."""

    @property
    def stage(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def peak_memory_bytes(self) -> int: ...
    @property
    def counts(self) -> Mapping[str, float]: ...


def write_metrics(
    path: Path, stages: Sequence[Stage], evaluation: Mapping[str, Mapping[str, float]], as_of: int
) -> None:
    """Replace `path` in one step.

    evaluation: model -> metric -> value; as_of: end of the run's day, seconds since 1970 UTC
    """
    registry = CollectorRegistry()
    gauge = {m.name: Gauge(m.name, m.meaning, m.labels, registry=registry) for m in names.PIPELINE}
    for stage in stages:
        gauge[names.STAGE_SECONDS.name].labels(stage.stage).set(stage.seconds)
        gauge[names.STAGE_ROWS.name].labels(stage.stage).set(stage.rows)
        gauge[names.STAGE_MEMORY.name].labels(stage.stage).set(stage.peak_memory_bytes)
        if stage.stage == "sync":
            gauge[names.ONLINE_BYTES.name].set(stage.counts["bytes"] / max(stage.rows, 1))
            gauge[names.ONLINE_LEFT_OUT.name].set(stage.counts["users left out"])
        if stage.stage == "audit":
            gauge[names.SKEW_SHARE.name].set(stage.counts.get("skew_share", 0))
            gauge[names.SKEW_VECTORS.name].set(stage.counts["vectors"])
    for model, metrics in evaluation.items():
        for metric, value in metrics.items():
            gauge[names.EVALUATION.name].labels(model, metric).set(value)
    gauge[names.RUN_DAY.name].set(as_of)
    gauge[names.RUN_FINISHED.name].set(time.time())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
