"""The two-stage model of RecTools on the weeks of `quality.py`: the same purchases, households, truth and metrics.

    python3.11 -m venv /tmp/rectools && /tmp/rectools/bin/pip install RecTools==0.19.0 lightgbm scikit-learn catboost
    .venv/bin/python scripts/bench/two_stage.py --peer /tmp/rectools/bin/python --write    into docs/results.md
    … --last 2017-11-05 --weeks 3 --choice '{"ranker": "yetirank"}'                        another choice, other weeks
    … --clean work/clean                                                                   an archive that is there

RecTools wants NumPy 1, so it has a Python of its own (`two_stage_rectools.py`). The release and the baselines beside it
are read from the page, where `quality.py` put them.
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
import quality

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from feature_store.schema import LEVELS, PURCHASE  # noqa: E402 - found from here
from feature_store.snapshot import arrays_of, compute_snapshot  # noqa: E402
from pipeline.configuration import load_settings  # noqa: E402
from pipeline.evaluation.judging import judged_users, truth_of  # noqa: E402
from pipeline.evaluation.metrics import judge, means  # noqa: E402
from pipeline.knowledge import Knowledge, history_of_everybody, open_archive, purchased  # noqa: E402

if TYPE_CHECKING:
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
    """What RecTools has of one week. judged: as in the table of `quality.py`"""

    judged: str
    users: int
    metrics: dict[str, float]


def asked(cut: dt.date, settings: Settings, shop: Path) -> Truth:
    """What `evaluate --weeks` knows at the cut and whom it judges, written to `shop`; what they then bought."""
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
    return truth_of(known, users, bought, {})


def week(cut: dt.date, settings: Settings, python: Path, choice: str) -> Week:
    with tempfile.TemporaryDirectory() as folder:
        shop, lists = Path(folder) / "shop.npz", Path(folder) / "lists.npy"
        truth = asked(cut, settings, shop)
        subprocess.run([python, PEER, shop, lists, choice], env={**os.environ, **QUIET}, check=True)
        found = means(judge(np.load(lists), truth.items))
    judged = f"{cut + dt.timedelta(days=1)} … {cut + settings.horizon}"
    print(judged, len(truth.items), {name: round(found[name], 4) for name in ("ndcg@20", "recall@20")}, flush=True)
    return Week(judged, len(truth.items), found)


def weeks_before(last: dt.date, weeks: int, clean: Path | None, python: Path, choice: str) -> list[Week]:
    """Each of the `weeks` whose last cut is `last`, in a work folder of their own; without `clean` it is filled."""
    with tempfile.TemporaryDirectory() as folder:
        if clean is None:
            for stage in ("demo", "extract", "clean"):
                quality.vitrine(Path(folder), "stage", stage, "--quiet", "--day", str(last))
        else:
            (Path(folder) / "clean").symlink_to(clean.resolve(), target_is_directory=True)
        settings = load_settings(arguments={"work_dir": folder})
        cuts = [last - back * settings.horizon for back in reversed(range(weeks))]
        return [week(cut, settings, python, choice) for cut in cuts]


def told_before() -> dict[str, dict[str, float]]:
    """Model -> judged week or `mean` -> ndcg@20, from the page's table of `quality.py`."""
    text = quality.PAGE.read_text(encoding="utf-8").split(quality.BEGIN)[1].split(quality.END)[0]
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|")
    return {model: {row[0]: float(row[2 + at]) for row in rows} for at, model in enumerate(head[2:-1])}


def table(weeks: list[Week], clean: Path | None, python: Path, choice: str) -> str:
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
            f"| {each.judged} | {each.users:,} | {ours:.4f} | {theirs:.4f} | {value:.4f} | {ours / value:.3f}"
            f" | {each.metrics['recall@20']:.4f} |"
        )
    place = (
        f"RecTools' model is the best of the field: the release has {release / mean:.3f} of it, and"
        f" {release / rival:.3f} of {best}."
        if mean > rival
        else f"RecTools' model is not the best of the field: {best} is, by {rival - mean:.4f} ahead of it."
    )
    return "\n".join(
        [
            *lines,
            f"| mean | | {release:.4f} | {rival:.4f} | {mean:.4f} | {release / mean:.3f} | {own['recall@20']:.4f} |",
            "",
            place,
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
    weeks = weeks_before(arguments.last, arguments.weeks, arguments.clean, arguments.peer, arguments.choice)
    if not arguments.write:
        print(f"mean {np.mean([each.metrics[quality.METRIC] for each in weeks]):.4f}")
        return
    text = table(weeks, arguments.clean, arguments.peer, arguments.choice)
    print(text)
    page = quality.PAGE.read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    quality.PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
