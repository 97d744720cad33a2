"""The command `vitrine audit`: what is checked of features beyond the tests of their definitions."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from rich.console import Console

from pipeline.configuration import load_settings
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

app = typer.Typer(no_args_is_help=True, help="Checks of features on the archive.")
out = Console()


@app.callback()
def commands() -> None:
    """Keep `leaks` a command of its own while it is the only one."""


@app.command()
def leaks(
    day: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD; default: the last that the archive of `day` allows.")
    ] = None,
) -> None:
    """Name the features that know the future; exit code 1 when there is one."""
    from pipeline.audit import audit

    settings = load_settings()
    configure_logging(settings.log)
    try:
        chosen = dt.date.fromisoformat(day) if day else _last_day(settings.day, settings.horizon)
    except ValueError as error:
        raise SettingsError("--day", expected="a day as YYYY-MM-DD", found=repr(day), remedy="Name one.") from error
    out.print(f"{audit(chosen, settings)} features on {chosen}: none knows the future")


def _last_day(day: dt.date | None, horizon: dt.timedelta) -> dt.date:
    if day is None:
        raise SettingsError("--day", expected="a day as YYYY-MM-DD", found="none", remedy="Name one, or set `day`.")
    return day - horizon - dt.timedelta(days=1)
