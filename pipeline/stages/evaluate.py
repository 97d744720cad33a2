"""The ranker and the indexes of the day, judged on what users did next, beside simple baselines."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history import empty_history
from feature_store.registry import feature_set_id, ranker_features
from feature_store.schema import PURCHASE
from feature_store.snapshot import read_history, read_snapshot
from pipeline.atomic import atomic_folder
from pipeline.errors import EmptyDayError, PipelineError
from pipeline.knowledge import Knowledge, learn, open_archive, purchased, record_of
from pipeline.progress import track
from pipeline.quality.provenance import training_set
from pipeline.recommender.baselines import BASELINES
from pipeline.recommender.metrics import judge, means
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.recall.source import Asker, Candidates
from pipeline.recommender.recommend import Request, recommend
from pipeline.recommender.release import Manifest, Release, load_recall
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from pipeline.settings import Settings

SCENE = "home"


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
        truth = purchased(archive, first, last)
    users = _judged_users(known, truth)
    if not len(users):
        raise EmptyDayError(
            f"stage evaluate, day {day}",
            expected=f"known users who bought something on {first} … {last}",
            found="none",
            remedy="Choose an earlier day, or `evaluation.holdout: preceding`.",
        )
    relevant = [_rows(known.snapshot.item_side.catalog, truth[str(known.snapshot.users[user])]) for user in users]
    lists = {"release": _release_lists(known, ranker, users, settings)}
    if settings.evaluation.baselines:
        catalog, size = known.snapshot.item_side.catalog, settings.evaluation.list_size
        bought = known.history.of_kind(PURCHASE)
        for baseline in track(BASELINES, "baselines"):
            lists[baseline.name] = baseline.lists(bought, catalog, known.snapshot.as_of, users, size)
    metrics = {name: means(judge(chosen, relevant)) for name, chosen in lists.items()}
    report = {
        "day": str(day),
        "cut": str(cut),
        "judged": [str(first), str(last)],
        "users": len(users),
        "models": metrics,
        "data": training_set(settings.workspace.clean, cut).checksum,
    }
    folder = settings.workspace.evaluation(day)
    with atomic_folder(folder) as aside:
        (aside / "metrics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return StageResult((folder,), len(users), metrics["release"])


def _knowledge(day: dt.date, cut: dt.date, settings: Settings) -> Knowledge:
    """What was known at the cut: the day's own partitions when the cut is the day, else computed for the cut."""
    if cut != day:
        with open_archive(cut, settings) as archive:
            return learn(archive, cut, settings)
    features = settings.workspace.features(day)
    snapshot = read_snapshot(features)
    return Knowledge(snapshot, read_history(features, snapshot), load_recall(settings.workspace.recall(day)))


def _judged_users(known: Knowledge, truth: dict[str, set[str]]) -> NDArray[np.int64]:
    """Rows of the users with purchases before the cut and after it."""
    active = np.diff(known.history.of_kind(PURCHASE).offsets) > 0
    bought = np.array([str(user) in truth for user in known.snapshot.users], bool)
    return np.flatnonzero(active & bought)


def _rows(catalog: Catalog, items: set[str]) -> NDArray[np.int32]:
    """Rows of what a user took; an item the catalog does not know yet has a number of its own below -1."""
    rows = catalog.rows_of_ids(sorted(items))
    return np.where(rows >= 0, rows, -2 - np.arange(len(rows), dtype=np.int32))


def candidate_release(known: Knowledge, ranker: Path, settings: Settings) -> Release:
    """The release as it would be published, in memory."""
    manifest = Manifest(
        release="candidate",
        day="",
        as_of=known.snapshot.as_of,
        feature_set=feature_set_id(),
        features=ranker_features(),
        scenes=dict(settings.scenes),
        metrics={},
        data={},
        files={},
    )
    nobody = Asker(empty_history(), known.snapshot.as_of)
    popular = known.recall["popular"].candidates(nobody, 1) if "popular" in known.recall else None
    fallback = popular or Candidates(np.empty(0, np.int32), np.empty(0, np.float32))
    return Release(manifest, known.snapshot.item_side, known.recall, OnnxRanker(ranker), fallback)


def _release_lists(known: Knowledge, ranker: Path, users: NDArray[np.int64], settings: Settings) -> NDArray[np.int32]:
    """What `recommend()` answers each user at the cut, shape (users, list size), -1 where the list is shorter."""
    release, size = candidate_release(known, ranker, settings), settings.evaluation.list_size
    catalog = known.snapshot.item_side.catalog
    chosen = np.full((len(users), size), -1, np.int32)
    for at, user in enumerate(track(users, "lists of the release", total=len(users))):
        request = Request(str(known.snapshot.users[user]), known.snapshot.as_of, size, SCENE)
        answer = recommend(request, release, record_of(known.snapshot, known.history, int(user)))
        chosen[at, : len(answer.items)] = catalog.rows_of_ids([item.item_id for item in answer.items])
    return chosen
