"""What the commands of `vitrine` have in common: the day, quiet, JSON, and the settings that follow."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.configuration import load_settings
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging
from pipeline.progress import console as progress_console

if TYPE_CHECKING:
    from pipeline.settings import Settings

Day = Annotated[
    str | None, typer.Option("--day", help="The day of the run, YYYY-MM-DD; default: `day` of the settings.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="For machines: logs and result as JSON, no bars.")]


def settings_of(*, quiet: bool = False, as_json: bool = False, arguments: dict[str, Any] | None = None) -> Settings:
    """The settings of a command, and logs and bars as it was asked to have them."""
    over = dict(arguments or {})
    if as_json or quiet:
        over["log"] = {"format": "json"} if as_json else {"level": "ERROR"}
    settings = load_settings(arguments=over)
    progress_console.quiet = quiet or as_json or settings.log.format == "json"
    if not (quiet or as_json or settings.log.format == "json"):
        # A person watches bars and tables; the same facts as log lines would tear them apart.
        settings = settings.model_copy(update={"log": settings.log.model_copy(update={"level": "WARNING"})})
    configure_logging(settings.log)
    return settings


def day_of(text: str | None, settings: Settings) -> dt.date:
    """The day that an option names, else that of the settings.

    Raises:
        SettingsError: it is no day, or neither names one.
    """
    if text is None and settings.day is not None:
        return settings.day
    try:
        return dt.date.fromisoformat(text or "")
    except ValueError as error:
        raise SettingsError(
            "--day", expected="a day as YYYY-MM-DD", found=repr(text), remedy="Name one, or set `day`."
        ) from error
