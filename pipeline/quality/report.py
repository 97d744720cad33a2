"""A day's quality as JSON for machines and as a page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pipeline.pages.page import Tile, page, table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pipeline.quality.choices import Quality as Choices
    from pipeline.quality.score import Judged, Quality

NONE = "none"
DOCS = "expectations"
"""Folder of the Data Docs beside the report."""


def quality_report(
    day: dt.date,
    made_from: str,
    quality: Quality,
    judged: Sequence[Judged],
    measures: pd.DataFrame,
    looked_at: Mapping[str, tuple[int, int]],
    choices: Choices,
) -> dict[str, Any]:
    """Everything about the day's score.

    looked_at: by table, rows that Great Expectations looked at and rows of the day
    """
    usual = measures.iloc[:-1]
    return {
        "day": str(day),
        "made_from": made_from,
        "score": quality.score,
        "minimum": choices.score.minimum,
        "minimum_parts": choices.score.minimum_parts,
        "parts": quality.parts,
        "not_judged": [part for part in choices.score.weights if part not in quality.parts],
        "compared_with": [str(each) for each in usual.index],
        "looked_at": {name: {"rows": rows, "of": of} for name, (rows, of) in looked_at.items()},
        "expectations": [_expectation(each) for each in judged],
        "measures": {name: _measure(measures[name]) for name in measures.columns},
    }


def _expectation(each: Judged) -> dict[str, Any]:
    expectation = each.finding.expectation
    return {
        "suite": expectation.suite,
        "part": expectation.part,
        "says": expectation.says,
        "about": expectation.arguments.get("column", expectation.suite),
        "met": each.finding.met,
        "degree": round(each.degree, 4),
        "observed": each.observed,
        "unexpected": each.finding.unexpected,
    }


def _measure(values: pd.Series) -> dict[str, float | None]:
    """Of the day, and the range of the days before it."""
    usual, today = values.iloc[:-1].dropna(), values.iloc[-1]
    return {
        "day": None if today != today else float(today),  # noqa: PLR0124 -- NaN is what differs from itself
        "least": float(usual.min()) if len(usual) else None,
        "median": float(usual.median()) if len(usual) else None,
        "most": float(usual.max()) if len(usual) else None,
    }


def quality_page(report: Mapping[str, Any]) -> str:
    """The report as one HTML file that needs nothing else."""
    minimum, parts = report["minimum"], report["parts"]
    tiles = [Tile(f"score, at least {minimum:g}", f"{report['score']:g}", _mood(report["score"], minimum))]
    tiles += [
        Tile(part, f"{value:g}", _mood(value, report["minimum_parts"].get(part, 0))) for part, value in parts.items()
    ]
    tiles += [Tile(f"{part}: not judged", NONE) for part in report["not_judged"]]
    compared = report["compared_with"]
    says = (
        f"Compared with {len(compared)} days before it." if compared else "There are no days before it to compare with."
    )
    broken = [each for each in report["expectations"] if not each["met"]]
    sections = [
        (f"Broken expectations: {len(broken)} of {len(report['expectations'])}", _expectations(broken)),
        ("Measures", _measures(report["measures"])),
        ("Expectations that are met", _expectations([each for each in report["expectations"] if each["met"]])),
        ("Rows that Great Expectations looked at", _looked_at(report["looked_at"])),
    ]
    return page(f"Quality, {report['day']}", says, tiles, sections)


def _mood(value: float, minimum: float) -> Literal["good", "warn", "bad"]:
    if value < minimum:
        return "bad"
    return "good" if value > 95 else "warn"  # noqa: PLR2004 -- a little off is worth a look


def _expectations(chosen: list[Mapping[str, Any]]) -> str:
    rows = [[each["part"], each["suite"], each["says"], f"{100 * each['degree']:g}", _seen(each)] for each in chosen]
    return table(["part", "of", "expectation", "degree", "found"], rows)


def _seen(each: Mapping[str, Any]) -> str:
    return f"{each['unexpected']:.2%} break it" if each["observed"] is None else f"{each['observed']:.4g}"


def _measures(measures: Mapping[str, Mapping[str, float | None]]) -> str:
    columns = ("day", "least", "median", "most")
    rows = [
        [name, *(NONE if each[column] is None else f"{each[column]:.4g}" for column in columns)]
        for name, each in measures.items()
    ]
    return table(["measure", "the day", "least before", "median before", "most before"], rows)


def _looked_at(tables: Mapping[str, Mapping[str, int]]) -> str:
    return table(
        ["table", "rows", "of"], [[name, f"{each['rows']:,}", f"{each['of']:,}"] for name, each in tables.items()]
    )
