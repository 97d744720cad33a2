"""The `vitrine` command: it parses, asks, and prints."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from feature_store.errors import VitrineError
from pipeline.commands import archive, audit, evaluation, features, recall, tune
from pipeline.commands.options import Day, Json, Quiet, day_of, settings_of
from pipeline.commands.source import source
from pipeline.configuration import origins
from pipeline.console import out
from pipeline.errors import SettingsError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
demo = typer.Typer(no_args_is_help=True, help="The demo shop.")
app.add_typer(demo, name="demo")
app.add_typer(archive.app)
app.add_typer(audit.app, name="audit")
app.add_typer(evaluation.app, name="evaluate")
app.add_typer(features.app)
app.add_typer(recall.app, name="recall")
app.add_typer(tune.app, name="tune")
app.add_typer(source, name="source")


@app.command()
def run(
    day: Day = None,
    to: Annotated[str | None, typer.Option(help="Run every day from --day to this one, both included.")] = None,
    sync_only: Annotated[
        bool,
        typer.Option(
            "--sync-only", help="Rebuild features, online store and release from the archive; touch no source."
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run the whole pass of a day: extract … publish, then tell serving."""
    from pipeline import day_run

    settings = settings_of(quiet=quiet, as_json=as_json)
    first = day_of(day, settings)
    last = day_of(to, settings) if to else first
    if last < first:
        raise SettingsError(
            "--to", expected=f"a day not before {first}", found=str(last), remedy="Turn the range round."
        )
    for offset in range((last - first).days + 1):
        today = first + dt.timedelta(days=offset)
        results = day_run.run_and_record(today, settings, sync_only=sync_only)
        if as_json:
            print(json.dumps([asdict(result) for result in results], default=str))  # noqa: T201 - the answer for machines
        elif not quiet:
            from pipeline.closing import print_closing

            print_closing(out, today, results, settings)


