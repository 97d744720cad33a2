"""What cleaning did, as a person reads it: per table and rule, over all partitions up to a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_store.schema import EVENTS
from pipeline.cleaning.rules import RULES
from pipeline.sources.archive import CLEAN

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from pipeline.sources.ledger import Ledger, Partition


def cleaning_report(ledger: Ledger, day: dt.date, last_day: dt.date) -> dict[str, Any]:
    """The report of all partitions up to `last_day`, the same whether they were cleaned in one run or in many."""
    known = {
        name: {each: p for each, p in ledger.partitions(CLEAN, name).items() if each <= last_day}
        for name in (*RULES, EVENTS.name)
    }
    tables = {name: _table(name, known[name]) for name in RULES}
    total = {key: sum(table[key] for table in tables.values()) for key in ("rows_in", "changed", "dropped", "rows_out")}
    events = sum(partition.rows for partition in known[EVENTS.name].values())
    return {"day": str(day), "through": str(last_day), "total": {**total, "events": events}, "tables": tables}


def _table(name: str, partitions: Mapping[dt.date, Partition]) -> dict[str, Any]:
    def total(count: str) -> int:
        return sum(partition.counts.get(count, 0) for partition in partitions.values())

    rows = rows_in = total("rows_in")
    rules, sums = [], {"changed": 0, "dropped": 0}
    for rule in RULES[name]:
        count = total(rule.name)
        rules.append({"rule": rule.name, "why": rule.why, "rows_in": rows, rule.effect: count})
        sums[rule.effect] += count
        rows -= count if rule.effect == "dropped" else 0
    return {"partitions": len(partitions), "rows_in": rows_in, **sums, "rows_out": rows, "rules": rules}
