"""The release beside every baseline on several weeks, trained anew before each: `vitrine evaluate --weeks`.

.venv/bin/python scripts/bench/quality.py                       the weeks of docs/results.md
.venv/bin/python scripts/bench/quality.py --write               and put the table there; households go to work/bench/
.venv/bin/python scripts/bench/quality.py --last 2017-11-05 --weeks 2      others
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- weeks: begin -->", "<!-- weeks: end -->"
LAST, WEEKS = dt.date(2017, 12, 17), 6
METRIC = "ndcg@20"
USERS = ROOT / "work" / "bench" / "households.parquet"
"""What each household's lists were worth in the measurement that the page tells of, for `two_stage.py`."""


def vitrine(work: Path, *arguments: str) -> str:
    """What the command prints, asked with a work folder of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        cwd=ROOT,
        env={**os.environ, "VITRINE_WORK_DIR": str(work), "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def judge(last: dt.date, weeks: int, users: Path | None = None) -> dict[str, Any]:
    """Archive everything up to the week after `last`, then judge the weeks; each household's lists go to `users`."""
    asked = ["evaluate", "--json", "--day", str(last), "--weeks", str(weeks)]
    if users is not None:
        asked += ["--users", str(users)]
    with tempfile.TemporaryDirectory() as folder:
        for stage in ("demo", "extract", "clean"):
            vitrine(Path(folder), "stage", stage, "--quiet", "--day", str(last))
        told = vitrine(Path(folder), *asked)
    report: dict[str, Any] = json.loads(told)
    return report


def table(report: dict[str, Any]) -> str:
    """One row a week; the last column is over the best baseline of the week, below over that of the mean."""
    means, best = report["means"], report["best_baseline"]
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC).date()}: {METRIC} on the week after each cut, default settings.",
        "Command: `.venv/bin/python scripts/bench/quality.py --write`",
        "",
        f"| judged week | users | {' | '.join(means)} | release / best baseline |",
        f"|---|---:|{'---:|' * (len(means) + 1)}",
    ]
    for week in report["weeks"]:
        values = {model: metrics[METRIC] for model, metrics in week["models"].items()}
        cells = " | ".join(f"{value:.4f}" for value in values.values())
        ratio = values["release"] / values[week["best_baseline"]]
        lines.append(f"| {' … '.join(week['judged'])} | {week['users']:,} | {cells} | {ratio:.3f} |")
    mean = " | ".join(f"{metrics[METRIC]:.4f}" for metrics in means.values())
    value, low, high = report["difference"][METRIC]
    told = (
        f"The release is {value:+.4f} ({low:+.4f} to {high:+.4f}) from {best}, the best baseline of the mean;"
        " 95 % of 1,000 draws of households, each with all its weeks."
    )
    return "\n".join(
        [
            *lines,
            f"| mean | | {mean} | {report['ratio'][METRIC]:.3f} |",
            "",
            told,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--last", type=dt.date.fromisoformat, default=LAST, help="the day before the last week")
    parser.add_argument("--weeks", type=int, default=WEEKS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args()
    text = table(judge(arguments.last, arguments.weeks, USERS if arguments.write else None))
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
