"""The roll-up of the past from which a snapshot goes on: made when missing or stale, from an earlier one if any."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_store.made_from import is_stale, write_made_from
from feature_store.rollup import Rollup, last_monday, told_before, write_rollup
from feature_store.views import reach_days
from pipeline.atomic import atomic_folder, remove_folder, sweep
from pipeline.knowledge import open_archive
from pipeline.locks import held

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
_BEFORE = "before="
_KEPT_SECONDS = 28 * 86_400
"""Roll-ups further than this from the one in use are removed; stale days and back-fills ask for near ones."""


@contextmanager
def rolled_up(day: dt.date, through: dt.date, settings: Settings) -> Iterator[Rollup | None]:
    """The past from which the snapshot of the end of `day` goes on, nobody else changing it meanwhile; None where there
    is none so long ago.
    """
    until = last_monday(settings.end_of(day), reach_days())
    if until is None:
        log.warning("a feature looks at all events: the snapshot is computed from the whole archive")
        yield None
        return
    space = settings.workspace
    with held(space.locks / "rollups.lock", "the roll-ups"):
        sweep(space.rollups)
        sources = told_before(space.clean, until, through)
        past = _rollup(until, settings)
        if len(sources) == 1:  # nothing but the code
            yield None
            return
        if is_stale(past.folder, sources):
            _make(past, day, through, settings, sources)
        yield past


def remove_rollups(settings: Settings) -> int:
    """Remove all of them, for whoever is in their rows: the next snapshot makes its own anew. How many there were."""
    with held(settings.workspace.locks / "rollups.lock", "the roll-ups"):
        stored = _stored(settings)
        sweep(settings.workspace.rollups)
        for each in stored:
            remove_folder(each.folder)
    return len(stored)


def _make(past: Rollup, day: dt.date, through: dt.date, settings: Settings, sources: dict[str, str]) -> None:
    earlier = _newest_valid(past.until, through, settings)
    log.info("past rolled up", extra={"until": past.folder.name, "from": earlier.folder.name if earlier else "nothing"})
    with (
        open_archive(through, settings, day=day, past=earlier) as archive,
        atomic_folder(past.folder) as aside,
    ):
        write_rollup(aside, archive, past.until)
        write_made_from(aside, sources)
    for other in _stored(settings):
        if abs(other.until - past.until) > _KEPT_SECONDS:
            remove_folder(other.folder)


def _newest_valid(until: int, through: dt.date, settings: Settings) -> Rollup | None:
    """The newest stored one before `until` that still says what the archive does."""
    for each in sorted(_stored(settings), key=lambda stored: -stored.until):
        if each.until < until and not is_stale(each.folder, told_before(settings.workspace.clean, each.until, through)):
            return each
    return None


def _stored(settings: Settings) -> list[Rollup]:
    folders = settings.workspace.rollups.glob(f"{_BEFORE}*")
    return [Rollup(int(folder.name.removeprefix(_BEFORE)), folder) for folder in folders]


def _rollup(until: int, settings: Settings) -> Rollup:
    return Rollup(until, settings.workspace.rollups / f"{_BEFORE}{until}")
