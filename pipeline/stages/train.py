"""The day's ranker, trained on what users did in the weeks before the cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.registry import ranker_features
from pipeline.atomic import atomic_folder
from pipeline.errors import EmptyDayError
from pipeline.knowledge import open_archive
from pipeline.progress import track
from pipeline.quality.provenance import training_set
from pipeline.recommender.examples import Examples, join
from pipeline.recommender.training import fitted, write_json, write_ranker
from pipeline.recommender.weeks import SCENE, held_out_week, moments, week_of_examples
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def train(day: dt.date, settings: Settings) -> StageResult:
    """Read the clean archive up to the cut, write `train/day=…`: the ranker, what it learned and how far its scores
    are probabilities, and what it was made from.

    Raises:
        ArchiveError: a cleaned table is missing or unreadable.
        EmptyDayError: nobody bought anything that recall offered in any of the weeks.
        PipelineError: the ranker's package is not installed.
    """
    cut = settings.cut(day)
    with open_archive(cut, settings) as archive:
        weeks = [
            week_of_examples(archive, moment, settings) for moment in track(moments(cut, settings), "weeks of examples")
        ]
        held_out = held_out_week(archive, cut, settings)
    examples = join(weeks)
    if not len(examples.label):
        raise EmptyDayError(
            f"stage train, day {day}",
            expected="users who bought offered items in the weeks before the cut",
            found="none",
            remedy="Choose a later day, or check `events` in the clean archive.",
        )
    names = ranker_features(settings.recall_sources)
    ranker = fitted(examples, names, settings)
    folder = settings.workspace.train(day)
    with atomic_folder(folder) as aside:
        calibration = write_ranker(
            aside,
            ranker,
            names,
            examples,
            held_out,
            training=settings.training,
            worth=settings.scenes[SCENE].worth,
        )
        write_json(aside / "data.json", training_set(settings.workspace.clean, cut).as_json())
    return StageResult((folder,), len(examples.label), {"weeks": float(len(weeks)), **_counts(examples, calibration)})


def _counts(examples: Examples, calibration: dict[str, float]) -> dict[str, float]:
    counts = {"askers": float(len(examples.group)), "positives": float(examples.label.sum())}
    if examples.position is not None:
        counts["shown"] = float((examples.position > 0).sum())
    if calibration:
        counts["expected_calibration_error"] = float(calibration["expected_calibration_error"])
    return counts