@app.command()
def stage(name: str, day: Day = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Run one stage of a day: extract, clean, validate, audit, features, sync, train, recall, evaluate, publish …"""
    from pipeline.day_run import STAGES, load_stage
    from pipeline.locks import day_lock

    settings = settings_of(quiet=quiet, as_json=as_json)
    if name not in STAGES:
        raise SettingsError("stage", expected=f"one of {', '.join(STAGES)}", found=name, remedy="Name one of them.")
    today = day_of(day, settings)
    with day_lock(today, settings):
        result = load_stage(name)(today, settings)
    if as_json:
        print(json.dumps(asdict(result), default=str))  # noqa: T201 - the answer for machines
    elif not quiet:
        from pipeline.closing import stage_table

        out.print(stage_table([result]))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Default: `serving.host` of the settings.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: `serving.port` of the settings.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: `serving.workers` of the settings.")] = None,
) -> None:
    """Answer requests over HTTP with the release in use."""
    given = {"VITRINE_SERVING__HOST": host, "VITRINE_SERVING__PORT": port, "VITRINE_SERVING__WORKERS": workers}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606 - serving is its own process, it imports no pipeline stage


@app.command()
def config() -> None:
    """Print every setting in force and the place that decided it; secrets are masked."""
    table = Table()
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for key, (value, place) in origins().items():
        table.add_row(key, str(value), place)
    out.print(table)


@app.command()
def releases() -> None:
    """List the releases, oldest first: which is in use, which the gate refused."""
    from pipeline.recommender import release

    settings = settings_of(quiet=True)
    in_use = release.current(settings.releases)
    table = Table()
    for column in ("release", "day", "", "metrics"):
        table.add_column(column)
    for name in release.names(settings.releases):
        manifest = release.read_manifest(settings.releases / name)
        metrics = "  ".join(f"{key} {value:.4f}" for key, value in manifest.metrics.items())
        refused = "refused" if release.is_refused(settings.releases / name) else ""
        table.add_row(name, manifest.day, "in use" if name == in_use else refused, metrics)
    out.print(table)


@app.command()
def rollback(name: str) -> None:
    """Make another release the one in use, then tell serving."""
    from pipeline.evaluation.promotion import use

    use(name, settings_of())
    out.print(f"{name} is in use")


@app.command()
def promote(
    name: str,
    force: Annotated[bool, typer.Option("--force", help="Though the gate refused it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the release.")] = "",
) -> None:
    """Make a release the one in use that the gate refused, for a reason; then tell serving."""
    from pipeline.evaluation.promotion import promote as put_into_use

    settings = settings_of()
    put_into_use(name, settings, force=force, reason=reason)
    out.print(f"{name} is in use")


@demo.command("load")
def demo_load(
    database_url: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL; default: the SQLite file in the work folder.")
    ] = None,
    households: Annotated[int | None, typer.Option(help="Only so many households, for a small shop.")] = None,
) -> None:
    """Load The Complete Journey into a business database."""
    from pipeline.demo.shop import load_demo_shop

    settings = settings_of()
    settings.workspace.demo_shop.parent.mkdir(parents=True, exist_ok=True)
    counts = load_demo_shop(database_url or f"sqlite:///{settings.workspace.demo_shop}", households=households)
    for table, rows in counts.items():
        out.print(f"{table:12} {rows:>12,}")


MatomoUrl = Annotated[
    str | None,
    typer.Option(
        "--matomo-url", help="SQLAlchemy URL of an empty database; default: the SQLite file in the work folder."
    ),
]


@demo.command("shop")
def demo_shop(
    matomo_url: MatomoUrl = None,
    households: Annotated[int, typer.Option(min=1, help="Households whose visits are simulated.")] = 100,
    days: Annotated[int, typer.Option(min=1, help="Days before and with --to.")] = 60,
    to: Annotated[str | None, typer.Option(help="Where the clock stands; default: the last day of a run.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed makes other visits; default: `seed`.")] = None,
) -> None:
    """Load the demo shop and SIMULATE a storefront around its real baskets: a Matomo database with a known truth."""
    from pipeline.demo.shop import ensure_demo_shop
    from pipeline.demo.storefront import make_storefront, storefront_url, write_truth
    from pipeline.demo.storefront_truth import Truth

    settings = settings_of()
    ensure_demo_shop(settings)
    last = day_of(to, settings) if to else settings.last_judged(day_of(None, settings))
    url, truth = matomo_url or storefront_url(settings), Truth(seed=settings.seed if seed is None else seed)
    first = last - dt.timedelta(days=days - 1)
    _print_storefront(make_storefront(url, households=households, first=first, through=last, truth=truth))
    write_truth(settings.workspace.demo_truth, url)
    out.print(f"simulated through {last}; what is true of it: {settings.workspace.demo_truth}")


@demo.command("advance")
def demo_advance(
    to: Annotated[str, typer.Option(help="The day, YYYY-MM-DD, to whose end the clock is moved.")],
    matomo_url: MatomoUrl = None,
) -> None:
    """Move the clock of the simulated storefront: new visits, late rows, carts that become orders."""
    from pipeline.demo.storefront import advance, storefront_url, write_truth

    settings = settings_of()
    last, url = day_of(to, settings), matomo_url or storefront_url(settings)
    _print_storefront(advance(url, last))
    write_truth(settings.workspace.demo_truth, url)
    out.print(f"simulated through {last}; what is true of it: {settings.workspace.demo_truth}")


def _print_storefront(counts: dict[str, int]) -> None:
    for table, rows in counts.items():
        out.print(f"{table:28} {rows:>12,}")


def main() -> None:
    """The outermost frame: what was raised on purpose is one clear line and exit code 1."""
    try:
        app()
    except VitrineError as error:
        name = type(error).__name__
        if "--json" in sys.argv:
            print(json.dumps({"error": name, "message": str(error)}), file=sys.stderr)  # noqa: T201 - for machines
        else:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - brackets in the message are not markup
        sys.exit(1)
