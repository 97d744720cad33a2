"""Days of Matomo that changed without a trace: erased visits, anonymised users, rows that an import took back.

Deletions leave nothing in Matomo's tables, so each day that is read is entered with what its tables held: rows, lowest
and highest id, and visits with a user. From time to time the same is asked for all days at once and compared.
What Matomo's own log purge took (it deletes the oldest visits) is not followed: the archive is there to remember.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.matomo.reader import ORDER, MatomoSource, written
from pipeline.sources.reconcile import Difference, Side

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger

log = logging.getLogger(__name__)
_DAYS = """
CREATE TABLE IF NOT EXISTS matomo_days (source TEXT, day TEXT, held TEXT NOT NULL, PRIMARY KEY (source, day))
"""
_LINES = {"log_conversion_item": ("server_time", "idvisit")}
Held = dict[str, list[list[Any]]]
"""Day -> per table and site: rows, lowest and highest id, rows that name a user."""


def held_by_day(source: MatomoSource, start: dt.datetime | None = None, end: dt.datetime | None = None) -> Held:
    """What the source's tables hold of each day of the window, or of every day."""
    found: Held = {}
    for name, (time_name, key_name, *_) in {**ORDER, **_LINES}.items():
        table = source.catalogue.table(name)
        time, key, day = table.c[time_name], table.c[key_name], sa.func.date(table.c[time_name])
        (user,) = source.catalogue.select(name, ["user_id"])
        query = sa.select(day, sa.func.count(), sa.func.min(key), sa.func.max(key), sa.func.count(user)).group_by(day)
        if start is not None and end is not None:
            query = query.where(time >= written(start), time < written(end))
        for site in source.mapping.sites:
            for at, *numbers in source.connection.execute(query.where(table.c.idsite == site)):
                found.setdefault(str(at), []).append([name, site, *map(int, numbers)])
    return found


def remember(ledger: Ledger, source: MatomoSource, day: dt.date, held: Held) -> None:
    """Enter what the source held of a day when it was read; inside a transaction."""
    ledger.connection.execute(
        "INSERT OR REPLACE INTO matomo_days VALUES (?, ?, ?)",
        (source.mapping.name, str(day), json.dumps(held.get(str(day), []))),
    )


def prepare(ledger: Ledger) -> None:
    """Make the book of days if there is none."""
    ledger.connection.execute(_DAYS)


def changed_days(
    ledger: Ledger, source: MatomoSource, first: dt.date | None = None, last: dt.date | None = None
) -> tuple[int, list[Difference]]:
    """(rows compared, days that were read and of which the source holds something else now), ascending, on all days
    or those from `first` to `last`; days of a purge are no difference.
    """
    now = source.at_once(lambda: held_by_day(source))
    query = "SELECT day, held FROM matomo_days WHERE source = ? ORDER BY day"
    then = {day: json.loads(held) for day, held in ledger.connection.execute(query, (source.mapping.name,))}
    changed = [day for day, held in then.items() if held != now.get(day, [])]
    oldest = min(now, default="9999")
    purged = [day for day in changed if day <= oldest and then[day]]
    if purged:
        log.warning("Matomo purged its oldest visits, the archive keeps them", extra={"days": len(purged)})
    bounds = str(first or dt.date.min), str(last or dt.date.max)
    within = [day for day in then if bounds[0] <= day <= bounds[1]]
    found = [
        Difference(source.mapping.name, dt.date.fromisoformat(day), _side(now.get(day, [])), _side(then[day]))
        for day in within
        if day in changed and day not in purged
    ]
    return sum(_side(now.get(day, [])).rows for day in within), found


def _side(held: list[list[Any]]) -> Side:
    """Rows of all log tables; what else is compared is in the checksum."""
    return Side(sum(rows for _, _, rows, *_ in held), checksum=json.dumps(held))
