"""The day's ranker, trained on what users bought in the weeks before the cut."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import context_of
from feature_store.registry import feature_set_id, ranker_features
from pipeline.atomic import atomic_folder
from pipeline.errors import EmptyDayError
from pipeline.knowledge import Knowledge, learn, open_archive, purchased, rng
from pipeline.progress import track
from pipeline.quality.provenance import training_set
from pipeline.recommender.examples import Examples, join, make_examples
from pipeline.recommender.ranker import lightgbm
from pipeline.recommender.recall import recall_code
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from feature_store.offline import Archive
    from pipeline.settings import Settings

SCENE = "home"
"""The scene whose recall makes the examples."""


@stage
def train(day: dt.date, settings: Settings) -> StageResult:
    """Read the clean archive up to the cut, write `train/day=…` (model.txt, model.onnx, schema.json, data.json).

    Raises:
        ArchiveError: a cleaned table is missing or unreadable.
        EmptyDayError: nobody bought anything that recall offered in any of the weeks.
    """
    cut = settings.cut(day)
    with open_archive(cut, settings) as archive:
        weeks = [
            week_of_examples(archive, moment, settings) for moment in track(moments(cut, settings), "weeks of examples")
        ]
    examples = join(weeks)
    if not len(examples.label):
        raise EmptyDayError(
            f"stage train, day {day}",
            expected="users who bought offered items in the weeks before the cut",
            found="none",
            remedy="Choose a later day, or check `events` in the clean archive.",
        )
    names = ranker_features(settings.recall_sources)
    booster = lightgbm.fit(examples, names, settings.training, seed=settings.seed, threads=settings.compute.threads)
    folder = settings.workspace.train(day)
    with atomic_folder(folder) as aside:
        lightgbm.save(booster, aside)
        made_by = {"feature_set": feature_set_id(), "recall_code": recall_code()}
        schema = {**made_by, "features": names, "importance": lightgbm.importance(booster)}
        (aside / "schema.json").write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
        data = training_set(settings.workspace.clean, cut).as_json()
        (aside / "data.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    counts = {
        "weeks": float(len(weeks)),
        "askers": float(len(examples.group)),
        "positives": float(examples.label.sum()),
    }
    return StageResult((folder,), len(examples.label), counts)


def moments(cut: dt.date, settings: Settings) -> list[dt.date]:
    """The days at whose end examples are asked, latest first: each has a whole horizon up to the cut behind it."""
    return [cut - (week + 1) * settings.horizon for week in range(settings.training.weeks)]


def week_of_examples(
    archive: Archive, moment: dt.date, settings: Settings, *, future: Archive | None = None
) -> Examples:
    """Examples asked at the end of `moment`; what was bought in the horizon after it is looked up in `future`, where
    another archive than the one to learn from is given.
    """
    known = learn(archive, moment, settings)
    bought = purchased(future or archive, moment + dt.timedelta(days=1), moment + settings.horizon)
    return make_examples(
        _askers(known, bought),
        history=known.history,
        user_values=known.snapshot.user_values,
        item_side=known.snapshot.item_side,
        recall=known.recall,
        scene=settings.scenes[SCENE],
        asked_at=known.snapshot.as_of,
        features=ranker_features(settings.recall_sources),
        negatives=settings.training.negatives_per_user,
        generator=rng(settings, "train", str(moment)),
        context=context_of(
            np.array([known.snapshot.as_of]), timezone=settings.timezone, scene=SCENE, scenes=tuple(settings.scenes)
        ),
    )


def _askers(known: Knowledge, bought: dict[str, dict[str, float]]) -> list[tuple[int, np.ndarray]]:
    """Users known at the moment who bought something afterwards, with the rows of what they bought."""
    catalog, users = known.snapshot.item_side.catalog, known.snapshot.users
    askers = []
    for user, items in bought.items():
        row = int(np.searchsorted(users, user))
        if row < len(users) and users[row] == user:
            rows = catalog.rows_of_ids(sorted(items))
            askers.append((row, rows[rows >= 0]))
    return askers
