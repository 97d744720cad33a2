"""Serving's metrics, as `monitoring/names.py` defines them, and the middleware that counts requests."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from monitoring.names import REQUEST_BUCKETS_SECONDS, REQUEST_SECONDS, REQUESTS, SERVING, Metric

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers share their counts; prometheus_client's own name."""
_UNKNOWN_PATH = "other"


class Telemetry:
    """One process's metrics in a registry of its own; with several workers, everybody's are shown."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody asks for
        self._registry = CollectorRegistry()
        self._metrics = {metric.name: _make(metric, self._registry) for metric in SERVING}
        self._told: dict[str, dict[str, str]] = {}

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        counter = self._labelled(metric, labels)
        assert isinstance(counter, Counter)  # noqa: S101 - names and kinds are fixed in monitoring/names.py
        counter.inc(amount)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        histogram = self._labelled(metric, labels)
        assert isinstance(histogram, Histogram)  # noqa: S101 - as above
        histogram.observe(value)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        gauge = self._labelled(metric, labels)
        assert isinstance(gauge, Gauge)  # noqa: S101 - as above
        gauge.set(value)

    def replace(self, metric: Metric, **labels: str) -> None:
        """Set the gauge to 1 for these labels, and to 0 for those it was told of before them."""
        before = self._told.get(metric.name)
        if before is not None and before != labels:
            self.set(metric, 0, **before)
        self._told[metric.name] = labels
        self.set(metric, 1, **labels)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        if MULTIPROCESS_FOLDER not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        return generate_latest(everybody)

    def _labelled(self, metric: Metric, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        made = self._metrics[metric.name]
        return made.labels(**labels) if labels else made


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if metric.kind == "counter":
        return Counter(metric.name, metric.meaning, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.meaning, metric.labels, registry=registry, multiprocess_mode="mostrecent")
    return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=REQUEST_BUCKETS_SECONDS)


class CountRequests:
    """Counts every answer by route and status, and times it."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = "500", time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            # The route's template, never the path as asked: labels must stay few.
            path = getattr(scope.get("route"), "path", _UNKNOWN_PATH)
            self._telemetry.observe(REQUEST_SECONDS, time.perf_counter() - start, path=path)
            self._telemetry.count(REQUESTS, path=path, status=status)
