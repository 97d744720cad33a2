"""What every stage has in common: one result, clear disk errors, start and end in the log, seconds, peak memory."""

from __future__ import annotations

import datetime as dt
import errno
import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_store.errors import VitrineError
from pipeline.blas import products_on_one_thread
from pipeline.errors import StorageError
from pipeline.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageResult:
    """What a stage did: `rows` is its headline count, `counts` everything else worth knowing; `decision`: what the
    gate said, of the stage that asked it.
    """

    paths: tuple[Path, ...]
    rows: int
    counts: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    day: dt.date = dt.date.min
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    decision: dict[str, Any] | None = None


Stage = Callable[[dt.date, Settings], StageResult]


def _reset_peak_memory() -> None:
    """Make the kernel forget the process's highest resident size, so that each stage shows its own (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        log.debug("peak memory is of the whole process")


def _peak_memory_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


_DISK = {errno.ENOSPC: "a full disk", errno.EDQUOT: "a used-up quota", errno.EROFS: "a read-only disk"}
_FULL = ("No space left", "disk is full", " requested and ")
"""What DuckDB, SQLite and NumPy ("… requested and … written") say of a full disk in errors of their own."""


@contextmanager
def storage_errors(stage: str, settings: Settings) -> Iterator[None]:
    """Translate what the disk says into something a person can act on."""
    try:
        yield
    except Exception as error:
        # Every library has its own class for it; whatever is not about the disk goes on as it is.
        trouble = _DISK.get(error.errno or 0) if isinstance(error, OSError) else None
        if trouble is None and any(words in str(error) for words in _FULL):
            trouble = "a full disk"
        if trouble is None or isinstance(error, VitrineError):
            raise
        raise StorageError(
            f"stage {stage}",
            expected=f"room to write below {settings.work_dir}",
            found=f"{trouble} ({str(error).splitlines()[0]})",
            remedy="Free space and run the stage again; the last good partitions are untouched.",
        ) from error


def stage(work: Stage) -> Stage:
    """Turn a function of a day and settings into a stage: logged, timed, its disk errors made clear, its products the
    same on any number of cores.
    """
    name = work.__name__

    @functools.wraps(work)
    def run(day: dt.date, settings: Settings) -> StageResult:
        log.info("stage started", extra={"stage": name, "day": str(day)})
        _reset_peak_memory()
        start = time.perf_counter()
        with storage_errors(name, settings), products_on_one_thread():
            result = work(day, settings)
        seconds, peak = time.perf_counter() - start, _peak_memory_bytes()
        log.info(
            "stage finished",
            extra={"stage": name, "day": str(day), "rows": result.rows, "seconds": round(seconds, 2), **result.counts},
        )
        return StageResult(result.paths, result.rows, result.counts, name, day, seconds, peak, result.decision)

    return run
