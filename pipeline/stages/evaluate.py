"""The ranker and the indexes of the day, judged on what users did next, beside the champion and simple baselines."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np

from feature_store.schema import PURCHASE
from feature_store.snapshot import read_history, read_snapshot
from pipeline.atomic import atomic_folder
from pipeline.errors import EmptyDayError, PipelineError
from pipeline.evaluation.contenders import baseline_lists, champion_of, champions_ranker, lists_of
from pipeline.evaluation.judgement import CHAMPION, RELEASE, Truth, judgement
from pipeline.knowledge import Knowledge, learn, open_archive, purchased
from pipeline.quality.provenance import training_set
from pipeline.recommender.release import load_recall
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from pipeline.settings import Settings


@stage
def evaluate(day: dt.date, settings: Settings) -> StageResult:
    """Ask `recommend()` for every user with purchases before and after the cut; write `evaluation/day=…/metrics.json`.

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
    users = _judged_users(known, bought)
    if not len(users):
        raise EmptyDayError(
            f"stage evaluate, day {day}",
            expected=f"known users who bought something on {first} … {last}",
            found="none",
            remedy="Choose an earlier day, or `evaluation.holdout: preceding`.",
        )
    champion = champion_of(day, settings)
    lists = {RELEASE: lists_of(RELEASE, known, ranker, users, settings)}
    if rival := champions_ranker(champion, settings):
        lists[CHAMPION] = lists_of(CHAMPION, known, rival, users, settings)
    if settings.evaluation.baselines:
        lists |= baseline_lists(known, users, settings)
    purchases, catalog = known.history.of_kind(PURCHASE), known.snapshot.item_side.catalog
    truth = _truth(known, users, bought)
    report = {
        "day": str(day),
        "cut": str(cut),
        "judged": [str(first), str(last)],
        "users": len(users),
        "champion": champion,
        **judgement(lists, truth, catalog, purchases, as_of=known.snapshot.as_of, seed=settings.seed),
        "data": training_set(settings.workspace.clean, cut).checksum,
    }
    folder = settings.workspace.evaluation(day)
    with atomic_folder(folder) as aside:
        (aside / "metrics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return StageResult((folder,), len(users), report["models"][RELEASE])


def _knowledge(day: dt.date, cut: dt.date, settings: Settings) -> Knowledge:
    """What was known at the cut: the day's own partitions when the cut is the day, else computed for the cut."""
    if cut != day:
        with open_archive(cut, settings) as archive:
            return learn(archive, cut, settings)
    features = settings.workspace.features(day)
    snapshot = read_snapshot(features)
    return Knowledge(snapshot, read_history(features, snapshot), load_recall(settings.workspace.recall(day)))


def _judged_users(known: Knowledge, bought: dict[str, dict[str, float]]) -> NDArray[np.int64]:
    """Rows of the users with purchases before the cut and after it."""
    active = np.diff(known.history.of_kind(PURCHASE).offsets) > 0
    found = np.array([str(user) in bought for user in known.snapshot.users], bool)
    return np.flatnonzero(active & found)


def _truth(known: Knowledge, users: NDArray[np.int64], bought: dict[str, dict[str, float]]) -> Truth:
    catalog, purchases = known.snapshot.item_side.catalog, known.history.of_kind(PURCHASE)
    of_user = [bought[str(known.snapshot.users[user])] for user in users]
    return Truth(
        [_rows(catalog, items) for items in of_user],
        [np.array([items[item] for item in sorted(items)]) for items in of_user],
        np.array([len(np.unique(purchases.of(int(user)).time)) for user in users], np.int64),
    )


def _rows(catalog: Catalog, items: dict[str, float]) -> NDArray[np.int32]:
    """Rows of what a user took; an item the catalog does not know yet has a number of its own below -1."""
    rows = catalog.rows_of_ids(sorted(items))
    return np.where(rows >= 0, rows, -2 - np.arange(len(rows), dtype=np.int32))
