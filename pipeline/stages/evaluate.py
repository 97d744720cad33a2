"""The ranker and the indexes of the day, judged on what users did next, beside the champion and simple baselines."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline.atomic import atomic_folder
from pipeline.errors import EmptyDayError, PipelineError
from pipeline.evaluation.business import business
from pipeline.evaluation.contenders import champion_of, champions_ranker
from pipeline.evaluation.judgement import RELEASE
from pipeline.evaluation.judging import judged, judged_users
from pipeline.evaluation.reporting import BUSINESS, EXAMPLES, METRICS, write_report
from pipeline.knowledge import Knowledge, attributes_of_users, learn, open_archive, purchased
from pipeline.quality.provenance import training_set
from pipeline.recommender.release import load_recall
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pipeline.settings import Settings


@stage
def evaluate(day: dt.date, settings: Settings) -> StageResult:
    """Ask `recommend()` for every user with purchases before and after the cut; write `evaluation/day=…`: metrics.json,
    what slots earned in business.json, a few lists with names in examples.json, and report.html for people.

    Raises:
        PipelineError: the ranker of the day is missing.
        EmptyDayError: nobody who was known bought anything on the judged days.
    """
    cut = settings.cut(day)
    ranker = settings.workspace.train(day) / "model.onnx"
    if not ranker.is_file():
        raise PipelineError(
            "stage evaluate", expected=str(ranker), found="none", remedy=f"Run `vitrine stage train --day {day}`."
        )
    known = _knowledge(day, cut, settings)
    first, last = cut + dt.timedelta(days=1), settings.last_judged(day)
    with open_archive(last, settings, since=first) as archive:  # what happened then was archived no earlier
        bought = purchased(archive, first, last)
        attributes = attributes_of_users(archive, settings.evaluation.segments)
    if not len(judged_users(known, bought)):
        raise EmptyDayError(
            f"stage evaluate, day {day}",
            expected=f"known users who bought something on {first} … {last}",
            found="none",
            remedy="Choose an earlier day, or `evaluation.holdout: preceding`.",
        )
    champion = champion_of(day, settings)
    found = judged(
        known,
        bought,
        ranker=ranker,
        champion=champions_ranker(champion, settings),
        attributes=attributes,
        settings=settings,
    )
    report = {
        "day": str(day),
        "cut": str(cut),
        "judged": [str(first), str(last)],
        "users": len(found.users),
        "champion": champion,
        **found.report,
        "data": training_set(settings.workspace.clean, cut).checksum,
    }
    folder = settings.workspace.evaluation(day)
    with atomic_folder(folder) as aside:
        (aside / METRICS).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        (aside / BUSINESS).write_text(json.dumps(_business(day, settings), indent=1) + "\n", encoding="utf-8")
        (aside / EXAMPLES).write_text(json.dumps(found.examples, indent=1) + "\n", encoding="utf-8")
    write_report(day, settings)
    counts = {**report["models"][RELEASE], "milliseconds_per_list": round(found.milliseconds, 2)}
    return StageResult((folder,), len(found.users), counts)


def _business(day: dt.date, settings: Settings) -> dict[str, Any]:
    """What recommendation slots earned in the weeks up to the day."""
    return business(day - dt.timedelta(days=settings.evaluation.business_days - 1), day, settings)


def _knowledge(day: dt.date, cut: dt.date, settings: Settings) -> Knowledge:
    """What was known at the cut: the day's own partitions when the cut is the day, else computed for the cut."""
    if cut != day:
        with open_archive(cut, settings) as archive:
            return learn(archive, cut, settings)
    features = settings.workspace.features(day)
    snapshot = read_snapshot(features)
    return Knowledge(snapshot, read_history(features), load_recall(settings.workspace.recall(day)))
