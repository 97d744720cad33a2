"""A release judged on several consecutive weeks, trained anew at the end of each week before it ("rolling origin").

Nothing but the clean archive is read and nothing but a scratch folder is written: releases, the online store and the
partitions of runs stay as they are. L. Tashman, "Out-of-sample tests of forecasting accuracy", IJF 16(4), 2000.
"""

from __future__ import annotations

import datetime as dt
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import atomic_file
from pipeline.blas import products_on_one_thread
from pipeline.errors import EmptyDayError
from pipeline.evaluation.intervals import Interval, mean_over_weeks
from pipeline.evaluation.judgement import HEADLINE, RELEASE
from pipeline.evaluation.judging import Judged, judged, judged_users
from pipeline.evaluation.metrics import judge, per_user
from pipeline.knowledge import attributes_of_users, learn, open_archive, purchased
from pipeline.progress import track
from pipeline.spill import spill_folder
from pipeline.stages.train import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.settings import Settings


@dataclass(frozen=True)
class Week:
    """One origin. users: (users,) ids; values: model -> metric -> (users,)"""

    cut: dt.date
    judged: tuple[dt.date, dt.date]
    users: NDArray[np.str_]
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    metrics: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Any]
    segments: Mapping[str, Any]
    seconds: float
    milliseconds: float
    """Of one list, mean."""


@products_on_one_thread()
def rolling(day: dt.date, weeks: int, settings: Settings, users: Path | None = None) -> dict[str, Any]:
    """The last `weeks` horizons that the archive of the run of `day` can judge, the earliest first.

    users: a Parquet file to write, a row for each week, model and user, with the metrics of that user's list

    Raises:
        ArchiveError: the clean archive does not go back that far.
        EmptyDayError: nobody who was known bought anything in one of the weeks, or before it.
    """
    cuts = [settings.cut(day) - back * settings.horizon for back in reversed(range(weeks))]
    judged_weeks = [_week(cut, settings) for cut in track(cuts, "weeks")]
    if users is not None:
        write_users(users, judged_weeks)
    return summary(judged_weeks, settings.seed)


def _week(cut: dt.date, settings: Settings) -> Week:
    started = time.perf_counter()
    first, last = cut + dt.timedelta(days=1), cut + settings.horizon
    with _scratch(cut, settings) as scratch:
        train(cut, scratch)
        with open_archive(cut, scratch) as archive:
            known = learn(archive, cut, scratch)
        with open_archive(last, scratch, since=first) as archive:
            bought = purchased(archive, first, last)
            attributes = attributes_of_users(archive, settings.evaluation.segments)
        if not len(judged_users(known, bought)):
            raise EmptyDayError(
                f"evaluation of the week after {cut}",
                expected=f"known users who bought something on {first} … {last}",
                found="none",
                remedy="Choose a later day, or fewer weeks.",
            )
        ranker = scratch.workspace.train(cut) / "model.onnx"
        found = judged(known, bought, ranker=ranker, champion=None, attributes=attributes, settings=scratch)
    return _told(cut, (first, last), found, time.perf_counter() - started)


@contextmanager
def _scratch(cut: dt.date, settings: Settings) -> Iterator[Settings]:
    """Settings with a work folder of their own that shares the clean archive; trained up to `cut` and judged after."""
    with spill_folder(settings.workspace.spill) as folder:
        (folder / "clean").symlink_to(settings.workspace.clean.resolve(), target_is_directory=True)
        following = settings.evaluation.model_copy(update={"holdout": "following"})
        yield settings.model_copy(
            update={"work_dir": folder, "releases_dir": None, "day": cut, "evaluation": following}
        )


def _told(cut: dt.date, days: tuple[dt.date, dt.date], found: Judged, seconds: float) -> Week:
    values = {model: per_user(judge(lists, found.truth.items)) for model, lists in found.lists.items()}
    models, groups, segments = (found.report[part] for part in ("models", "groups", "segments"))
    return Week(cut, days, found.users, values, models, groups, segments, seconds, found.milliseconds)


def write_users(path: Path, weeks: Sequence[Week]) -> None:
    """`cut`, `model`, `user_id` and every metric, for who compares with what is judged elsewhere."""
    tables = [
        pa.table(
            {
                "cut": pa.array([week.cut] * len(week.users), pa.date32()),
                "model": pa.array([model] * len(week.users)),
                "user_id": pa.array(week.users.tolist()),
                **metrics,
            }
        )
        for week in weeks
        for model, metrics in week.values.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as aside:
        pq.write_table(pa.concat_tables(tables), aside)


def summary(weeks: Sequence[Week], seed: int) -> dict[str, Any]:
    """Every week, the mean over weeks, and how far that could have come out otherwise with other users.

    best_baseline: that of the highest mean over weeks; each week names its own too
    """
    models, metrics = list(weeks[0].values), list(weeks[0].values[RELEASE])
    means = {model: _means([week.metrics[model] for week in weeks]) for model in models}
    rivals = [model for model in models if model != RELEASE]
    best = max(rivals, key=lambda model: means[model][HEADLINE], default=None)
    report: dict[str, Any] = {
        "weeks": [_week_as_json(week, rivals) for week in weeks],
        "means": means,
        "best_baseline": best,
        "release": {name: _over_weeks(weeks, RELEASE, None, name, seed).as_json() for name in metrics},
    }
    if best is not None:
        report["difference"] = {name: _over_weeks(weeks, RELEASE, best, name, seed).as_json() for name in metrics}
        report["ratio"] = {name: means[RELEASE][name] / max(means[best][name], 1e-12) for name in metrics}
    return report


def _means(weeks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of every metric that all weeks have."""
    return {name: float(np.mean([week[name] for week in weeks])) for name in weeks[0] if all(name in w for w in weeks)}


def _week_as_json(week: Week, rivals: Sequence[str]) -> dict[str, Any]:
    return {
        "cut": str(week.cut),
        "judged": [str(each) for each in week.judged],
        "users": len(week.users),
        "best_baseline": max(rivals, key=lambda model: week.metrics[model][HEADLINE], default=None),
        "models": week.metrics,
        "groups": week.groups,
        "segments": week.segments,
        "seconds": round(week.seconds, 1),
        "milliseconds_per_list": round(week.milliseconds, 2),
    }


def _over_weeks(weeks: Sequence[Week], model: str, rival: str | None, metric: str, seed: int) -> Interval:
    """The mean over weeks of a model's metric, less that of its rival, each week counting the same."""
    values = [week.values[model][metric] - (week.values[rival][metric] if rival is not None else 0.0) for week in weeks]
    return mean_over_weeks([(week.users, each) for week, each in zip(weeks, values, strict=True)], seed=seed)
