"""Raw `events` brought up to date with the raw `matomo_*` tables; needs the archive alone, not Matomo."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from feature_store.schema import EVENTS, ORDERS
from pipeline.sources.archive import RAW, read_partition, remove_unknown, write_partitions
from pipeline.sources.damaged import set_aside_damaged
from pipeline.sources.matomo import tables
from pipeline.sources.matomo.behaviour import canonical_events

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.sources.ledger import Ledger, Partition
    from pipeline.sources.matomo.mapping import MatomoMapping
    from pipeline.workspace import Workspace

VERSION = 2
"""Raise it when `behaviour` makes other events of the same rows."""
Days = dict["dt.date", "Partition"]


def join_events(ledger: Ledger, workspace: Workspace, mapping: MatomoMapping) -> dict[str, int]:
    """Make the days of raw `events` that are missing, damaged or made from something else; what was left out and why.

    Days with purchases are always made again: their orders may have reached the shop's own tables since.

    Raises:
        ArchiveError: a raw partition is damaged.
    """
    known, events, facts = (ledger.partitions(RAW, table.name) for table in (EVENTS, tables.EVENTS, tables.FACTS))
    remove_unknown(workspace, RAW, EVENTS.name, known)
    made_from = {day: _made_from(mapping, partition, facts[day]) for day, partition in events.items()}
    stale = {day for day in made_from if day not in known or known[day].made_from != made_from[day]}
    stale |= {day for day in made_from if day in known and known[day].counts.get("matomo_purchases")}
    stale |= set(set_aside_damaged(workspace, RAW, EVENTS.name, known)) & set(made_from)
    orders = _shop_orders(ledger, workspace, mapping) if stale else frozenset()
    written: Days = {}
    for day in sorted(stale):
        told = read_partition(workspace, RAW, tables.EVENTS.name, day, events[day])
        pages = read_partition(workspace, RAW, tables.FACTS.name, day, facts[day])
        rows, counts = canonical_events(told, pages, mapping, orders)
        (partition,) = write_partitions(workspace, RAW, EVENTS.name, [(day, rows)]).values()
        written[day] = dataclasses.replace(partition, made_from=made_from[day], counts=counts)
    with ledger.transaction():
        ledger.record_partitions(RAW, EVENTS.name, written)
    return _totals(written)


def _made_from(mapping: MatomoMapping, *partitions: Partition) -> str:
    checksums = " ".join(partition.checksum for partition in partitions)
    return hashlib.sha256(f"{VERSION} {mapping.model_dump_json()} {checksums}".encode()).hexdigest()


def _shop_orders(ledger: Ledger, workspace: Workspace, mapping: MatomoMapping) -> frozenset[str]:
    """Ids of every order that the shop's own database told of; only where Matomo's may fill gaps."""
    if mapping.orders == "shop":
        return frozenset()
    found: set[str] = set()
    for day, partition in ledger.partitions(RAW, ORDERS.name).items():
        rows = read_partition(workspace, RAW, ORDERS.name, day, partition, ["order_id"])
        found |= set(pc.unique(rows["order_id"]).to_pylist())
    return frozenset(found)


def _totals(written: Days) -> dict[str, int]:
    names = {name for partition in written.values() for name in partition.counts}
    return {name: sum(partition.counts[name] for partition in written.values()) for name in sorted(names)}
