"""The two-stage model of RecTools on the weeks of `quality.py`: the same purchases, households, truth and metrics.

    python3.11 -m venv /tmp/rectools && /tmp/rectools/bin/pip install RecTools==0.19.0 lightgbm scikit-learn catboost
    .venv/bin/python scripts/bench/two_stage.py --peer /tmp/rectools/bin/python --write    into docs/results.md
    … --last 2017-11-05 --weeks 3 --choice '{"ranker": "yetirank"}'                        another choice, other weeks
    … --clean work/clean                                                                   an archive that is there

RecTools wants NumPy 1, so it has a Python of its own (`two_stage_rectools.py`). The release and the baselines beside it
are read from the page, where `quality.py` put them, and what each household's list was worth from the file that it left
(`work/bench/households.parquet`): run `quality.py --write` first, with the same code and the same weeks.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import quality

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from feature_store.schema import LEVELS, PURCHASE  # noqa: E402 - found from here
from feature_store.snapshot import arrays_of, compute_snapshot  # noqa: E402
from pipeline.configuration import load_settings  # noqa: E402
from pipeline.evaluation.intervals import Interval, mean_over_weeks  # noqa: E402
from pipeline.evaluation.judging import judged_users, truth_of  # noqa: E402
from pipeline.evaluation.metrics import judge, means, per_user  # noqa: E402
from pipeline.knowledge import Knowledge, history_of_everybody, open_archive, purchased  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.evaluation.judgement import Truth
    from pipeline.settings import Settings

PEER = Path(__file__).with_name("two_stage_rectools.py")
BEGIN, END = "<!-- two-stage: begin -->", "<!-- two-stage: end -->"
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
"""Threads that wait for each other do not spin; ALS brings its own."""
VERSIONS = (
    "from importlib.metadata import version as v; print(*(f'{n} {v(n)}' for n in ('RecTools', 'lightgbm')), sep=', ')"
)


@dataclass(frozen=True)
class Week:
    """What RecTools has of one week. judged: as in the table of `quality.py`; users: (users,) ids; values: (users,)"""

    cut: dt.date
    judged: str
    users: NDArray[np.str_]
    values: NDArray[np.float64]
    metrics: dict[str, float]


def asked(cut: dt.date, settings: Settings, shop: Path) -> tuple[NDArray[np.str_], Truth]:
    """What `evaluate --weeks` knows at the cut and whom it judges, written to `shop`; their ids, and what they then
    bought.
    """
    first, last = cut + dt.timedelta(days=1), cut + settings.horizon
    with open_archive(cut, settings) as archive:
        snapshot = arrays_of(compute_snapshot(archive, cut), archive.end_of(cut))
        known = Knowledge(snapshot, history_of_everybody(archive, snapshot, settings), {})
    with open_archive(last, settings, since=first) as archive:
        bought = purchased(archive, first, last)
    users, history = judged_users(known, bought), known.history.of_kind(PURCHASE)
    groups = {name: snapshot.item_side.catalog.groups[name] for name in LEVELS}
    columns = {name: getattr(history, name) for name in ("user", "item", "time")}
    sizes = {"as_of": snapshot.as_of, "size": settings.evaluation.list_size}
    np.savez(shop, asked=users, groups=LEVELS, **groups, **columns, **sizes)
    return snapshot.users[users], truth_of(known, users, bought, {})


def week(cut: dt.date, settings: Settings, python: Path, choice: str) -> Week:
    with tempfile.TemporaryDirectory() as folder:
        shop, lists = Path(folder) / "shop.npz", Path(folder) / "lists.npy"
        users, truth = asked(cut, settings, shop)
        subprocess.run([python, PEER, shop, lists, choice], env={**os.environ, **QUIET}, check=True)
        judgements = judge(np.load(lists), truth.items)
    found = means(judgements)
    judged = f"{cut + dt.timedelta(days=1)} … {cut + settings.horizon}"
    print(judged, len(truth.items), {name: round(found[name], 4) for name in ("ndcg@20", "recall@20")}, flush=True)
    return Week(cut, judged, users, per_user(judgements)[quality.METRIC], found)


def cuts_before(last: dt.date, weeks: int, horizon: dt.timedelta) -> list[dt.date]:
    return [last - back * horizon for back in reversed(range(weeks))]


def weeks_before(last: dt.date, weeks: int, clean: Path | None, python: Path, choice: str) -> list[Week]:
    """Each of the `weeks` whose last cut is `last`, in a work folder of their own; without `clean` it is filled."""
    with tempfile.TemporaryDirectory() as folder:
        if clean is None:
            for stage in ("demo", "extract", "clean"):
                quality.vitrine(Path(folder), "stage", stage, "--quiet", "--day", str(last))
        else:
            (Path(folder) / "clean").symlink_to(clean.resolve(), target_is_directory=True)
        settings = load_settings(arguments={"work_dir": folder})
        return [week(cut, settings, python, choice) for cut in cuts_before(last, weeks, settings.horizon)]


def told_before() -> dict[str, dict[str, float]]:
    """Model -> judged week or `mean` -> ndcg@20, from the page's table of `quality.py`."""
    text = quality.PAGE.read_text(encoding="utf-8").split(quality.BEGIN)[1].split(quality.END)[0]
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|")
    return {model: {row[0]: float(row[2 + at]) for row in rows} for at, model in enumerate(head[2:-1])}


