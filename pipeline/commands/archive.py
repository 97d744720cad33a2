"""The commands that look after the archive: ledger, reconcile, backfill, forget, restore."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.configuration import load_settings
from pipeline.console import out
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

if TYPE_CHECKING:
    from pipeline.settings import Settings

app = typer.Typer()
From = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option("--to", help="Last day, included.")]


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(settings.log)
    return settings


def _days(first: str | None, last: str | None) -> tuple[dt.date | None, dt.date | None]:
    found = _day("--from", first), _day("--to", last)
    if found[0] and found[1] and found[1] < found[0]:
        raise SettingsError(
            "--to", expected=f"a day not before {found[0]}", found=str(found[1]), remedy="Turn the range round."
        )
    return found


def _day(option: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(option, expected="a day as YYYY-MM-DD", found=repr(text), remedy="Name one.") from error


@app.command()
def ledger(
    table: Annotated[str | None, typer.Option(help="Only this canonical table.")] = None,
    last: Annotated[int, typer.Option(help="So many of the newest entries.")] = 30,
    accept: Annotated[
        str | None, typer.Option(help="Take this table as it is from now on, though columns changed their type.")
    ] = None,
) -> None:
    """Show every reading: its window, rows read, inserted, updated, deleted and double, seconds, cursors, checksum."""
    from pipeline.sources.drift import accept_shape
    from pipeline.sources.ledger import open_ledger

    with open_ledger(_settings().workspace.ledger) as book:
        if accept is not None:
            known = accept_shape(book, accept)
            out.print(f"{accept}: {'the next extract takes it as it is' if known else 'never read, nothing to accept'}")
            return
        entries = book.extractions(table)[-last:]
    shown = Table()
    for column in ("at", "table", "kind", "window", "read", "new", "changed", "gone", "double", "no cursor", "seconds"):
        shown.add_column(column)
    for column in ("cursor before", "cursor after", "checksum", "note"):
        shown.add_column(column)
    for entry in entries:
        numbers = (entry.rows, entry.inserted, entry.updated, entry.deleted, entry.duplicates, entry.unreadable)
        shown.add_row(
            _moment(entry.recorded_at),
            entry.table,
            entry.kind,
            f"{_moment(entry.start)} … {_moment(entry.end)}",
            *(f"{number:,}" for number in numbers),
            f"{entry.seconds:.1f}",
            _moment(entry.cursor_before),
            _moment(entry.cursor_after),
            entry.checksum[:8],
            entry.note,
        )
    out.print(shown)


def _moment(time: dt.datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


@app.command()
def reconcile(first: From = None, last: To = None) -> None:
    """Compare archive and source whole, or on some days; say which table and day differed, and repair it."""
    from pipeline import upkeep

    days = _days(first, last)
    for found in upkeep.reconcile(*days, _settings()):
        for difference in found.differences:
            out.print(f"{difference}, repaired")
        lost = f", {found.unreadable:,} without a readable cursor" if found.unreadable else ""
        same = "the same" if not found.differences else f"{len({each.day for each in found.differences})} days differed"
        out.print(
            f"{found.table}: {found.rows:,} rows compared, {same};"
            f" {found.inserted} inserted, {found.updated} updated, {found.deleted} deleted{lost}"
        )


@app.command()
def backfill(first: From = None, last: To = None) -> None:
    """Read days again that were extracted before, and replace them; watermarks stay where they are."""
    from pipeline import upkeep

    begin, end = _days(first, last)
    if begin is None:
        raise SettingsError("--from", expected="the first day", found="none", remedy="Name it as YYYY-MM-DD.")
    for name, taken in upkeep.backfill(begin, end or begin, _settings()).items():
        out.print(
            f"{name}: {taken.rows:,} rows read, {len(taken.written)} days changed;"
            f" {taken.inserted} inserted, {taken.updated} updated, {taken.deleted} deleted"
        )


@app.command()
def forget(user: Annotated[str, typer.Option(help="The user's id in the shop.")]) -> None:
    """Erase a user from all that runs have left, for good; print where the receipt is.

    There is no way back: orders that come later under the same id are left out too.
    """
    from pipeline.erasure.forget import forget as erase

    out.print(f"erased, receipt: {erase(user, _settings())}")


@app.command()
def restore(
    url: Annotated[
        list[str] | None,
        typer.Option("--from", help="Where copies lie; default: `archive_url` and `releases_url` of the settings."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go back to the copy, though what is here is newer or another shop's.")
    ] = False,
) -> None:
    """Bring the archive and the releases back from their copies in an object store; may be repeated."""
    from pipeline.sources.objectstore.restore import restore as bring_back

    done = bring_back(url or [], _settings(), force=force)
    out.print(
        f"{done.partitions:,} partitions brought back, {done.kept:,} were whole;"
        f" {done.erased:,} rows of forgotten users taken out;"
        f" releases: {', '.join(done.releases) or 'none'}; in use: {done.in_use or 'none'}",
        soft_wrap=True,
    )
