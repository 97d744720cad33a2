"""Locks that the kernel holds for a process and lets go when it dies, however it dies."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import logging
import math
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.atomic import sweep
from pipeline.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.1


@contextmanager
def held(path: Path, what: str, wait_seconds: float = math.inf) -> Iterator[None]:
    """Hold the lock `path`, which guards `what`; the file says who holds it.

    Raises:
        LockedError: another process holds it and `wait_seconds` have passed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    with path.open("a+", encoding="utf-8") as handle:
        waiting = False
        while not _taken(handle.fileno()):
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            if time.monotonic() >= deadline:
                raise LockedError(
                    what,
                    expected="no other run at it",
                    found=f"one that holds {path}: {holder}",
                    remedy="Wait for it, stop it, or set `lock_wait_seconds` to queue behind it.",
                )
            if not waiting:
                log.warning("waiting for another run", extra={"at": what, "holder": holder})
                waiting = True
            time.sleep(_LOOK_SECONDS)
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid(), "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}))
        handle.flush()
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def day_lock(day: dt.date, settings: Settings) -> Iterator[None]:
    """Hold the run of `day`, and clear away what killed runs of it left half written.

    Raises:
        LockedError: another process holds it and `lock_wait_seconds` have passed.
    """
    space = settings.workspace
    with held(space.locks / f"{day}.lock", f"day {day}", settings.lock_wait_seconds):
        for partition in (space.features, space.train, space.recall, space.evaluation, settings.staging):
            sweep(partition(day).parent, partition(day).name)  # nobody else writes them while the lock is held
        yield
