"""The past before a Monday, rolled up once: what was ever bought, and what histories keep of every event.

A snapshot adds the events since then to it. One without a roll-up adds all events to nothing, by the same code, so
that both are the same to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.partitions import day_of, digest, partitions, span
from feature_store.registry import feature_set_id
from feature_store.repeats import Ever
from feature_store.tables import SECONDS_PER_DAY

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from feature_store.engine import Engine
    from feature_store.offline import Archive

_MONDAY = 4 * SECONDS_PER_DAY
"""The first Monday of 1970 began so many seconds into the year."""
_WEEK = 7 * SECONDS_PER_DAY
_PAIRS, _GAPS, _LOG = "pairs", "gaps", "log"


@dataclass(frozen=True)
class Rollup:
    """What happened before the moment `until` (seconds since 1970 UTC), in the files of a folder."""

    until: int
    folder: Path

    def ever(self, engine: Engine) -> Ever:
        """What was ever bought before `until`."""
        return Ever(*(engine.files(f"past_{name}", self.folder / name) for name in (_PAIRS, _GAPS)))

    @property
    def log(self) -> Path:
        """What histories keep of every event before `until` (`Archive.log`)."""
        return self.folder / _LOG


def last_monday(as_of: int, days: float) -> int | None:
    """The last Monday, 00:00 UTC, that lies at least `days` before the moment `as_of`; None without an end to them."""
    if not math.isfinite(days):
        return None
    latest = as_of - math.ceil(days * SECONDS_PER_DAY)
    return latest - (latest - _MONDAY) % _WEEK


def told_before(clean: Path, until: int, through: dt.date) -> dict[str, str]:
    """What a roll-up is made from: `events/day` -> SHA-256 of the partitions up to `through` that tell of something
    before `until`, and the id of the code.
    """
    files = [path for path in partitions(clean, "events", last=through) if span(path, "events")[0] < until]
    return {"feature_set": feature_set_id(), **{f"events/{day_of(path)}": digest(path) for path in files}}


def write_rollup(folder: Path, archive: Archive, until: int) -> None:
    """Roll up what `archive` tells of the time before `until` into `folder`."""
    with archive.log() as log:
        # In order, by which the same is written again, in fewer bytes, and sorted sooner with what comes after it.
        archive.engine.write(log.filter(log["seconds"] < until).order_by(*log.columns), folder / _LOG)
    known = archive.ever(until)
    archive.engine.write(known.pairs, folder / _PAIRS)
    archive.engine.write(known.gaps, folder / _GAPS)
