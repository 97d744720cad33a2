"""How good the last judged day was, as a Prometheus text file for the node exporter's textfile collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from monitoring import names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_quality(
    path: Path, *, score: float, minimum: float, parts: Mapping[str, float], met: int, broken: int, as_of: int
) -> None:
    """Replace `path` in one step.

    as_of: end of the judged day, seconds since 1970 UTC
    """
    registry = CollectorRegistry()
    gauge = {m.name: Gauge(m.name, m.meaning, m.labels, registry=registry) for m in names.QUALITY}
    gauge[names.QUALITY_SCORE.name].set(score)
    gauge[names.QUALITY_MINIMUM.name].set(minimum)
    for part, value in parts.items():
        gauge[names.QUALITY_PART.name].labels(part).set(value)
    gauge[names.QUALITY_EXPECTATIONS.name].labels("met").set(met)
    gauge[names.QUALITY_EXPECTATIONS.name].labels("broken").set(broken)
    gauge[names.QUALITY_DAY.name].set(as_of)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
