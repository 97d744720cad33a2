"""The commands `vitrine recall report` and `vitrine tune recall`."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.configuration import config_folder, load_settings
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

if TYPE_CHECKING:
    from pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Recall sources.")
tune = typer.Typer(no_args_is_help=True, help="Choices found by measuring, on days before the one named.")
out = Console()

Day = Annotated[str | None, typer.Option(help="YYYY-MM-DD; default: `day` of the settings.")]
Scene = Annotated[str, typer.Option(help="A scene of `config/scenes.yaml`.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="A source outside the scene to look at too; may be repeated.")
]
Every = Annotated[bool, typer.Option("--all", help="Look at every source there is.")]


@app.callback()
def recall_commands() -> None:
    """Keep `report` a command of its own while it is the only one."""


@tune.callback()
def tune_commands() -> None:
    """Keep `recall` a command of its own while it is the only one."""


@app.command()
def report(
    day: Day = None,
    scene: Scene = "home",
    source: Sources = None,
    every: Every = False,
    users: Annotated[int | None, typer.Option(min=1, help="Ask only so many users.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for machines.")] = False,
) -> None:
    """What each source finds of the purchases after a day, alone and beside the others, and what it costs."""
    from pipeline.atomic import write_text
    from pipeline.recall_report import overlap_table, recall_report, source_table

    settings, today = _asked(day, scene, quiet=as_json)
    found = recall_report(today, scene, _names(source, every=every), settings, most_users=users)
    path = settings.workspace.reports(today) / "recall.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=1) + "\n")
    if as_json:
        print(json.dumps(found))  # noqa: T201 - the answer for machines
        return
    out.print(source_table(found))
    out.print(overlap_table(found))
    out.print(f"The same as JSON: {path}", highlight=False)


@tune.command("recall")
def tune_recall(
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
    from pipeline import recall_tuning
    from pipeline.atomic import write_text

    settings, last = _asked(day, scene)
    names = list(dict.fromkeys([*settings.scenes[scene].recall, *_names(source, every=every)]))
    tuned = recall_tuning.tune_recall(last, scene, names, settings, weeks=weeks, budget=budget, step=step)
    today = dt.datetime.now(dt.UTC).date()
    text = f"{scene}:\n{recall_tuning.block(tuned, today)}"
    path = settings.workspace.reports(last) / f"recall_quotas_{scene}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    out.print(text, highlight=False, soft_wrap=True)
    if write:
        scenes = config_folder() / "scenes.yaml"
        write_text(scenes, recall_tuning.put_into(scenes.read_text(encoding="utf-8"), tuned, today))
        out.print(f"Written to {scenes}: train again, recall scores are features.", highlight=False)
    else:
        out.print(f"A proposal: {path}. Put it into `scenes.yaml`, or say --write.", highlight=False)


def _names(source: list[str] | None, *, every: bool) -> list[str]:
    from pipeline.recommender.recall import SOURCES

    return list(SOURCES) if every else list(source or [])


def _asked(day: str | None, scene: str, *, quiet: bool = False) -> tuple[Settings, dt.date]:
    """The settings in force and the day meant, once both day and scene make sense."""
    from pipeline.progress import console

    settings = load_settings()
    console.quiet = quiet
    configure_logging(settings.log.model_copy(update={"level": "WARNING"}))
    if scene not in settings.scenes:
        raise SettingsError(
            "--scene", expected=f"one of {', '.join(settings.scenes)}", found=scene, remedy="See `config/scenes.yaml`."
        )
    if day is None and settings.day is not None:
        return settings, settings.day
    try:
        return settings, dt.date.fromisoformat(day or "")
    except ValueError as error:
        raise SettingsError("--day", expected="a day as YYYY-MM-DD", found=repr(day), remedy="Name one.") from error
