"""What the gate asks of features: none knows the future, none was served otherwise than training makes it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from feature_store.registry import ranker_features
from pipeline.audits.leaks import audit_leaks, last_day
from pipeline.audits.results import keep_result, kept, kept_facts
from pipeline.audits.skew import measure_skew
from pipeline.errors import EmptyDayError
from pipeline.exposures import exposure_days
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings

log = logging.getLogger(__name__)


@stage
def audit(day: dt.date, settings: Settings) -> StageResult:
    """Look for leaks when the features changed since none was found; compare what was served on `day` with what
    training makes of it. What is found is kept in `audits/`, where the gate reads it.

    It comes before `features`, which may make the snapshots of earlier days again that serving used. A skew does not
    stop the day, because another sync may mend it, but the gate will refuse the day's release.

    Raises:
        LeakError: a feature knows the future (names every one).
        ArchiveError: a cleaned table is missing or unreadable.
    """
    looked_for = _look_for_leaks(day, settings)
    vectors = _compare_served(day, settings)
    counts = {**kept_facts(settings), "looked_for_leaks": float(looked_for), "vectors": float(vectors)}
    return StageResult((settings.workspace.audits,), len(ranker_features(settings.recall_sources)), counts)


def _look_for_leaks(day: dt.date, settings: Settings) -> bool:
    """Whether it was necessary."""
    if (kept("leaks", settings) or {}).get("leaks") == 0:
        return False
    audited = last_day(day, settings)
    try:
        audit_leaks(audited, settings)
    except EmptyDayError as error:
        keep_result("leaks", audited, {}, settings)
        log.warning("leaks could not be looked for", extra={"day": str(audited), "why": str(error)})
    return True


def _compare_served(day: dt.date, settings: Settings) -> int:
    """How many vectors were compared; none where nothing was served, or nothing of it can be computed again."""
    if str(day) not in exposure_days(settings):
        return 0
    try:
        found = measure_skew(day, settings)
    except EmptyDayError as error:
        log.warning("no served vector could be compared", extra={"day": str(day), "why": error.found})
        return 0
    if found.differs:
        log.warning("serving and training differ", extra={"day": str(day), "shares": found.shares})
    return found.rows
