"""Which days must be cleaned: new ones, those made from other input or by other rules, and those that were damaged."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from feature_store.schema import EVENTS, MAPPABLE_TABLES, ORDER_ITEMS, REFUNDS
from pipeline.cleaning.history import bounds_made_from
from pipeline.cleaning.quarantine import lost_days
from pipeline.cleaning.rules import VERSION
from pipeline.sources.archive import CLEAN, remove_unknown
from pipeline.sources.damaged import set_aside_damaged

if TYPE_CHECKING:
    from pipeline.cleaning.lookups import Work
    from pipeline.cleaning.raw_archive import RawArchive
    from pipeline.settings import Settings
    from pipeline.sources.ledger import Ledger

Names = dict[str, dict[dt.date, str]]
"""By clean table and day: a name of all that the partition is made of."""


def days_to_clean(ledger: Ledger, raw: RawArchive, made_from: Names, settings: Settings) -> Work:
    """Days that were never cleaned, or from another input, or whose clean file is damaged."""
    work: Work = {}
    for name in MAPPABLE_TABLES:
        known = ledger.partitions(CLEAN, name)
        remove_unknown(settings.workspace, CLEAN, name, known)
        stale = {day for day, made in made_from[name].items() if day not in known or known[day].made_from != made}
        found = set_aside_damaged(settings.workspace, CLEAN, name, known)
        damaged = {*found, *lost_days(settings.workspace, name, known)}
        work[name] = stale | (damaged & set(made_from[name]))
    return together(work, raw)


def together(work: Work, raw: RawArchive) -> Work:
    """Order lines, refunds and events of one day are made at once, because purchases and returns are events too."""
    days = work[ORDER_ITEMS.name] | work[EVENTS.name] | work[REFUNDS.name]
    return {**work, ORDER_ITEMS.name: days & set(raw.known[ORDER_ITEMS.name]), EVENTS.name: days}


def names_of_input(raw: RawArchive, settings: Settings, last_day: dt.date) -> Names:
    """What every clean partition up to `last_day` is made of: raw files, rules, and the shop's choices."""
    set_aside = sorted(rule for rule, action in settings.quality.actions.items() if action == "quarantine")
    choices = f"{VERSION} {settings.clean.model_dump_json()} {set_aside}"
    bounds = bounds_made_from(raw, list(raw.known[ORDER_ITEMS.name]), settings.clean)
    names: Names = {}
    for name, partitions in raw.known.items():
        names[name] = {
            day: _digest(choices, partition.checksum, bounds[day] if name == ORDER_ITEMS.name else "")
            for day, partition in partitions.items()
            if day <= last_day
        }
    parts = [names[name] for name in (ORDER_ITEMS.name, REFUNDS.name, EVENTS.name)]
    days = sorted(set().union(*parts))
    names[EVENTS.name] = {day: _digest(*(part.get(day, "") for part in parts)) for day in days}
    return names


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
