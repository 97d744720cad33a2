"""What a person reads when a run has ended: stages, metrics beside the baselines, one user's list, where to go next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline.blas import products_on_one_thread
from pipeline.knowledge import record_of
from pipeline.recommender.recommend import Answer, Request, recommend
from pipeline.recommender.release import Release, current, load_release, read_decision

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from pipeline.settings import Settings
    from pipeline.stage import StageResult

SHOWN_ITEMS = 10
SHOWN_METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "hit@10")
_MEGABYTE = 1024 * 1024
_TYPICAL_BASKETS = 30
"""The user shown is the first with at least this many events: enough to see taste in the list."""


def stage_table(results: Sequence[StageResult]) -> Table:
    """Rows, seconds and peak memory of each stage, and of the run."""
    table = Table(title="Stages", title_justify="left")
    for name, right in (("stage", False), ("rows", True), ("seconds", True), ("peak MB", True), ("", False)):
        table.add_column(name, justify="right" if right else "left")
    for result in results:
        counts = "  ".join(f"{name} {value:,.4g}" for name, value in list(result.counts.items())[:3])
        peak = f"{result.peak_memory_bytes / _MEGABYTE:,.0f}"
        table.add_row(result.stage, f"{result.rows:,}", f"{result.seconds:.1f}", peak, counts)
    highest = max((result.peak_memory_bytes for result in results), default=0)
    table.add_section()
    table.add_row("all", "", f"{sum(r.seconds for r in results):.1f}", f"{highest / _MEGABYTE:,.0f}", "")
    return table


def metric_table(report: Mapping[str, Any]) -> Table:
    """The release beside the baselines, judged on the same users and days."""
    first, last = report["judged"]
    table = Table(title=f"Next purchases of {report['users']:,} users, {first} … {last}", title_justify="left")
    models: Mapping[str, Mapping[str, float]] = report["models"]
    names = [name for name in SHOWN_METRICS if name in next(iter(models.values()))]
    table.add_column("model", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    best = {name: max(values[name] for values in models.values()) for name in names}
    for model, values in models.items():
        cells = [f"[bold]{values[n]:.4f}[/]" if values[n] == best[n] else f"{values[n]:.4f}" for n in names]
        table.add_row(model, *cells)
    return table


def read_metrics(day: dt.date, settings: Settings) -> dict[str, Any]:
    """The evaluation of the run of `day`; empty when it has none."""
    path = settings.workspace.evaluation(day) / "metrics.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


@products_on_one_thread()
def print_closing(console: Console, day: dt.date, results: Sequence[StageResult], settings: Settings) -> None:
    """The whole closing report of a run."""
    console.print()
    console.print(stage_table(results))
    metrics = read_metrics(day, settings)
    if metrics:
        console.print(metric_table(metrics))
    _print_decision(console, results)
    name = current(settings.releases)
    if name:
        release = load_release(settings.releases / name)
        _print_example(console, day, release, settings)
        console.print(f"Release  {settings.releases / name}")
    console.print(f"Reports  {settings.workspace.reports(day)}  {settings.workspace.evaluation(day) / 'report.html'}")
    console.print(
        "Next     [bold]vitrine serve[/]  then  [bold]curl -s localhost:8000/api/v1/recommend"
        " -H 'content-type: application/json' -d '{\"user_id\": \"1\"}'[/]",
        soft_wrap=True,
    )


def _print_decision(console: Console, results: Sequence[StageResult]) -> None:
    """Whether the gate let the release through, and what spoke against it."""
    for folder in (result.paths[0] for result in results if result.stage == "publish"):
        decision = read_decision(folder)
        if decision is None:
            continue
        console.print(f"Gate     {folder.name} {'goes into use' if decision['promoted'] else '[bold]refused[/]'}")
        for finding in decision["findings"]:
            if not finding["holds"]:
                console.print(f"         {finding['rule']}: {finding['reason']}")


def _print_example(console: Console, day: dt.date, release: Release, settings: Settings) -> None:
    folder = settings.workspace.features(day)
    snapshot = read_snapshot(folder)
    history = read_history(folder)
    row = int(np.argmax(np.diff(history.offsets) >= _TYPICAL_BASKETS))
    user, own = str(snapshot.users[row]), history.of(row)
    answer = recommend(Request(user, snapshot.as_of, SHOWN_ITEMS), release, record_of(snapshot, history, row))
    catalog = snapshot.item_side.catalog
    _, latest = np.unique(own.item[::-1], return_index=True)
    bought = own.item[::-1][np.sort(latest)][:SHOWN_ITEMS]
    table = Table(title="One of the users", title_justify="left")  # whose id has no place in a log
    for column in ("bought last", "recommended", "proposed by"):
        table.add_column(column)
    for at in range(max(len(bought), len(answer.items))):
        past = str(catalog.titles[bought[at]]) if at < len(bought) else ""
        table.add_row(past, *_shown(answer, at))
    console.print(table)


def _shown(answer: Answer, at: int) -> tuple[str, str]:
    if at >= len(answer.items):
        return "", ""
    choice = answer.items[at]
    return choice.title, ", ".join(choice.sources)
