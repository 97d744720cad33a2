"""What rankers cost: 500 candidates scored in each exported form, and training on the demo and on ten times as much.

    .venv/bin/python scripts/bench/ranker.py                     prints the tables
    .venv/bin/python scripts/bench/ranker.py --write             puts them into docs/benchmarks.md
    … --peers PYTHON    also LightGBM compiled by treelite's tl2cgen and by lleaves, in an environment of their own:
                        python3.11 -m venv peers && peers/bin/pip install lightgbm treelite tl2cgen lleaves setuptools

Needs a finished run (`VITRINE_WORK_DIR`): scored is the ranker of the day, on rows of its feature set drawn from the
model's own thresholds, so that every branch is taken. Training is timed on made-up rows of the default number and
width, because time and memory depend on those; each size in a process of its own, in which the ranker that was fitted
then scores 500 rows, natively and by its `model.onnx`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightgbm
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- ranker: begin -->", "<!-- ranker: end -->"
CANDIDATES, ROUNDS = 500, 200
ROWS_PER_ASKER = 60


def rows_for(booster: lightgbm.Booster, count: int) -> NDArray[np.float32]:
    """Rows whose values lie about the thresholds of the trees."""
    random = np.random.default_rng(1)
    matrix = np.zeros((count, booster.num_feature()), np.float32)
    told = booster.trees_to_dataframe()
    for name, part in told.dropna(subset=["threshold"]).groupby("split_feature"):
        values = part["threshold"].to_numpy(np.float64)
        column = booster.feature_name().index(name)
        matrix[:, column] = random.choice(values, count) + random.normal(0, values.std() / 10 + 1e-6, count)
    return matrix


def milliseconds(score: Callable[[], Any]) -> tuple[float, float]:
    """Median wall and mean CPU milliseconds of one call, after warming up."""
    for _ in range(10):
        score()
    taken, cpu = [], time.process_time()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        score()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken), 1000 * (time.process_time() - cpu) / ROUNDS


def own_forms(folder: Path, matrix: NDArray[np.float32]) -> list[tuple[str, float, float, NDArray[np.float64]]]:
    """(form, wall ms, CPU ms, scores) of what a release holds."""
    import lightgbm

    from pipeline.recommender.ranker.onnx import OnnxRanker
    from pipeline.recommender.ranker.tree_text import read_trees

    text = (folder / "model.txt").read_text(encoding="utf-8")
    booster, onnx, trees = lightgbm.Booster(model_str=text), OnnxRanker(folder / "model.onnx"), read_trees(text)

    def native() -> NDArray[np.float64]:
        return np.asarray(booster.predict(matrix, raw_score=True, num_threads=1))

    def exported() -> NDArray[np.float64]:
        return onnx.score(matrix).astype(np.float64)

    found = [
        ("LightGBM, its own predict", *milliseconds(native), native()),
        ("ONNX Runtime (`model.onnx`)", *milliseconds(exported), exported()),
    ]
    if trees is not None:
        sums = trees.sums
        found.append(
            ("NumPy, the trees at once (what serving uses)", *milliseconds(lambda: sums(matrix)), sums(matrix))
        )
    return found


PEER = """
import json, statistics, sys, time
import numpy as np
name, model, rows, rounds = sys.argv[1:5]
matrix = np.load(rows)
if name == "lleaves":
    import lleaves
    built = lleaves.Model(model_file=model)
    built.compile()
    score = lambda: built.predict(matrix, n_jobs=1)
else:
    import treelite, tl2cgen, tempfile, pathlib
    library = str(pathlib.Path(tempfile.mkdtemp()) / "model.so")
    tl2cgen.export_lib(treelite.frontend.load_lightgbm_model(model), toolchain="gcc", libpath=library, params={})
    predictor, data = tl2cgen.Predictor(library, nthread=1), tl2cgen.DMatrix(matrix)
    score = lambda: predictor.predict(data, pred_margin=True)
for _ in range(10):
    score()
taken, cpu = [], time.process_time()
for _ in range(int(rounds)):
    started = time.perf_counter()
    score()
    taken.append(1000 * (time.perf_counter() - started))
