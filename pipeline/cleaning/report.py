"""What cleaning did, as a person reads it: per table and rule, over all partitions up to a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.schema import EVENTS
from pipeline.cleaning.history import bounds_of_months
from pipeline.cleaning.lookups import read_items
from pipeline.cleaning.outliers import COLUMNS, month_of
from pipeline.pages.page import Tile, page, table
from pipeline.sources.archive import CLEAN

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from pipeline.cleaning.raw_archive import RawArchive
    from pipeline.cleaning.rule import Rule
    from pipeline.settings import Clean
    from pipeline.sources.ledger import Ledger, Partition

SUMS = ("rows_in", "changed", "dropped", "quarantined", "rows_out")
SHOP = "(the whole shop)"


def cleaning_report(
    ledger: Ledger, day: dt.date, last_day: dt.date, rules: Mapping[str, tuple[Rule, ...]]
) -> dict[str, Any]:
    """The report of all partitions up to `last_day`, the same whether they were cleaned in one run or in many."""
    known = {
        name: {each: p for each, p in ledger.partitions(CLEAN, name).items() if each <= last_day} for name in rules
    }
    tables = {name: _table(rules[name], partitions) for name, partitions in known.items() if _has_own_rows(partitions)}
    total = {key: sum(each[key] for each in tables.values()) for key in SUMS}
    events = sum(partition.rows for partition in known[EVENTS.name].values())
    return {"day": str(day), "through": str(last_day), "total": {**total, "events": events}, "tables": tables}


def _has_own_rows(partitions: Mapping[dt.date, Partition]) -> bool:
    """Partitions of events tell of purchases only, where the shop writes no events of its own."""
    return any("rows_in" in partition.counts for partition in partitions.values())


def _table(of_table: tuple[Rule, ...], partitions: Mapping[dt.date, Partition]) -> dict[str, Any]:
    def total(count: str) -> int:
        return sum(partition.counts.get(count, 0) for partition in partitions.values())

    rows = rows_in = total("rows_in")
    told, sums = [], {"changed": 0, "dropped": 0, "quarantined": 0}
    for rule in of_table:
        count = total(rule.name)
        told.append({"rule": rule.name, "why": rule.why, "rows_in": rows, rule.effect: count})
        sums[rule.effect] += count
        rows -= 0 if rule.effect == "changed" else count
    return {"partitions": len(partitions), "rows_in": rows_in, **sums, "rows_out": rows, "rules": told}


def bounds_report(raw: RawArchive, last_day: dt.date, clean: Clean) -> dict[str, Any]:
    """The bounds of the last day's month, by category; categories with too few lines have the whole shop's."""
    month, items = month_of(last_day), read_items(raw)
    bounds = bounds_of_months(raw, items, [month], clean)
    categories = [*sorted(items["category"].dropna().unique()), SHOP]
    shown = {
        category: {name: [float(low), float(high)] for name, (low, high) in zip(COLUMNS, values, strict=True)}
        for category, values in zip(categories, bounds.values[0], strict=True)
        if not np.isnan(values).any()
    }
    of_all = shown.pop(SHOP, None)
    own = {category: ends for category, ends in shown.items() if ends != of_all}
    return {"month": str(month), "share": clean.clip_share, "shop": of_all, "categories": own}


def cleaning_page(report: Mapping[str, Any]) -> str:
    """The report as one HTML file that needs nothing else."""
    total, bounds = report["total"], report["outliers"]
    tiles = [Tile(name.replace("_", " "), f"{total[name]:,}") for name in (*SUMS, "events")]
    parts = [
        (f"{name}: {each['rows_in']:,} rows in, {each['rows_out']:,} left", table(*_rule_rows(each)))
        for name, each in report["tables"].items()
    ]
    if bounds["shop"]:
        rows = [[SHOP, *_ends(bounds["shop"])], *([name, *_ends(each)] for name, each in bounds["categories"].items())]
        title = f"Bounds of outliers in the month from {bounds['month']} ({bounds['share']:.2%} of lines at either end)"
        parts.append((title, table(["category", *COLUMNS], rows)))
    return page(f"Cleaning, {report['day']}", f"All partitions up to {report['through']}.", tiles, parts)


def _rule_rows(each: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for rule in each["rules"]:
        effect = next(name for name in ("changed", "dropped", "quarantined") if name in rule)
        rows.append([rule["rule"], f"{rule[effect]:,}", effect, rule["why"]])
    return ["rule", "rows", "effect", "why"], rows


def _ends(bounds: Mapping[str, list[float]]) -> list[str]:
    return [f"{low:,.2f} to {high:,.2f}" for low, high in (bounds[name] for name in COLUMNS)]