def release_of_households(file: Path = quality.USERS) -> dict[dt.date, dict[str, float]]:
    """Cut -> household -> what the release's list was worth, as `quality.py` left it; empty where it did not."""
    if not file.is_file():
        return {}
    columns = ["cut", "user_id", quality.METRIC]
    found: dict[dt.date, dict[str, float]] = {}
    for row in pq.read_table(file, columns=columns, filters=[("model", "=", "release")]).to_pylist():
        found.setdefault(row["cut"], {})[row["user_id"]] = row[quality.METRIC]
    return found


def require_households(cuts: list[dt.date], ours: dict[dt.date, dict[str, float]]) -> None:
    """Said before anything is measured: the weeks are there, and they are those of the page."""
    told = told_before()["release"]
    for cut in cuts:
        if cut not in ours:
            sys.exit(f"{quality.USERS} has no week after {cut}: run scripts/bench/quality.py --write first")
        first = str(cut + dt.timedelta(days=1))
        on_page = next((f"{value:.4f}" for judged, value in told.items() if judged.startswith(first)), "nothing")
        mean = f"{np.mean(list(ours[cut].values())):.4f}"
        if mean != on_page:
            sys.exit(f"week of {first}: {mean} in {quality.USERS}, {on_page} on the page: run quality.py --write")


def ahead(weeks: list[Week], ours: dict[dt.date, dict[str, float]]) -> Interval:
    """By how much the release is ahead of RecTools in the mean over weeks."""
    each = []
    for one in weeks:
        release = ours[one.cut]
        if set(release) != set(one.users.tolist()):
            sys.exit(f"week after {one.cut}: quality.py judged other households: run it again with this code")
        each.append((one.users, np.array([release[user] for user in one.users.tolist()]) - one.values))
    return mean_over_weeks(each, seed=load_settings().seed)


def table(weeks: list[Week], difference: Interval, clean: Path | None, python: Path, choice: str) -> str:
    told = told_before()
    best = max(set(told) - {"release"}, key=lambda model: told[model]["mean"])
    versions = subprocess.run([python, "-c", VERSIONS], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    own = {name: float(np.mean([each.metrics[name] for each in weeks])) for name in (quality.METRIC, "recall@20")}
    release, rival, mean = told["release"]["mean"], told[best]["mean"], own[quality.METRIC]
    chosen = (" --clean CLEAN" if clean else "") + (f" --choice '{choice}'" if choice != "{}" else "")
    about = (
        f"Measured on {dt.datetime.now(dt.UTC).date()} ({versions}): {quality.METRIC} on the week after each cut;"
        f" the release and {best}, the best baseline of the mean, are read from the table above."
    )
    lines = [
        about,
        f"Command: `.venv/bin/python scripts/bench/two_stage.py --peer PYTHON{chosen} --write`",
        "",
        f"| judged week | users | release | {best} | RecTools | release / RecTools | its recall@20 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for each in weeks:
        ours, theirs, value = told["release"][each.judged], told[best][each.judged], each.metrics[quality.METRIC]
        lines.append(
            f"| {each.judged} | {len(each.users):,} | {ours:.4f} | {theirs:.4f} | {value:.4f} | {ours / value:.3f}"
            f" | {each.metrics['recall@20']:.4f} |"
        )
    place = (
        f"RecTools' model is the best of the field: the release has {release / mean:.3f} of it, and"
        f" {release / rival:.3f} of {best}."
        if mean > rival
        else f"RecTools' model is not the best of the field: {best} is, by {rival - mean:.4f} ahead of it."
    )
    told_difference = (
        f"The release is {difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}) from RecTools'"
        " model; 95 % of 1,000 draws of households, each with all its weeks."
    )
    return "\n".join(
        [
            *lines,
            f"| mean | | {release:.4f} | {rival:.4f} | {mean:.4f} | {release / mean:.3f} | {own['recall@20']:.4f} |",
            "",
            place,
            told_difference,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="a Python that has RecTools")
    parser.add_argument("--last", type=dt.date.fromisoformat, default=quality.LAST, help="the day before the last week")
    parser.add_argument("--weeks", type=int, default=quality.WEEKS)
    parser.add_argument("--clean", type=Path, help="a clean archive that reaches a week beyond; default: made anew")
    parser.add_argument("--choice", default="{}", help="what else RecTools is to do, as JSON: `Choice` of the peer")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args()
    ours = release_of_households()
    cuts = cuts_before(arguments.last, arguments.weeks, load_settings().horizon)
    if arguments.write:
        require_households(cuts, ours)
    weeks = weeks_before(arguments.last, arguments.weeks, arguments.clean, arguments.peer, arguments.choice)
    if not arguments.write:
        print(f"mean {np.mean([each.metrics[quality.METRIC] for each in weeks]):.4f}")
        if set(cuts) <= set(ours):
            print("the release from it", ahead(weeks, ours).as_json())
        return
    text = table(weeks, ahead(weeks, ours), arguments.clean, arguments.peer, arguments.choice)
    print(text)
    page = quality.PAGE.read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    quality.PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
