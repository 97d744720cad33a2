"""The exposure log: what was shown to whom, and why, written beside the answers and never before them.

One row an item shown, in `day=…/*.parquet`, the day being the UTC day of the answer. A queue between requests and a
thread keeps disks out of the way of answers; when it is full, or a disk is, rows are counted and lost.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import os
import queue
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.names import EXPOSURES
from pipeline.atomic import atomic_file
from serving.parquet import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.recommender.recommend import Answer, Request
    from pipeline.settings import Exposures
    from serving.parquet import Kind
    from serving.telemetry import Telemetry

log = logging.getLogger(__name__)

COLUMNS: dict[str, Kind] = {
    "request_id": "text",
    "time": "time",  # of the answer
    "asked_at": "integer",  # the moment the features are of, seconds since 1970 UTC
    "scene": "text",
    "device": "text",
    "variant": "text",
    "user_id": "text",
    "release": "text",
    "online_version": "text",  # empty: nothing was known, the default vector and no history
    "degrade_level": "integer",
    "position": "integer",  # from 1
    "item_id": "text",
    "sources": "text",  # those that offered it, comma separated
    "score": "real",
    "propensity": "real",  # the probability with which the policy showed it here; 1: it always would
    # The next two are of position 1 where vectors are kept or the scene explores: what makes the list again.
    "recent": "bytes",  # events that the snapshot does not know, `recent.RECENT`
    "exclude": "text",  # the items that the request did not want, a JSON list
    "vector": "bytes",  # float32, in the order of the release's features; empty where it is not kept
}
_BATCH = 500
"""Requests per file at most: their rows take a few milliseconds to encode."""
_TICK_SECONDS = 0.2
_SECONDS_TO_FINISH = 10
_CERTAIN = 1.0
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Exposure:
    """One answer on its way into the log. `with_vectors`: whether it is one whose vectors are kept."""

    request_id: str
    time: float
    request: Request
    release: str
    online_version: str
    recent: bytes
    answer: Answer
    with_vectors: bool


class ExposureLog:
    """Takes answers from any thread at once and writes them from one of its own."""

    def __init__(self, folder: Path, choices: Exposures, telemetry: Telemetry) -> None:
        self._folder, self._choices, self._telemetry = folder, choices, telemetry
        self._queue: queue.Queue[Exposure] = queue.Queue(choices.queue)
        self._ending, self._failing = threading.Event(), False
        self._number = itertools.count()
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        if choices.enabled:
            self._thread.start()

    def add(
        self, request_id: str, request: Request, release: str, online_version: str, recent: bytes, answer: Answer
    ) -> None:
        """Put an answer into the queue; a full queue costs the row, never the answer."""
        if not self._choices.enabled:
            return
        kept = answer.vectors is not None and random.random() < self._choices.vector_share  # noqa: S311 - a sample
        try:
            self._queue.put_nowait(
                Exposure(request_id, time.time(), request, release, online_version, recent, answer, kept)
            )
        except queue.Full:
            self._telemetry.count(EXPOSURES, outcome="dropped")

    def close(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        if self._choices.enabled:
            self._thread.join(_SECONDS_TO_FINISH)

    def _work(self) -> None:
        while not (self._ending.is_set() and self._queue.empty()):
            batch = self._next_batch()
            for day, exposures in itertools.groupby(batch, key=_day):
                self._write(day, list(exposures))

    def _next_batch(self) -> list[Exposure]:
        """Up to `_BATCH` answers; fewer when `flush_seconds` have passed since the first, or at the end."""
        batch: list[Exposure] = []
        until = time.monotonic() + self._choices.flush_seconds
        while len(batch) < _BATCH and time.monotonic() < until:
            try:
                batch.append(self._queue.get(timeout=_TICK_SECONDS))
            except queue.Empty:
                if self._ending.is_set():
                    break
        return batch

    def _write(self, day: dt.date, batch: Sequence[Exposure]) -> None:
        name = f"{time.time_ns()}-{os.getpid()}-{next(self._number)}.parquet"
        try:
            with atomic_file(self._folder / f"day={day}" / name) as aside:
                aside.write_bytes(encode(COLUMNS, columns_of(batch)))
        except Exception as error:  # the outermost frame of this thread: a log that cannot be written must not end it
            self._telemetry.count(EXPOSURES, len(batch), outcome="failed")
            if not self._failing:
                log.exception("exposures lost", extra={"folder": str(self._folder), "reason": str(error)})
            self._failing = True
        else:
            self._telemetry.count(EXPOSURES, len(batch), outcome="written")
            self._failing = False


def _day(exposure: Exposure) -> dt.date:
    return dt.datetime.fromtimestamp(exposure.time, dt.UTC).date()


def columns_of(batch: Iterable[Exposure]) -> dict[str, list[object]]:
    """Column -> values, one for every item shown."""
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for exposure in batch:
        request, answer = exposure.request, exposure.answer
        of_request = (
            exposure.request_id,
            int(exposure.time * _MICROSECONDS),
            request.asked_at,
            request.scene,
            request.device or "",
            "",
            request.user_id,
            exposure.release,
            exposure.online_version,
            answer.degrade_level,
        )
        for at, choice in enumerate(answer.items):
            kept = exposure.with_vectors and answer.vectors is not None
            told = not at and (kept or answer.propensity is not None)
            row = (
                *of_request,
                at + 1,
                choice.item_id,
                ",".join(choice.sources),
                choice.score,
                _CERTAIN if answer.propensity is None else float(answer.propensity[at]),
                exposure.recent if told else b"",
                json.dumps(request.exclude) if told else "",
                answer.vectors[at].tobytes() if kept and answer.vectors is not None else b"",
            )
            for name, value in zip(COLUMNS, row, strict=True):
                columns[name].append(value)
    return columns
