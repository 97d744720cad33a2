"""What each recall source finds of the next purchases, alone and beside the others, and what it costs."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from feature_store.schema import PURCHASE
from pipeline.blas import products_on_one_thread
from pipeline.evaluation.lists import novelty
from pipeline.knowledge import fit_source
from pipeline.tuning.offers import ask_everybody, bought_after, known_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from feature_store.history import History
    from pipeline.knowledge import Knowledge
    from pipeline.recommender.recall.source import RecallSource
    from pipeline.settings import Settings
    from pipeline.tuning.offers import Offers

DEPTHS = (50, 100, 500)
OTHER_QUOTA = 100
"""Of a source outside the scene, so many candidates are added to see what it would add."""


@products_on_one_thread()
def recall_report(
    day: dt.date, scene: str, names: Sequence[str], settings: Settings, *, most_users: int | None = None
) -> dict[str, Any]:
    """The report of the sources of `scene` and of `names`, on the purchases that the run of `day` is judged on.

    Sources without an index of that day are fitted for the report.

    Raises:
        EmptyDayError: nobody who was known bought anything on the judged days.
        SettingsError: there is no such source.
    """
    cut = settings.cut(day)
    known = known_at(cut, settings)
    inside = {name: recall.quota for name, recall in settings.scenes[scene].recall.items()}
    quotas = inside | {name: OTHER_QUOTA for name in names if name not in inside}
    sources, fit_seconds = _fitted(known, list(quotas), settings)
    depth = max(*DEPTHS, *quotas.values())
    offers = ask_everybody(known, sources, bought_after(cut, settings), depth=depth, most_users=most_users)
    return {
        "day": str(day),
        "cut": str(cut),
        "judged": [str(cut + dt.timedelta(days=1)), str(cut + settings.horizon)],
        "scene": scene,
        **measured(offers, known, sources, inside, quotas, fit_seconds),
    }


def measured(
    offers: Offers,
    known: Knowledge,
    sources: Mapping[str, RecallSource],
    inside: Mapping[str, int],
    quotas: Mapping[str, int],
    fit_seconds: Mapping[str, float],
) -> dict[str, Any]:
    """What the sources with `quotas` offer, those `inside` the scene together and each beside them."""
    return {
        "users": len(offers.wanted),
        "union": {"recall": offers.recall(inside), "candidates": offers.candidates(inside)},
        "sources": {
            name: {
                "in_scene": name in inside,
                "quota": quota,
                **_alone(name, quota, offers, known),
                **_beside(name, quotas, inside, offers),
                "fit_seconds": fit_seconds.get(name),
                "index_bytes": sum(array.nbytes for array in sources[name].arrays().values()),
            }
            for name, quota in quotas.items()
        },
    }


def _fitted(
    known: Knowledge, names: Sequence[str], settings: Settings
) -> tuple[dict[str, RecallSource], dict[str, float]]:
    """Every source, from its index where there is one, and the seconds that the others took to fit."""
    sources, seconds = {}, {}
    for name in names:
        if name in known.recall:
            sources[name] = known.recall[name]
        else:
            started = time.perf_counter()
            sources[name] = fit_source(name, known.snapshot, known.history, settings)
            seconds[name] = time.perf_counter() - started
    return sources, seconds


def _alone(name: str, quota: int, offers: Offers, known: Knowledge) -> dict[str, Any]:
    """What the source finds by itself, how much of the shop it shows, how usual, and how long it takes."""
    place, catalog, purchases = offers.place[name], known.snapshot.item_side.catalog, known.history.of_kind(PURCHASE)
    shown = offers.item[place < quota]
    wall, cpu = 1000 * offers.seconds[name], 1000 * offers.cpu_seconds[name]
    return {
        **{f"recall@{depth}": offers.recall({name: depth}) for depth in DEPTHS},
        "recall": offers.recall({name: quota}),
        "candidates": offers.candidates({name: quota}),
        "coverage": len(np.unique(shown)) / max(int(catalog.available.sum()), 1),
        "novelty": novelty(shown, _buyers(purchases, len(catalog)), purchases.users),
        "milliseconds_p50": float(np.quantile(wall, 0.5)),
        "milliseconds_p99": float(np.quantile(wall, 0.99)),
        "cpu_milliseconds": float(cpu.mean()),
    }


def _beside(name: str, quotas: Mapping[str, int], inside: Mapping[str, int], offers: Offers) -> dict[str, Any]:
    """What the source adds to the scene without it, and which share of its candidates each other source offers too."""
    others = {source: quota for source, quota in inside.items() if source != name}
    together = others | {name: quotas[name]}
    own = offers.place[name] < quotas[name]
    overlap = {
        other: float((own & (offers.place[other] < quota)).sum() / max(int(own.sum()), 1))
        for other, quota in quotas.items()
        if other != name
    }
    added = offers.candidates(together) - offers.candidates(others)
    adds = offers.recall(together) - offers.recall(others)
    return {
        "adds": adds,
        "adds_candidates": added,
        "adds_per_100_candidates": 100 * adds / added if added else 0.0,
        "overlap": overlap,
    }


def _buyers(purchases: History, items: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many users bought each item, shape (items,)."""
    pairs = np.unique(purchases.user.astype(np.int64) * items + purchases.item)
    return np.bincount(pairs % items, minlength=items)


def source_table(report: Mapping[str, Any]) -> Table:
    """One row a source, those of the scene first."""
    first, last = report["judged"]
    union = report["union"]
    table = Table(
        title=(
            f"Recall for scene {report['scene']}, purchases of {report['users']:,} users {first} … {last}: "
            f"{union['recall']:.4f} with {union['candidates']:.0f} candidates"
        ),
        title_justify="left",
    )
    columns = {
        **{f"recall@{depth}": (f"recall@{depth}", "{:.4f}") for depth in DEPTHS},
        "quota": ("quota", "{:d}"),
        "adds": ("adds", "{:+.4f}"),
        "with": ("adds_candidates", "{:.0f}"),
        "per 100": ("adds_per_100_candidates", "{:.4f}"),
        "coverage": ("coverage", "{:.3f}"),
        "novelty": ("novelty", "{:.1f}"),
        "ms p50": ("milliseconds_p50", "{:.2f}"),
        "p99": ("milliseconds_p99", "{:.2f}"),
        "CPU": ("cpu_milliseconds", "{:.2f}"),
    }
    table.add_column("source", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, values in report["sources"].items():
        cells = [form.format(values[key]) for key, form in columns.values()]
        table.add_row(name if values["in_scene"] else f"({name})", *cells)
    return table


def overlap_table(report: Mapping[str, Any]) -> Table:
    """Which share of a row's candidates the column's source offers too."""
    names = list(report["sources"])
    table = Table(title="Share of the row's candidates that the column offers too", title_justify="left")
    table.add_column("source", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    for name in names:
        overlap = report["sources"][name]["overlap"]
        table.add_row(name, *(f"{overlap[other]:.2f}" if other != name else "" for other in names))
    return table
