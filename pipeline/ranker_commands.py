"""The command `vitrine tune ranker`: choices found by search, with how they were found."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline import recall_commands
from pipeline.configuration import config_folder, load_settings
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

out, tune = Console(), recall_commands.tune


@tune.command()
def ranker(
    day: Annotated[str | None, typer.Option(help="YYYY-MM-DD; nothing after its cut is looked at.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the study, those of earlier runs included.")] = 30,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Start no trial after so many minutes.")] = None,
    validation_weeks: Annotated[int, typer.Option(min=1, help="Weeks before the cut that decide.")] = 2,
    askers: Annotated[int, typer.Option(min=1, help="Users of each of them, drawn evenly.")] = 500,
    write: Annotated[bool, typer.Option("--write", help="Put the best into config/settings.yaml.")] = False,
) -> None:
    """Search the hyper-parameters of `training.ranker` on weeks before the cut, the later ones deciding."""
    from pipeline.tuned_settings import found_by, with_choices
    from pipeline.tuning import search, split_of

    settings = load_settings()
    configure_logging(settings.log)
    try:
        chosen = dt.date.fromisoformat(day or str(settings.day))
    except ValueError as error:
        raise SettingsError("--day", expected="a day as YYYY-MM-DD", found=repr(day), remedy="Name one.") from error
    cut = settings.cut(chosen)
    split = split_of(cut, settings, validation_weeks=validation_weeks, askers=askers)
    tuned = search(split, settings, trials=trials, minutes=minutes)
    table = Table(title=f"{settings.training.ranker}: {tuned.trials} trials")
    for column in ("choice", "present", "best"):
        table.add_column(column)
    for name, value in tuned.best.items():
        table.add_row(name, str(tuned.present[name]), str(value))
    table.add_row("ndcg@20", f"{tuned.present_ndcg:.4f}", f"{tuned.ndcg:.4f}")
    out.print(table)
    said = found_by(tuned, dt.datetime.now(dt.UTC).date())
    out.print(said, highlight=False)
    if write and tuned.best != tuned.present:
        path = config_folder() / "settings.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(with_choices(text, settings.training.section, tuned.best, said), encoding="utf-8")
        out.print(f"written to {path}")
