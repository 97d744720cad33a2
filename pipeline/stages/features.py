"""The snapshot of the day, and again those of the days before it of which something was told since."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from feature_store.days import partition_day
from feature_store.made_from import is_stale, made_from, write_made_from
from feature_store.snapshot import arrays_of, compute_snapshot, write_snapshot
from pipeline.atomic import atomic_folder
from pipeline.errors import LockedError
from pipeline.knowledge import history_of_everybody, open_archive
from pipeline.locks import day_lock
from pipeline.rollups import rolled_up
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

log = logging.getLogger(__name__)


@stage
def features(day: dt.date, settings: Settings) -> StageResult:
    """Read the clean archive up to `day`, write `features/day=…`: every stored feature and everybody's history, as of
    the end of the day; then the snapshots of the last `compute.stale_days` days that are stale.

    Raises:
        ArchiveError: a cleaned table is missing or unreadable.
    """
    folder, counts = _write_snapshot(day, day, settings)
    made_again = [_make_again(late, day, settings) for late in stale_days(day, settings)]
    rows = sum(count for name, count in counts.items() if name.endswith(" rows"))
    again = [path for path in made_again if path is not None]
    return StageResult((folder, *again), int(rows), {**counts, "days made again": float(len(again))})


def stale_days(day: dt.date, settings: Settings) -> list[dt.date]:
    """Days before `day`, within `compute.stale_days`, whose snapshot was made by other code or from other partitions
    than the archive now tells of them.
    """
    space, earlier = (
        settings.workspace,
        (day - dt.timedelta(days=ago) for ago in range(1, settings.compute.stale_days + 1)),
    )
    made = [each for each in earlier if space.features(each).is_dir()]
    return [each for each in made if is_stale(space.features(each), _sources(each, day, settings))]


def _sources(day: dt.date, through: dt.date, settings: Settings) -> dict[str, str]:
    last = max(through, partition_day(settings.end_of(through) - 1))
    return made_from(settings.workspace.clean, day, last, settings.timezone)


def _make_again(late: dt.date, through: dt.date, settings: Settings) -> Path | None:
    try:
        with day_lock(late, settings):
            log.info("snapshot made again", extra={"day": str(late), "through": str(through)})
            return _write_snapshot(late, through, settings)[0]
    except LockedError:
        log.warning("stale snapshot left to the run that holds its day", extra={"day": str(late)})
        return None


def _write_snapshot(day: dt.date, through: dt.date, settings: Settings) -> tuple[Path, dict[str, float]]:
    """The snapshot of the end of `day` from the partitions up to `through`."""
    sources = _sources(day, through, settings)
    folder = settings.workspace.features(day)
    with (
        rolled_up(day, through, settings) as past,
        open_archive(through, settings, day=day, past=past) as archive,
        atomic_folder(folder) as aside,
    ):
        tables = compute_snapshot(archive, day)
        write_snapshot(aside, tables, day, settings.timezone)
        history = history_of_everybody(archive, arrays_of(tables, settings.end_of(day)), settings, aside)
        write_made_from(aside, sources)
    counts = {f"{entity} rows": float(table.num_rows) for entity, table in tables.items()}
    return folder, {**counts, "events": float(len(history.item))}
