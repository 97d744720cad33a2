"""Stop the run when clean rows break their contract, before anything learns from them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from feature_store.schema import TABLES
from pipeline.atomic import write_text
from pipeline.errors import DataContractError
from pipeline.progress import track
from pipeline.quality.contracts import Break, breaks
from pipeline.quality.rules import VALUE_RULES, contract_id
from pipeline.sources.archive import CLEAN, archive_lock, damaged_days, read_partition, require_partitions
from pipeline.sources.ledger import Ledger, open_ledger
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pipeline.settings import Settings

BLOCK_DAYS = 61
"""Days in memory at a time."""
Days = list[dt.date]


@stage
def validate(day: dt.date, settings: Settings) -> StageResult:
    """The clean partitions up to the last day that a run of `day` reads keep their contracts; new ones are looked at.

    `validate.json` says for every table what was promised and, when it was broken, by which rows.

    Raises:
        DataContractError: names table, column, rule, count and the first bad rows of everything broken.
        ArchiveError: a clean partition is missing or damaged.
    """
    last_day, report = settings.last_judged(day), settings.workspace.reports(day) / "validate.json"
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        work = {name: _to_validate(ledger, name, last_day, settings) for name in TABLES}
        blocks = [(name, block) for name, days in work.items() for block in _blocks(days)]
        broken: list[Break] = []
        rows = 0
        for name, block in track(blocks, "validating"):
            looked_at, found = _validate(ledger, name, block, settings)
            rows, broken = rows + looked_at, broken + found
        content = _report(ledger, day, last_day, broken)
    write_text(report, json.dumps(content, indent=2, default=str) + "\n")
    if broken:
        raise _error(broken)
    return StageResult((report,), rows, {"partitions_validated": sum(map(len, work.values()))})


def _to_validate(ledger: Ledger, name: str, last_day: dt.date, settings: Settings) -> Days:
    """Days whose partition was not found to keep today's contract; all files must be whole."""
    known = require_partitions(ledger, CLEAN, name, last_day)
    for damaged in damaged_days(settings.workspace, CLEAN, name, known):
        read_partition(settings.workspace, CLEAN, name, damaged, known[damaged])
    return [day for day, partition in known.items() if partition.contract != contract_id(name)]


def _blocks(days: Days) -> list[Days]:
    return [days[start : start + BLOCK_DAYS] for start in range(0, len(days), BLOCK_DAYS)]


def _validate(ledger: Ledger, name: str, days: Days, settings: Settings) -> tuple[int, list[Break]]:
    """Rows looked at, and what they break; kept contracts are entered in the ledger."""
    known = ledger.partitions(CLEAN, name)
    rows = {day: read_partition(settings.workspace, CLEAN, name, day, known[day]) for day in days}
    found = breaks(TABLES[name], rows)
    if not found:
        kept = {day: dataclasses.replace(known[day], contract=contract_id(name)) for day in days}
        with ledger.transaction():
            ledger.record_partitions(CLEAN, name, kept)
    return sum(map(len, rows.values())), found


def _report(ledger: Ledger, day: dt.date, last_day: dt.date, broken: list[Break]) -> dict[str, Any]:
    """The same whether the partitions were looked at in one run or in many."""
    tables = {}
    for name, table in TABLES.items():
        known = require_partitions(ledger, CLEAN, name, last_day)
        tables[name] = {
            "partitions": len(known),
            "rows": sum(partition.rows for partition in known.values()),
            "unique": list(table.key),
            "not_null": [column for column, definition in table.columns.items() if not definition.nullable],
            "rules": {column: rule.says for column, rule in VALUE_RULES[name].items()},
            "breaks": [dataclasses.asdict(each) for each in broken if each.table == name],
        }
    return {"day": str(day), "through": str(last_day), "kept": not broken, "tables": tables}


def _error(broken: list[Break]) -> DataContractError:
    tables = sorted({each.table for each in broken})
    return DataContractError(
        f"clean table {', '.join(f'`{name}`' for name in tables)}",
        expected="rows that keep the contract",
        found=" | ".join(f"{each.table}: {each}" for each in broken),
        remedy="Mend the rows in the source and extract again, or give cleaning a rule for them; see validate.json.",
    )
