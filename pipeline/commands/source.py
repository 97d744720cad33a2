"""`vitrine source`: connect a shop by writing YAML, and see whether it is right."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.configuration import load_settings
from pipeline.console import out
from pipeline.errors import SettingsError
from pipeline.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.settings import Settings
    from pipeline.sources.findings import Finding

source = typer.Typer(no_args_is_help=True, help=__doc__)


@source.command()
def check(
    mapping: Annotated[Path | None, typer.Option(help="The mapping file; default: `source` of the settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one JSON array of findings.")] = False,
) -> None:
    """Connect to the shop, and to Matomo if there is one, and print what each column is, or lacks; exit code 1 when a
    run would stop.
    """
    from pipeline.sources.checking import check_source

    found = check_source(_settings({} if mapping is None else {"source": mapping.resolve()}))
    problems = [finding for finding in found if finding.is_problem]
    if as_json:
        print(json.dumps([asdict(finding) for finding in found]))  # noqa: T201 - the answer for machines
    else:
        _print_findings(found)
        out.print(f"[red]{len(problems)} to mend[/]" if problems else "[green]A run can read this shop.[/]")
    if problems:
        raise typer.Exit(1)


@source.command()
def init(
    url: Annotated[
        str | None,
        typer.Argument(help="mysql+pymysql://user:password@host:3306/shop; default: `database_url` of the settings."),
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="Write the mapping here; default: print it.")] = None,
    matomo: Annotated[
        bool | None, typer.Option("--matomo/--shop", help="Which, where one database holds both; default: the shop.")
    ] = None,
) -> None:
    """Write a first mapping of a shop, or of a Matomo, by looking at a database's tables and columns."""
    from pipeline.sources.checking import first_mapping

    text = first_mapping(_settings({} if url is None else {"database_url": url}), matomo=matomo)
    if target is None:
        print(text, end="")  # noqa: T201 - a file's text, not a message
        return
    _write_new(target, text)
    out.print(f"{target} written. Decide what it asks; its first lines say how to check it.", soft_wrap=True)


def _settings(arguments: Mapping[str, Any]) -> Settings:
    settings = load_settings(arguments=arguments)
    configure_logging(settings.log.model_copy(update={"level": "WARNING"}))
    return settings


def _write_new(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SettingsError(
            "--out", expected="a new file", found=f"{target}, which exists", remedy="Name another, or move it away."
        ) from None
    except OSError as error:
        raise SettingsError(
            "--out", expected="a file that can be written", found=str(error), remedy="Name another."
        ) from error


def _print_findings(found: Sequence[Finding]) -> None:
    from pipeline.sources.findings import looked_at

    for name, findings in groupby(found, key=lambda finding: finding.table):
        table = Table(title=name, title_justify="left")
        for column in ("column", "from", "found", "type", "sample", "nulls", "hint"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(*_row(finding), style="red" if finding.is_problem else None)
        out.print(table)
    out.print(looked_at())


def _row(finding: Finding) -> Iterator[str]:
    from rich.markup import escape

    nulls = "" if finding.null_share is None else f"{finding.null_share:.1%}"
    state = "found" if finding.found else "missing"
    shown = finding.sample if len(finding.sample) <= 40 else f"{finding.sample[:39]}…"  # noqa: PLR2004 -- a cell's width
    for text in (finding.column, finding.source, state, finding.type, shown, nulls, finding.hint):
        yield escape(text)
