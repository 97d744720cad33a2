"""The commands `vitrine tune …`: choices found by measuring, with how they were found."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from rich.table import Table

from pipeline.commands.options import Day, day_of, settings_of
from pipeline.commands.recall import Every, Scene, Sources, check_scene, names_of
from pipeline.configuration import config_folder
from pipeline.console import out

app = typer.Typer(no_args_is_help=True, help="Choices found by measuring, on days before the one named.")


@app.command()
def ranker(
    day: Day = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the study, those of earlier runs included.")] = 30,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Start no trial after so many minutes.")] = None,
    validation_weeks: Annotated[int, typer.Option(min=1, help="Weeks before the cut that decide.")] = 2,
    askers: Annotated[int, typer.Option(min=1, help="Users of each of them, drawn evenly.")] = 500,
    write: Annotated[
        bool, typer.Option("--write", help="Put the best, and how they were found, into config/settings.yaml.")
    ] = False,
) -> None:
    """Search the hyper-parameters of `training.ranker` on weeks before the cut, the later ones deciding."""
    from pipeline.tuning.ranker import search, split_of
    from pipeline.tuning.written import found_by, with_choices

    settings = settings_of()
    cut = settings.cut(day_of(day, settings))
    split = split_of(cut, settings, validation_weeks=validation_weeks, askers=askers)
    tuned = search(split, settings, trials=trials, minutes=minutes, told=out.print)
    table = Table(title=f"{settings.training.ranker}: {tuned.trials} trials")
    for column in ("choice", "present", "best"):
        table.add_column(column)
    for name, value in tuned.best.items():
        table.add_row(name, str(tuned.present[name]), str(value))
    table.add_row("ndcg@20", f"{tuned.present_ndcg:.4f}", f"{tuned.ndcg:.4f}")
    out.print(table)
    said = found_by(tuned, dt.datetime.now(dt.UTC).date())
    out.print(said, highlight=False)
    if write:
        path = config_folder() / "settings.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(with_choices(text, settings.training.section, tuned.best, said), encoding="utf-8")
        out.print(f"written to {path}")


@app.command()
def recall(
    day: Day = None,
    scene: Scene = "home",
    source: Sources = None,
    every: Every = False,
    weeks: Annotated[int, typer.Option(min=1, help="Horizons before and with the day.")] = 2,
    budget: Annotated[int, typer.Option(min=1, help="Candidates a user, on average.")] = 375,
    step: Annotated[int, typer.Option(min=1, help="By how many candidates a quota grows.")] = 25,
    write: Annotated[bool, typer.Option("--write", help="Put the quotas into `config/scenes.yaml`.")] = False,
) -> None:
    """Find the quotas that recall most within a number of candidates, on weeks up to a day and none after it."""
    from pipeline.atomic import write_text
    from pipeline.tuning.recall import block, put_into, tune_recall

    settings = settings_of()
    check_scene(scene, settings)
    last = day_of(day, settings)
    names = list(dict.fromkeys([*settings.scenes[scene].recall, *names_of(source, every=every)]))
    tuned = tune_recall(last, scene, names, settings, weeks=weeks, budget=budget, step=step)
    today = dt.datetime.now(dt.UTC).date()
    text = f"{scene}:\n{block(tuned, today)}"
    path = settings.workspace.reports(last) / f"recall_quotas_{scene}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    out.print(text, highlight=False)
    if write:
        scenes = config_folder() / "scenes.yaml"
        write_text(scenes, put_into(scenes.read_text(encoding="utf-8"), tuned, today))
        out.print(f"Written to {scenes}: train again, recall scores are features.", highlight=False)
    else:
        out.print(f"A proposal: {path}. Put it into `scenes.yaml`, or say --write.", highlight=False)
