"""The command `vitrine evaluate`: a release judged on one week or several, and what slots earned."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

import typer

from pipeline.commands.options import Day, Json, Quiet, day_of, settings_of
from pipeline.console import out

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

        report = rolling(today, weeks, settings)
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
    last = day_of(to, settings)
    start = day_of(first, settings) if first else last - dt.timedelta(days=settings.evaluation.business_days - 1)
    since = dt.date.fromisoformat(read_manifest(settings.releases / release).day) if release else None
    report = measured(start, last, settings, release_day=since)
    if as_json:
        print(json.dumps(report))  # noqa: T201 - the answer for machines
    elif not quiet:
        for table in business_tables(report):
            out.print(table)
