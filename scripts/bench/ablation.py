"""What each part of the ranking adds: trained without each recall source, without each feature family, by each ranker.

    .venv/bin/python scripts/bench/ablation.py            prints the table
    .venv/bin/python scripts/bench/ablation.py --write    puts it into docs/results.md

Needs the clean archive of a finished run (`VITRINE_WORK_DIR`). Examples are made once; each row of the table is one
training on them, judged on later weeks, which all lie before the cut: weeks on which choices may be made, and none on
which a release is judged. Without a source, rows that only it offered are left out of training and judging, and so are
the features made of its scores.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_store.registry import ranker_features, registry
from pipeline.commands.features import family_of
from pipeline.configuration import load_settings
from pipeline.evaluation.intervals import mean_intervals
from pipeline.recommender.judged import ndcg_of_order
from pipeline.recommender.training import fitted
from pipeline.tuning.ranker import Split, split_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.recommender.examples import Examples
    from pipeline.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"


def chosen_rows(examples: Examples, keep: NDArray[np.bool_]) -> Examples:
    """Some rows; every asker stays, perhaps without any."""
    return replace(
        examples,
        matrix=examples.matrix[keep],
        label=examples.label[keep],
        group=np.bincount(examples.asker[keep], minlength=len(examples.group)).astype(np.int32),
        targets={name: values[keep] for name, values in examples.targets.items()},
        offered_by={name: values[keep] for name, values in examples.offered_by.items()},
    )


def without_source(split: Split, source: str) -> Split:
    def kept(examples: Examples) -> Examples:
        others = [rows for name, rows in examples.offered_by.items() if name != source]
        return chosen_rows(examples, np.logical_or.reduce(others))

    return replace(split, learned=kept(split.learned), judged=tuple((kept(each), n) for each, n in split.judged))


def ndcg(split: Split, names: tuple[str, ...], kept: list[str], settings: Settings) -> NDArray[np.float64]:
    """ndcg@20 of each asker who is judged, by a ranker of the features `kept`."""
    columns = [names.index(name) for name in kept]
    ranker = fitted(replace(split.learned, matrix=split.learned.matrix[:, columns]), kept, settings)
    return np.concatenate(
        [ndcg_of_order(ranker.score(each.matrix[:, columns]), each, wanted) for each, wanted in split.judged]
    )


def ablations(split: Split, settings: Settings) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """(what was changed, ndcg@20 of each asker); the first is the whole."""
    names, training = ranker_features(settings.recall_sources), settings.training
    everything = list(names)
    yield "everything", ndcg(split, names, everything, settings)
    for ranker in ("lightgbm", "network", "logistic", "xgboost", "deepfm", "multitask"):
        if ranker != "deepfm" or importlib.util.find_spec("torch"):
            other = settings.model_copy(update={"training": training.model_copy(update={"ranker": ranker})})
            yield f"ranker {ranker}", ndcg(split, names, everything, other)
    binary = training.lightgbm.model_copy(update={"objective": "binary"})
    other = settings.model_copy(
        update={"training": training.model_copy(update={"ranker": "lightgbm", "lightgbm": binary})}
    )
    yield "ranker lightgbm, binary", ndcg(split, names, everything, other)
    sources = list(settings.scenes["home"].recall)
    for source in sources:
        left = [name for name in names if name in ranker_features(set(settings.recall_sources) - {source})]
        yield f"without recall {source}", ndcg(without_source(split, source), names, left, settings)
    for family in sorted({family_of(registry()[name]) for name in names}):
        left = [name for name in names if family_of(registry()[name]) != family]
        yield f"without {len(names) - len(left)} features `{family}`", ndcg(split, names, left, settings)


def table(found: list[tuple[str, NDArray[np.float64]]], split: Split, arguments: argparse.Namespace) -> str:
    whole = found[0][1]
    said = (
        f"Measured on {dt.datetime.now(dt.UTC).date()}: mean ndcg@20 of {len(whole):,} households, of every candidate's"
        f" order, on the weeks after {', '.join(map(str, split.weeks))}; trained on {arguments.weeks} week(s) before"
        f" them ({len(split.learned.label):,} rows); default settings else."
    )
    command = f"--weeks {arguments.weeks} --judged {arguments.judged} --askers {arguments.askers} --write"
    lines = [
        said,
        "These weeks lie before 2017-11-05 and are validation: choices were made on them.",
        "The difference is to everything, with the 95 % interval of the bootstrap over households.",
        f"Command: `.venv/bin/python scripts/bench/ablation.py {command}`",
        "",
        "| | ndcg@20 | difference | interval |",
        "|---|---:|---:|---|",
    ]
    for name, values in found:
        (d,) = mean_intervals((values - whole)[:, None])
        told = "" if values is whole else f"{d.value:+.4f} | {d.low:+.4f} … {d.high:+.4f}"
        lines.append(f"| {name} | {values.mean():.4f} | {told or ' | '} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--day", type=dt.date.fromisoformat, default=dt.date(2017, 11, 5), help="the cut")
    parser.add_argument("--weeks", type=int, default=4, help="weeks of examples")
    parser.add_argument("--judged", type=int, default=2, help="weeks that are judged")
    parser.add_argument("--askers", type=int, default=2000, help="households of each")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args()
    settings = load_settings(arguments={"training": {"weeks": arguments.weeks, "examples": "recall"}})
    split = split_of(arguments.day, settings, validation_weeks=arguments.judged, askers=arguments.askers)
    found = []
    for name, values in ablations(split, settings):
        found.append((name, values))
        print(f"{name}: {values.mean():.4f}", flush=True)
    text = table(found, split, arguments)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
