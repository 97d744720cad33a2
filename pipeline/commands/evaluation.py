"""The command `vitrine evaluate`: a release judged on one week or several, what slots earned, and would have earned."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.options import Day, Json, Quiet, day_of, settings_of
from pipeline.console import out

if TYPE_CHECKING:
    from pipeline.settings import Settings

app = typer.Typer(invoke_without_command=True)


@app.callback()
def evaluate(
    context: typer.Context,
    day: Day = None,
    weeks: Annotated[
        int | None,
        typer.Option(
            min=1, help="Train anew at the end of each of so many consecutive weeks and judge on the week after it."
        ),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(help="With --weeks: a Parquet file for the metrics of every user's list; it names the users."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Judge the release of a day beside the baselines, on the days that training did not see.

    With --weeks nothing is touched but a scratch folder: rankers are trained from the clean archive alone.
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.closing import metric_table, read_metrics
    from pipeline.day_run import load_stage
    from pipeline.locks import day_lock

    settings = settings_of(quiet=quiet, as_json=as_json)
    today = day_of(day, settings)
    if weeks is not None:
        from pipeline.evaluation.rolling import rolling
        from pipeline.evaluation.tables import weeks_table

        report = rolling(today, weeks, settings, users)
        table = weeks_table(report)
    else:
        with day_lock(today, settings):
            load_stage("evaluate")(today, settings)
        report = read_metrics(today, settings)
        table = metric_table(report)
    if as_json:
        print(json.dumps(report))  # noqa: T201 - the answer for machines
    elif not quiet:
        out.print(table)


@app.command()
def off_policy(
    release: Annotated[str, typer.Option(help="The release to hold against the one that served.")],
    first: Annotated[str | None, typer.Option("--from", help="First day; default: four weeks up to --to.")] = None,
    to: Annotated[str | None, typer.Option(help="Last day, included; default: `day` of the settings.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="At most so many requests are asked again.")] = 20_000,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The click rate that a release would have had, from the log of another one in scenes that explore."""
    from pipeline.evaluation.counterfactual import counterfactual
    from pipeline.evaluation.tables import off_policy_table

    settings = settings_of(quiet=quiet, as_json=as_json)
    report = counterfactual(release, *_days(first, to, settings), settings, most=requests)
    if as_json:
        print(json.dumps(report))  # noqa: T201 - the answer for machines
    elif not quiet:
        out.print(off_policy_table(report))


@app.command()
def business(
    first: Annotated[str | None, typer.Option("--from", help="First day; default: four weeks up to --to.")] = None,
    to: Annotated[str | None, typer.Option(help="Last day, included; default: `day` of the settings.")] = None,
    release: Annotated[
        str | None, typer.Option(help="A release; what was shown up to its day is held against what was shown after.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Impressions, clicks, carts, purchases and money of recommendation slots, by slot, position and day."""
    from pipeline.evaluation.business import business as measured
    from pipeline.evaluation.tables import business_tables
    from pipeline.recommender.release import read_manifest

    settings = settings_of(quiet=quiet, as_json=as_json)
    start, last = _days(first, to, settings)
    since = dt.date.fromisoformat(read_manifest(settings.releases / release).day) if release else None
    report = measured(start, last, settings, release_day=since)
    if as_json:
        print(json.dumps(report))  # noqa: T201 - the answer for machines
    elif not quiet:
        for table in business_tables(report):
            out.print(table)


def _days(first: str | None, to: str | None, settings: Settings) -> tuple[dt.date, dt.date]:
    """The first and the last day that the options name."""
    last = day_of(to, settings)
    start = day_of(first, settings) if first else last - dt.timedelta(days=settings.evaluation.business_days - 1)
    return start, last
