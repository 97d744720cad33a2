"""Finds features that know the future: their value changes with it, or they tell the label better than one can."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.registry import ranker_features
from pipeline.audits.results import keep_result
from pipeline.errors import EmptyDayError, LeakError
from pipeline.knowledge import open_archive
from pipeline.recommender.weeks import week_of_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.settings import Settings

TOO_GOOD = 0.9
"""AUC of one feature by itself: halfway from the best honest one of the demo shop, `user_item_habit_120d` with 0.80 on
six days of 2017 (4 June to 29 October), to knowing the label."""
LARGEST_FALL = 0.04
"""By how much a feature's AUC may fall from one day to the next, beyond what few rows do by chance: honest ones moved
by less than 0.02 on the same days."""
_CHANCE_ERRORS = 3
"""Standard errors that are put down to chance; of one AUC at most the root of AUC (1 - AUC) over the rows of the rarer
label (Van Dantzig 1951)."""


@dataclass(frozen=True)
class Leak:
    """A feature, and what gave it away."""

    feature: str
    why: str


def find_leaks(day: dt.date, settings: Settings) -> list[Leak]:
    """Every leak that examples of the end of `day`, and of the day after, give away; the archive must go on for a
    horizon after that.

    Raises:
        ArchiveError: a cleaned table is missing or unreadable.
        EmptyDayError: nobody bought anything that recall offered.
    """
    following = day + dt.timedelta(days=1)
    # Lists that were shown are described at moments of their own; here everything is asked at the end of the day.
    asked = settings.training.model_copy(update={"examples": "recall", "ranker": "lightgbm"})
    settings = settings.model_copy(update={"training": asked})
    with open_archive(following + settings.horizon, settings) as archive:
        whole = week_of_examples(archive, day, settings)
        past = week_of_examples(archive.before(archive.end_of(day)), day, settings, future=archive)
        next_day = week_of_examples(archive.before(archive.end_of(following)), following, settings, future=archive)
    if not len(whole.label) or not len(next_day.label):
        raise EmptyDayError(
            f"audit of {day}",
            expected="users who bought offered items in the horizon after it",
            found="none",
            remedy="Name an earlier day, or check `events` in the clean archive.",
        )
    names = ranker_features(settings.recall_sources)
    doubtful = [leak for leak in too_good(whole, next_day, names) if leak.feature not in settings.audits.trusted]
    return [*changed_by_future(past, whole, names), *doubtful]


def last_day(day: dt.date, settings: Settings) -> dt.date:
    """The last day that can be audited when the archive ends with `day`."""
    return day - settings.horizon - dt.timedelta(days=1)


def audit_leaks(day: dt.date, settings: Settings) -> int:
    """How many features were looked at, when none leaks; the gate is told how many do.

    Raises:
        LeakError: names every one that does.
    """
    leaks = find_leaks(day, settings)
    keep_result("leaks", day, {"leaks": float(len(leaks))}, settings)
    if leaks:
        raise LeakError(
            f"audit of {day}",
            expected="no feature that knows the future",
            found="; ".join(f"{leak.feature}: {leak.why}" for leak in leaks),
            remedy="Mend the definition: a feature may look at events before the moment of asking only. One that tells"
            " so much for a good reason is named in `audits.trusted`.",
        )
    return len(ranker_features(settings.recall_sources))


def changed_by_future(past: Examples, whole: Examples, names: Sequence[str]) -> list[Leak]:
    """Features that differ between examples made without the events after the moment, and with them."""
    if past.matrix.shape != whole.matrix.shape or (past.label != whole.label).any():
        return [Leak("recall", "offers other items when events after the moment of asking are added")]
    differs = (past.matrix != whole.matrix) & ~(np.isnan(past.matrix) & np.isnan(whole.matrix))
    return [
        Leak(name, f"changes in {rows} of {len(past.label)} rows when events after the moment of asking are added")
        for name, rows in zip(names, differs.sum(axis=0).tolist(), strict=True)
        if rows
    ]


def too_good(now: Examples, following: Examples, names: Sequence[str]) -> list[Leak]:
    """Features that by themselves tell the label as nothing known before can, or far better than a day later."""
    found = []
    fewest = min(int((each.label == label).sum()) for each in (now, following) for label in (0, 1))
    for at, name in enumerate(names):
        one, next_one = (separation(each.matrix[:, at], each.label) for each in (now, following))
        chance = _CHANCE_ERRORS * np.sqrt(one * (1 - one) / max(fewest, 1))
        if one > TOO_GOOD + chance:
            found.append(Leak(name, f"tells the label by itself with AUC {one:.3f}, above {TOO_GOOD}"))
        elif one - next_one > LARGEST_FALL + chance * np.sqrt(2):
            found.append(Leak(name, f"tells the label with AUC {one:.3f}, a day later with {next_one:.3f}"))
    return found


def separation(column: NDArray[np.float32], label: NDArray[np.int8]) -> float:
    """AUC of a column by itself, whichever way it points: 0.5 tells nothing, 1 everything; ties count half."""
    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return 0.5
    auc = (rank[label == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(max(auc, 1 - auc))
