"""Where the report of an evaluation is kept: read what was measured, write `evaluation/day=…/report.html`."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from pipeline.atomic import write_text
from pipeline.evaluation.report import Ranker, report_page
from pipeline.recommender import release as releases

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

METRICS, EXAMPLES, BUSINESS, REPORT = "metrics.json", "examples.json", "business.json", "report.html"


def write_report(day: dt.date, settings: Settings) -> Path:
    """The report of the evaluation of `day`, with the gate's decision once there is one."""
    folder = settings.workspace.evaluation(day)
    name, train = release_of(day, settings), settings.workspace.train(day)
    page = report_page(
        _read(folder / METRICS, {}),
        examples=_read(folder / EXAMPLES, []),
        business=_read(folder / BUSINESS, {}),
        ranker=Ranker(
            _read(train / "schema.json", {}).get("importance", {}),
            _read(train / "explanation.json", {}),
            _read(train / "calibration.json", None) or {},
        ),
        release=name,
        decision=releases.read_decision(settings.releases / name) if name else None,
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def release_of(day: dt.date, settings: Settings) -> str | None:
    """The release that was published with the evaluation of `day`, the last of them; none: none was."""
    measured = settings.workspace.evaluation(day) / METRICS
    made = [name for name in releases.names(settings.releases) if name.startswith(f"{day:%Y%m%d}-")]
    with_it = [
        name
        for name in made
        if (settings.releases / name / METRICS).is_file()
        and (settings.releases / name / METRICS).read_bytes() == measured.read_bytes()
    ]
    return max(with_it, key=lambda name: (settings.releases / name).stat().st_mtime_ns, default=None)


def forget_examples(settings: Settings) -> list[str]:
    """Take the lists of example users out of every report; the days whose report had some.

    Nobody is named in them, so that nobody's can be told from anybody else's.
    """
    days = []
    for path in sorted((settings.work_dir / "evaluation").glob(f"day=*/{EXAMPLES}")):
        day = dt.date.fromisoformat(path.parent.name.removeprefix("day="))
        path.unlink()
        write_report(day, settings)
        days.append(str(day))
    return days


def _read(path: Path, otherwise: Any) -> Any:  # noqa: ANN401 -- what JSON holds has no narrower type
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else otherwise
