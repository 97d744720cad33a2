"""Who is asked for lists when a release is judged: the release itself, the champion's ranker, the baselines."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history import empty_history
from feature_store.registry import feature_set_id
from feature_store.schema import PURCHASE
from pipeline.evaluation.metrics import PADDING
from pipeline.knowledge import record_of
from pipeline.progress import track
from pipeline.recommender.baselines import BASELINES
from pipeline.recommender.ranker.served import served
from pipeline.recommender.recall import recall_code
from pipeline.recommender.recall.source import Asker, Candidates
from pipeline.recommender.recommend import Ranking, Request, recommend
from pipeline.recommender.release import Manifest, Release, current, read_decision, read_manifest, sha256

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.knowledge import Knowledge
    from pipeline.settings import Settings

    ItemLists = NDArray[np.int32]

log = logging.getLogger(__name__)
SCENE = "home"
RANKER = "ranker/"
"""Where the files of a release lie that training made."""
NOTHING = Ranking(np.empty(0, np.int32), np.empty(0, np.float32))


def champion_of(day: dt.date, settings: Settings) -> str | None:
    """The release against which that of `day` is judged: the one in use. When that holds the day's own ranker, the
    release is judged again, against what it was judged against before.
    """
    name = current(settings.releases)
    if name is not None and _holds(settings.releases / name, settings.workspace.train(day)):
        decision = read_decision(settings.releases / name)
        name = decision["champion"] if decision else None
    return name if name and (settings.releases / name).is_dir() else None


def _holds(release: Path, trained: Path) -> bool:
    """Whether the release's ranker is the one below `trained`, byte for byte."""
    parts = {path: digest for path, digest in read_manifest(release).files.items() if path.startswith(RANKER)}
    files = {path: trained / path.removeprefix(RANKER) for path in parts}
    return all(files[path].is_file() and sha256(files[path]) == digest for path, digest in parts.items())


def champions_ranker(name: str | None, settings: Settings) -> Path | None:
    """The ranker of a release, where this code can ask it: one of other features or recall scores speaks of others."""
    if name is None:
        return None
    folder = settings.releases / name
    manifest = read_manifest(folder)
    if manifest.feature_set != feature_set_id() or manifest.recall_code not in (None, recall_code()):
        log.warning("the champion has other features: judged by its lead over the baselines", extra={"release": name})
        return None
    return folder / "ranker" / "model.onnx"


def candidate_release(known: Knowledge, ranker: Path, settings: Settings) -> Release:
    """The release as it would be published, in memory."""
    manifest = Manifest(
        release="candidate",
        day="",
        as_of=known.snapshot.as_of,
        timezone=settings.timezone,
        feature_set=feature_set_id(),
        features=tuple(json.loads((ranker.parent / "schema.json").read_text(encoding="utf-8"))["features"]),
        scenes=dict(settings.scenes),
        metrics={},
        data={},
        files={},
    )
    nobody = Asker(empty_history(), known.snapshot.as_of)
    popular = known.recall["popular"].candidates(nobody, 1) if "popular" in known.recall else None
    fallback = popular or Candidates(np.empty(0, np.int32), np.empty(0, np.float32))
    return Release(manifest, known.snapshot.item_side, known.recall, served(ranker.parent), fallback)


@dataclass(frozen=True)
class Asked:
    """What `recommend()` answered some users.

    lists:    (users, list size) rows of the catalog, -1 where a list is short
    proposed: recall source -> (users, list size), whether it offered what stands at the place
    rankings: per user, everything that the list was chosen from
    seconds:  per user, how long the answer took
    """

    lists: ItemLists
    proposed: dict[str, NDArray[np.bool_]]
    rankings: list[Ranking]
    seconds: NDArray[np.float64]


def ask(name: str, known: Knowledge, ranker: Path, users: NDArray[np.int64], settings: Settings) -> Asked:
    """What `recommend()` with this ranker answers each user at the cut; row -1 is somebody whom nobody knows.

    The champion is asked with what the release knows, so that both saw the same days.
    """
    release, size = candidate_release(known, ranker, settings), settings.evaluation.list_size
    catalog, snapshot = known.snapshot.item_side.catalog, known.snapshot
    lists = np.full((len(users), size), PADDING, np.int32)
    proposed = {source: np.zeros(lists.shape, bool) for source in release.scenes[SCENE].recall}
    rankings, seconds = [], np.zeros(len(users))
    for at, user in enumerate(track(users, f"lists of the {name}", total=len(users))):
        record = record_of(snapshot, known.history, int(user)) if user >= 0 else None
        request = Request(str(snapshot.users[user]) if user >= 0 else "", snapshot.as_of, size, SCENE)
        started = time.perf_counter()
        answer = recommend(request, release, record)
        seconds[at] = time.perf_counter() - started
        lists[at, : len(answer.items)] = catalog.rows_of_ids([item.item_id for item in answer.items])
        for place, item in enumerate(answer.items):
            for source in item.sources:
                proposed[source][at, place] = True
        rankings.append(answer.ranking or NOTHING)
    return Asked(lists, proposed, rankings, seconds)


def baseline_lists(known: Knowledge, users: NDArray[np.int64], settings: Settings) -> dict[str, ItemLists]:
    """The lists of every baseline, fitted on the same purchases."""
    catalog, size = known.snapshot.item_side.catalog, settings.evaluation.list_size
    bought = known.history.of_kind(PURCHASE)
    return {
        baseline.name: baseline.lists(bought, catalog, known.snapshot.as_of, users, size)
        for baseline in track(BASELINES, "baselines")
    }
