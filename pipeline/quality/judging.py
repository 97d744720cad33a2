"""The quality of a day: what is read for it, what is written about it, and the error when it is not good enough."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feature_store.days import end_of_day
from feature_store.schema import EVENTS, ITEMS
from monitoring.quality import write_quality
from pipeline.atomic import atomic_folder, write_text
from pipeline.errors import DataQualityError
from pipeline.quality.expectations import DAY, contract_expectations, day_expectations
from pipeline.quality.measures import categories_of, measure, missing_shares, read_for_nulls
from pipeline.quality.report import DOCS, quality_page, quality_report
from pipeline.quality.score import graded, quality_of, shortfalls
from pipeline.quality.suites import judge
from pipeline.sources.archive import CLEAN, read_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from pipeline.settings import Settings
    from pipeline.sources.ledger import Partition

VERSION = 2
"""Raise it when measures or score change: days are then judged again."""


def judge_day(day: dt.date, known: Mapping[str, Mapping[dt.date, Partition]], settings: Settings) -> dict[str, Any]:
    """Judge `day` against the days before it; nothing that came after it is looked at.

    Writes quality.json, quality.html and Data Docs into the day's reports, and the metrics for Prometheus.
    A day that was judged from the same rows by the same choices is not judged again.

    Raises:
        DataQualityError: the score or a part is below its minimum.
    """
    folder, quality = settings.workspace.reports(day), settings.quality
    known = {name: {each: p for each, p in days.items() if each <= day} for name, days in known.items()}
    made_from = _made_from(day, known, settings)
    report = _judged_before(folder, made_from)
    if report is None:
        report = _judge(day, known, settings, made_from)
        write_text(folder / "quality.json", json.dumps(report, indent=2) + "\n")
        write_text(folder / "quality.html", quality_page(report))
    met = sum(each["met"] for each in report["expectations"])
    write_quality(
        settings.workspace.root / "metrics" / "quality.prom",
        score=report["score"],
        minimum=quality.score.minimum,
        parts=report["parts"],
        met=met,
        broken=len(report["expectations"]) - met,
        as_of=end_of_day(day),
    )
    if report["shortfalls"]:
        raise DataQualityError(
            f"data of {day}",
            expected=f"a score of at least {quality.score.minimum:g}, parts of at least {quality.score.minimum_parts}",
            found=f"{report['score']:g}; {' | '.join(report['shortfalls'])}",
            remedy=f"See {folder / 'quality.html'}; mend the source and run the day again, or lower"
            " `quality.score.minimum` for this run.",
        )
    return report


def _judge(
    day: dt.date, known: Mapping[str, Mapping[dt.date, Partition]], settings: Settings, made_from: str
) -> dict[str, Any]:
    quality = settings.quality
    before = [day - dt.timedelta(days=back) for back in range(quality.reference_days, 0, -1)]
    first = min(known[EVENTS.name], default=day)
    days = [*(each for each in before if each >= first), day]
    measures, values = measure(
        days,
        known,
        _read(EVENTS.name, days, known, settings, ["time", "kind", "item_id", "quantity", "value"]),
        {
            column: shares
            for name in known
            if (optional := read_for_nulls(name))
            for column, shares in missing_shares(name, _read(name, days, known, settings, optional)).items()
        },
        categories_of(_read(ITEMS.name, known[ITEMS.name], known, settings, ["item_id", "category"])),
        quality.freshness_hours,
    )
    rows = {name: tables[day] for name in known if (tables := _read(name, [day], known, settings))}
    frames = {name: _naive(table.slice(0, quality.sample_rows)) for name, table in rows.items()}
    expectations = [each for name in rows for each in contract_expectations(name, day)]
    expectations += day_expectations(measures, values, quality)
    frames[DAY] = values.iloc[-1:].reset_index(drop=True)
    with atomic_folder(settings.workspace.reports(day) / DOCS) as docs:
        findings = judge(expectations, frames, day, docs)
    judged = graded(findings, values.iloc[-1])
    result = quality_of(judged, quality.score)
    looked_at = {name: (len(frames[name]), len(table)) for name, table in rows.items()}
    report = quality_report(day, made_from, result, judged, values, looked_at, quality)
    return {**report, "shortfalls": shortfalls(result, quality.score)}


def _read(
    name: str,
    days: Iterable[dt.date],
    known: Mapping[str, Mapping[dt.date, Partition]],
    settings: Settings,
    columns: list[str] | None = None,
) -> dict[dt.date, pa.Table]:
    return {
        day: read_partition(settings.workspace, CLEAN, name, day, known[name][day], columns)
        for day in days
        if day in known[name]
    }


def _naive(table: pa.Table) -> pd.DataFrame:
    """Times without their zone, which is UTC: Great Expectations compares them with days written as text."""
    fields = [
        pa.field(each.name, pa.timestamp("us")) if pa.types.is_timestamp(each.type) else each for each in table.schema
    ]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas()
    return frame


def _made_from(day: dt.date, known: Mapping[str, Mapping[dt.date, Partition]], settings: Settings) -> str:
    files = {
        name: {str(each): [p.checksum, dict(p.counts)] for each, p in days.items()} for name, days in known.items()
    }
    text = json.dumps([VERSION, str(day), settings.quality.model_dump(mode="json"), files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _judged_before(folder: Path, made_from: str) -> dict[str, Any] | None:
    path = folder / "quality.json"
    if not path.is_file() or not (folder / DOCS / "index.html").is_file() or not (folder / "quality.html").is_file():
        return None
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report if report.get("made_from") == made_from else None
