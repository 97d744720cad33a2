"""Stop the run when clean rows break their contract or the day is not good enough, before anything learns from them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any

from feature_store.schema import MAPPABLE_TABLES, WITHOUT
from pipeline.atomic import write_text
from pipeline.errors import DataContractError
from pipeline.progress import track
from pipeline.quality.contracts import Break, breaks
from pipeline.quality.judging import judge_day
from pipeline.quality.rules import VALUE_RULES, contract_id
from pipeline.sources.archive import CLEAN, archive_lock, damaged_days, read_partition, require_partitions
from pipeline.sources.ledger import Ledger, Partition, open_ledger
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pipeline.settings import Settings

log = logging.getLogger(__name__)
BLOCK_DAYS = 61
"""Days in memory at a time."""
WARNING = "warning: "
"""Begins the ledger's counts of rows that break a rule which only warns."""
Known = dict[str, dict[dt.date, Partition]]


@stage
def validate(day: dt.date, settings: Settings) -> StageResult:
    """The clean partitions up to the last day that a run of `day` reads keep their contracts; new ones are looked at.

    `validate.json` says for every table what was promised and, when it was broken, by which rows; `quality.json` and
    `quality.html` how good the day is, compared with the days before it.

    Raises:
        DataQualityError: the day's score, or a part of it, is below the minimum of the settings.
        DataContractError: names table, column, rule, count and the first bad rows of everything broken.
        ArchiveError: a clean partition is missing or damaged.
    """
    last_day, report = settings.last_judged(day), settings.workspace.reports(day) / "validate.json"
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        known = _known(ledger, last_day, settings)
        work = {name: _to_validate(name, partitions, settings) for name, partitions in known.items()}
        blocks = [(name, block) for name, days in work.items() for block in _blocks(days)]
        broken: list[Break] = []
        rows = 0
        for name, block in track(blocks, "validating"):
            looked_at, found = _validate(ledger, name, block, settings)
            rows, broken = rows + looked_at, broken + found
        known = _known(ledger, last_day, settings)
    stopping = [each for each in broken if each.action != "warn"]
    content = _report(known, day, last_day, stopping, settings)
    write_text(report, json.dumps(content, indent=2, default=str) + "\n")
    for each in broken:
        if each.action == "warn":
            log.warning("contract broken", extra={"rule": each.name, "rows": each.count, "first": each.rows[:1]})
    if stopping:
        raise _error(stopping)
    counts = {"partitions_validated": sum(map(len, work.values())), "rows_warned_of": content["warned"]}
    if not settings.quality.expectations:
        return StageResult((report,), rows, counts)
    score = judge_day(day, known, settings)["score"]
    return StageResult((report, report.with_name("quality.json")), rows, {**counts, "quality_score": score})


def _known(ledger: Ledger, last_day: dt.date, settings: Settings) -> Known:
    """The clean partitions of every table; all files must be whole. A shop need not have promotions or refunds."""
    tables = [name for name in MAPPABLE_TABLES if name not in WITHOUT or ledger.partitions(CLEAN, name)]
    known = {name: require_partitions(ledger, CLEAN, name, last_day) for name in tables}
    for name, partitions in known.items():
        for damaged in damaged_days(settings.workspace, CLEAN, name, partitions):
            read_partition(settings.workspace, CLEAN, name, damaged, partitions[damaged])
    return known


def _to_validate(name: str, known: dict[dt.date, Partition], settings: Settings) -> list[dt.date]:
    """Days whose partition was not found to keep today's contract."""
    contract = contract_id(name, settings.quality.actions)
    return [day for day, partition in known.items() if partition.contract != contract]


def _blocks(days: list[dt.date]) -> list[list[dt.date]]:
    return [days[start : start + BLOCK_DAYS] for start in range(0, len(days), BLOCK_DAYS)]


def _validate(ledger: Ledger, name: str, days: list[dt.date], settings: Settings) -> tuple[int, list[Break]]:
    """Rows looked at, and what they break; kept contracts are entered in the ledger, with what they warn of."""
    known = ledger.partitions(CLEAN, name)
    rows = {day: read_partition(settings.workspace, CLEAN, name, day, known[day]) for day in days}
    found = breaks(MAPPABLE_TABLES[name], rows, settings.quality.actions)
    if all(each.action == "warn" for each in found):
        contract = contract_id(name, settings.quality.actions)
        kept = {
            day: dataclasses.replace(known[day], contract=contract, counts=_warned(known[day], day, found))
            for day in days
        }
        with ledger.transaction():
            ledger.record_partitions(CLEAN, name, kept)
    return sum(map(len, rows.values())), found


def _warned(partition: Partition, day: dt.date, found: list[Break]) -> dict[str, int]:
    """The partition's counts, with the rows that break rules which only warn."""
    own = {name: count for name, count in partition.counts.items() if not name.startswith(WARNING)}
    return own | {WARNING + each.name: each.counts[day] for each in found if day in each.counts}


def _report(known: Known, day: dt.date, last_day: dt.date, broken: list[Break], settings: Settings) -> dict[str, Any]:
    """The same whether the partitions were looked at in one run or in many."""
    tables: dict[str, Any] = {}
    actions = settings.quality.actions
    for name, partitions in known.items():
        table = MAPPABLE_TABLES[name]
        tables[name] = {
            "partitions": len(partitions),
            "rows": sum(partition.rows for partition in partitions.values()),
            "unique": list(table.key),
            "not_null": [column for column, definition in table.columns.items() if not definition.nullable],
            "rules": {column: rule.says for column, rule in VALUE_RULES[name].items()},
            "actions": {rule: action for rule, action in actions.items() if rule.startswith(f"{name}.")},
            "warnings": _warnings(partitions),
            "breaks": [{**dataclasses.asdict(each), "counts": _by_day(each)} for each in broken if each.table == name],
        }
    warned = sum(sum(table["warnings"].values()) for table in tables.values())
    return {"day": str(day), "through": str(last_day), "kept": not broken, "warned": warned, "tables": tables}


def _warnings(partitions: dict[dt.date, Partition]) -> dict[str, int]:
    """Rows by the rule that they break."""
    total: dict[str, int] = {}
    for partition in partitions.values():
        for name, count in partition.counts.items():
            if name.startswith(WARNING):
                rule = name.removeprefix(WARNING)
                total[rule] = total.get(rule, 0) + count
    return total


def _by_day(broken: Break) -> dict[str, int]:
    return {str(day): count for day, count in broken.counts.items()}


def _error(broken: list[Break]) -> DataContractError:
    tables = sorted({each.table for each in broken})
    return DataContractError(
        f"clean table {', '.join(f'`{name}`' for name in tables)}",
        expected="rows that keep the contract",
        found=" | ".join(f"{each.name}: {each}" for each in broken),
        remedy="Mend the rows in the source and extract again, give cleaning a rule for them, or say `quarantine` or"
        " `warn` for the rule in config/quality.yaml; see validate.json.",
    )
