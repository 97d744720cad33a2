"""The release beside every baseline on several weeks: a whole pass for each day, judged on the week after it.

.venv/bin/python scripts/bench/quality.py                       the weeks of docs/results.md
.venv/bin/python scripts/bench/quality.py --write               and put the table there
.venv/bin/python scripts/bench/quality.py 2017-11-12 2017-11-19 others
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
DAYS = [dt.date(2017, 11, 12) + week * dt.timedelta(days=7) for week in range(6)]
METRIC = "ndcg@20"


def judge(day: dt.date, work: Path) -> dict[str, Any]:
    """The evaluation of the run of `day`."""
    subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "--quiet", "--day", str(day)],
        cwd=ROOT,
        env={**os.environ, "VITRINE_WORK_DIR": str(work), "OMP_WAIT_POLICY": "PASSIVE"},
        check=True,
    )
    report: dict[str, Any] = json.loads((work / "evaluation" / f"day={day}" / "metrics.json").read_text())
    return report


def table(reports: list[dict[str, Any]]) -> str:
    """One row a week; the last column is the release over the best baseline of that week."""
    models = list(reports[0]["models"])
    lines = [
        f"Measured on {dt.datetime.now(dt.UTC).date()}: {METRIC} on the week after each day, default settings.",
        "Command: `.venv/bin/python scripts/bench/quality.py --write`",
        "",
        f"| judged week | users | {' | '.join(models)} | release / best baseline |",
        f"|---|---:|{'---:|' * (len(models) + 1)}",
    ]
    ratios = []
    for report in reports:
        values = {model: metrics[METRIC] for model, metrics in report["models"].items()}
        ratios.append(values["release"] / max(value for model, value in values.items() if model != "release"))
        cells = " | ".join(f"{values[model]:.4f}" for model in models)
        lines.append(f"| {' … '.join(report['judged'])} | {report['users']:,} | {cells} | {ratios[-1]:.3f} |")
    means = (sum(r["models"][model][METRIC] for r in reports) / len(reports) for model in models)
    lines.append(f"| mean | | {' | '.join(f'{mean:.4f}' for mean in means)} | {sum(ratios) / len(ratios):.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("days", nargs="*", type=dt.date.fromisoformat, default=DAYS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reports = [judge(day, Path(folder) / "work") for day in arguments.days]
    text = table(reports)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
