"""The command `vitrine evaluate`: a release judged on one week or several."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli_options import Day, Json, Quiet, day_of, settings_of

app = typer.Typer(invoke_without_command=True)
out = Console()


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
    from pipeline.closing import metric_table, read_metrics, weeks_table
    from pipeline.day_run import load_stage
    from pipeline.locks import day_lock

    settings = settings_of(quiet=quiet, as_json=as_json)
    today = day_of(day, settings)
    if weeks is not None:
        from pipeline.evaluation.rolling import rolling

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
