"""The main job from an empty work folder, then the next day: seconds and peak memory of each stage.

    .venv/bin/python scripts/bench/run.py            prints the table
    .venv/bin/python scripts/bench/run.py --write    puts it into docs/benchmarks.md

Machines differ and are shared: seconds stand beside the CPU seconds of the same process and beside a yardstick, the
seconds that NumPy takes on one core to sort 20 million numbers, measured before and after on the same machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- run: begin -->", "<!-- run: end -->"
DAYS = (dt.date(2017, 11, 5), dt.date(2017, 11, 6))
MEGABYTE = 1024 * 1024


def yardstick() -> float:
    """Seconds to sort 20 million random float64 on one core."""
    numbers = np.random.default_rng(1).random(20_000_000)
    start = time.perf_counter()
    numbers.sort()
    return time.perf_counter() - start


def run(day: dt.date, work: Path) -> dict[str, Any]:
    """The whole pass of `day` in a process of its own: its stages, wall and CPU seconds, highest resident memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "--json", "--day", str(day)],
        cwd=ROOT,
        env={**os.environ, "VITRINE_WORK_DIR": str(work), "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = json.loads(done.stdout)
    return {
        "day": day,
        "stages": stages,
        "wall": time.perf_counter() - start,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory": max(stage["peak_memory_bytes"] for stage in stages),
    }


def table(runs: list[dict[str, Any]], stick: float) -> str:
    """Both runs side by side, as Markdown."""
    first, second = runs
    lines = [
        (
            f"Measured on {dt.datetime.now(dt.UTC).date()} with {os.cpu_count()} cores:"
            " the demo shop from an empty work folder (environment installed), then the next day."
        ),
        f"Yardstick (NumPy sorts 20 million float64 on one core, mean of before and after): {stick:.2f} s.",
        "Command: `.venv/bin/python scripts/bench/run.py --write`",
        "",
        f"| stage | rows, {first['day']} | seconds | peak MB | rows, {second['day']} | seconds | peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one, two in zip(first["stages"], second["stages"], strict=True):
        cells = (f"{s['rows']:,} | {s['seconds']:.1f} | {s['peak_memory_bytes'] / MEGABYTE:,.0f}" for s in (one, two))
        lines.append(f"| {one['stage']} | {' | '.join(cells)} |")
    for name, unit in (("wall", "seconds, whole process"), ("cpu", "CPU seconds, whole process")):
        lines.append(f"| {unit} | | {first[name]:.0f} | | | {second[name]:.0f} | |")
    lines.append(f"| seconds in yardsticks | | {first['wall'] / stick:.0f} | | | {second['wall'] / stick:.0f} | |")
    lines.append(
        f"| highest peak MB | | | {first['memory'] / MEGABYTE:,.0f} | | | {second['memory'] / MEGABYTE:,.0f} |"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    before = yardstick()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run(day, Path(folder) / "work") for day in DAYS]
    text = table(runs, (before + yardstick()) / 2)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
