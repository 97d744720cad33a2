"""The commands `vitrine recall …`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.options import Day, Json, day_of, settings_of
from pipeline.console import out
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Recall sources.")

Scene = Annotated[str, typer.Option(help="A scene of `config/scenes.yaml`.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="A source outside the scene to look at too; may be repeated.")
]
Every = Annotated[bool, typer.Option("--all", help="Look at every source there is.")]


@app.callback()
def recall_commands() -> None:
    """Keep `report` a command of its own while it is the only one."""


@app.command()
def report(
    day: Day = None,
    scene: Scene = "home",
    source: Sources = None,
    every: Every = False,
    users: Annotated[int | None, typer.Option(min=1, help="Ask only so many users.")] = None,
    as_json: Json = False,
) -> None:
    """What each source finds of the purchases after a day, alone and beside the others, and what it costs."""
    from pipeline.atomic import write_text
    from pipeline.tuning.recall_report import overlap_table, recall_report, source_table

    settings = settings_of(as_json=as_json)
    check_scene(scene, settings)
    today = day_of(day, settings)
    found = recall_report(today, scene, names_of(source, every=every), settings, most_users=users)
    path = settings.workspace.reports(today) / "recall.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=1) + "\n")
    if as_json:
        print(json.dumps(found))  # noqa: T201 - the answer for machines
        return
    out.print(source_table(found))
    out.print(overlap_table(found))
    out.print(f"The same as JSON: {path}", highlight=False)


def names_of(source: list[str] | None, *, every: bool) -> list[str]:
    """The sources outside the scene that the options ask for."""
    from pipeline.recommender.recall import SOURCES

    return list(SOURCES) if every else list(source or [])


def check_scene(scene: str, settings: Settings) -> None:
    """
    Raises:
        SettingsError: there is no such scene.
    """
    if scene not in settings.scenes:
        raise SettingsError(
            "--scene", expected=f"one of {', '.join(settings.scenes)}", found=scene, remedy="See `config/scenes.yaml`."
        )
