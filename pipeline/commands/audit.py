"""The command `vitrine audit`: what is checked of features beyond the tests of their definitions."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from pipeline.configuration import load_settings
from pipeline.console import out
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

app = typer.Typer(no_args_is_help=True, help="Checks of features on the archive.")


@app.command()
def leaks(
    day: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD; default: the last that the archive of `day` allows.")
    ] = None,
) -> None:
    """Name the features that know the future; exit code 1 when there is one."""
    from pipeline.audits.leaks import audit_leaks, last_day

    settings = load_settings()
    configure_logging(settings.log)
    chosen = last_day(settings.day, settings) if day is None and settings.day is not None else _named(day)
    out.print(f"{audit_leaks(chosen, settings)} features on {chosen}: none knows the future")


@app.command()
def skew(
    day: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD, a day on which lists were given; default: the latest.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="At most so many requests are computed again.")] = 500,
) -> None:
    """Compare served feature vectors with those that training would make; exit code 1 when a feature differs."""
    from pipeline.audits.skew import audit_skew
    from pipeline.exposures import exposure_days

    settings = load_settings()
    configure_logging(settings.log)
    served_on = _named(day or max(exposure_days(settings), default=None))
    found = audit_skew(served_on, settings, requests)
    out.print(f"{found.rows} vectors served on {served_on}: every feature as training makes it, to the bit")
    for why, count in found.aside.items():
        out.print(f"{count} requests not compared: {why}", markup=False)


def _named(day: str | None) -> dt.date:
    try:
        return dt.date.fromisoformat(day or "")
    except ValueError as error:
        found = "none" if day is None else repr(day)
        raise SettingsError("--day", expected="a day as YYYY-MM-DD", found=found, remedy="Name one.") from error