cpu = 1000 * (time.process_time() - cpu) / int(rounds)
print(json.dumps([statistics.median(taken), cpu, np.asarray(score(), float).ravel().tolist()]))
"""


def compiled_forms(
    python: str, folder: Path, matrix: NDArray[np.float32]
) -> list[tuple[str, float, float, NDArray[np.float64]]]:
    """The same of what compilers make of `model.txt`; one that does not work is named on the screen and left out."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch) / "rows.npy"
        np.save(rows, matrix)
        for name in ("lleaves", "tl2cgen"):
            command = [python, "-c", PEER, name, str(folder / "model.txt"), str(rows), str(ROUNDS)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            else:
                wall, cpu, scores = json.loads(done.stdout.splitlines()[-1])
                found.append((f"compiled by {name}", wall, cpu, np.array(scores)))
    return found


TRAIN = """
import json, sys, tempfile, time
from pathlib import Path
import numpy as np
from pipeline.blas import products_on_one_thread
from pipeline.recommender.examples import Examples
from pipeline.recommender.ranker.choice import ranker_class
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.settings import Settings
from scripts.bench.ranker import CANDIDATES, milliseconds
name, rows, columns, per = sys.argv[1], *map(int, sys.argv[2:5])
random = np.random.default_rng(1)
matrix = random.standard_gamma(1.0, (rows, columns), np.float32)
matrix *= 3
label = (matrix[:, :5].sum(axis=1) + random.normal(0, 8, rows) > 27).astype(np.int8)
settings = Settings()
bought = label.astype(np.float32)
targets = {"click": np.maximum(bought, np.arange(rows) % 9 == 0), "cart": np.maximum(bought, np.arange(rows) % 20 == 0)}
examples = Examples(matrix, label, np.full(rows // per, per, np.int32), {**targets, "gmv": 4 * bought})
training = settings.training.model_copy(update={"ranker": name})
names = [f"f{at}" for at in range(columns)]
open("/proc/self/clear_refs", "w").write("5")
cpu, wall = time.process_time(), time.perf_counter()
with products_on_one_thread():
    ranker = ranker_class(name).fit(examples, names, training, seed=1, threads=settings.compute.threads)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
asked = matrix[:CANDIDATES].copy()
with products_on_one_thread(), tempfile.TemporaryDirectory() as folder:
    ranker.save(Path(folder))
    onnx = OnnxRanker(Path(folder) / "model.onnx")
    scored = [milliseconds(lambda: each.score(asked))[1] for each in (ranker, onnx)]
    apart = float(np.abs(ranker.score(asked) - onnx.score(asked)).max())
print(json.dumps([wall, cpu, peak / 1024, *scored, apart]))
"""
LONGEST = 600
"""Seconds after which a fit is given up."""


def training(name: str, rows: int, columns: int) -> str:
    """Wall seconds, CPU seconds and peak MB, with the examples themselves, of one fit in a process of its own; CPU
    milliseconds of 500 candidates scored natively and by ONNX Runtime, and how far these are apart; as cells.
    """
    command = [sys.executable, "-c", TRAIN, name, str(rows), str(columns), str(ROWS_PER_ASKER)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return f"given up after {LONGEST} | | | | | "
    wall, cpu, peak, native, onnx, apart = json.loads(done.stdout.splitlines()[-1])
    return f"{wall:.1f} | {cpu:.1f} | {peak:,.0f} | {native:.2f} | {onnx:.2f} | {apart:.1e}"


def tables(arguments: argparse.Namespace) -> str:
    import lightgbm

    from pipeline.configuration import load_settings
    from pipeline.recommender.ranker.served import served

    settings = load_settings()
    trained = settings.workspace.train(arguments.day)
    folder = trained / "lightgbm" if (trained / "lightgbm").is_dir() else trained
    booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
    matrix = rows_for(booster, CANDIDATES)
    forms = own_forms(folder, matrix)
    forms += compiled_forms(arguments.peers, folder, matrix) if arguments.peers else []
    wanted = forms[0][3]
    blend = served(trained).score
    whole = milliseconds(lambda: blend(matrix)) if trained != folder else None
    said = (
        f"Measured on {dt.datetime.now(dt.UTC).date()}: {CANDIDATES} candidates, {booster.num_feature()} features,"
        f" {booster.num_trees()} trees; one thread, median of {ROUNDS} rounds, on a shared machine."
    )
    peers = " --peers PYTHON" if arguments.peers else ""
    command = f"scripts/bench/ranker.py{peers} --rankers {arguments.rankers} --sizes {arguments.sizes} --write"
    lines = [
        said,
        f"Command: `.venv/bin/python {command}`",
        "",
        "| form | wall ms | CPU ms | greatest difference from LightGBM | same order |",
        "|---|---:|---:|---:|---|",
    ]
    for name, wall, cpu, scores in forms:
        same = "yes" if (np.argsort(-scores, kind="stable") == np.argsort(-wanted, kind="stable")).all() else "no"
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {np.abs(scores - wanted).max():.1e} | {same} |")
    if whole:
        lines.append(f"| the blend that the trees are a part of, as served | {whole[0]:.2f} | {whole[1]:.2f} | | |")
    scored = f"{CANDIDATES} scored natively, CPU ms | by `model.onnx`, CPU ms | greatest difference"
    lines += ["", f"| training | rows | wall seconds | CPU seconds | peak MB | {scored} |", "|---|" + 7 * "---:|"]
    for name in arguments.rankers.split(","):
        for size in map(int, arguments.sizes.split(",")):
            rows = size * arguments.rows // ROWS_PER_ASKER * ROWS_PER_ASKER
            lines.append(f"| {name} | {rows:,} | {training(name, rows, booster.num_feature())} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--day", type=dt.date.fromisoformat, default=dt.date(2017, 11, 5))
    parser.add_argument("--rows", type=int, default=433_000, help="rows of examples of a default run")
    parser.add_argument("--rankers", default="blend,lightgbm,network,multitask,logistic,xgboost,deepfm")
    parser.add_argument("--sizes", default="1,10", help="times the default rows")
    parser.add_argument("--peers", help="a Python with lightgbm, treelite, tl2cgen and lleaves")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    text = tables(arguments)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
