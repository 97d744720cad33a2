"""Days of Matomo that changed without a trace: erased visits, anonymised users, rows that an import took back.

Deletions leave nothing in Matomo's tables, so each day that is read is entered with what its tables held: rows, lowest
and highest id, visits with a user, and a checksum over the columns that are read. From time to time the same is asked
for all days and compared; with `extract.reconcile: keys` without the checksum, which is less to read.
What Matomo's own log purge took (it deletes the oldest visits) is not followed: the archive is there to remember.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.matomo import actions, baskets, visits
from pipeline.sources.matomo.reader import ORDER, MatomoSource, rounded, written
from pipeline.sources.reconcile import Difference, Side

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger

log = logging.getLogger(__name__)
_DAYS = """
CREATE TABLE IF NOT EXISTS matomo_days (source TEXT, day TEXT, held TEXT NOT NULL, PRIMARY KEY (source, day))
"""
_LINES = {"log_conversion_item": ("server_time", "idvisit")}
_COLUMNS = {
    "log_visit": visits.COLUMNS,
    "log_link_visit_action": actions.COLUMNS,
    "log_conversion": baskets.COLUMNS,
    "log_conversion_item": baskets.LINE_COLUMNS,
}
_WINDOW = dt.timedelta(days=31)
"""Asked for at a time, so that no answer takes long however large a table is."""
_TIMES = {**ORDER, **_LINES}
Held = dict[str, list[list[Any]]]
"""Day -> per table and site: rows, lowest and highest id, rows that name a user, checksum where one was asked for."""


def held_by_day(source: MatomoSource, start: dt.datetime, end: dt.datetime) -> Held:
    """What the source's tables hold of each day of the window."""
    found: Held = {}
    for name, times in _TIMES.items():
        for site in source.mapping.sites:
            _add(found, source, name, site, (times[0], start, end), whole=True)
    return found


def _held_ever(source: MatomoSource, *, whole: bool) -> Held:
    """The same of every day; `whole`: with checksums."""
    found: Held = {}
    for name, times in _TIMES.items():
        table = source.catalogue.table(name)
        time = table.c[times[0]]
        for site in source.mapping.sites:
            query = sa.select(sa.func.min(time), sa.func.max(time)).where(table.c.idsite == site)
            first, last = source.connection.execute(query).one()
            if first is None:
                continue
            start, end = (dt.datetime.fromisoformat(str(each)[:10]).replace(tzinfo=dt.UTC) for each in (first, last))
            while start <= end:
                _add(found, source, name, site, (times[0], start, start + _WINDOW), whole=whole)
                start += _WINDOW
    return found


def _add(
    found: Held,
    source: MatomoSource,
    name: str,
    site: int,
    window: tuple[str, dt.datetime, dt.datetime],
    *,
    whole: bool,
) -> None:
    """Enter what one table holds of one site in a window of time."""
    table, (time_name, start, end) = source.catalogue.table(name), window
    time, key = table.c[time_name], table.c[_TIMES[name][1]]
    (user,) = source.catalogue.select(name, ["user_id"])
    numbers = [sa.func.count(), sa.func.min(key), sa.func.max(key), sa.func.count(user)]
    if whole:
        numbers.append(sa.func.sum(_checksum(source, name, site)))
    day = sa.func.date(time)
    query = sa.select(day, *numbers).group_by(day).where(table.c.idsite == site)
    for at, *values in source.connection.execute(query.where(time >= written(start), time < written(end))):
        found.setdefault(str(at), []).append([name, site, *map(int, values)])


def _checksum(source: MatomoSource, name: str, site: int) -> sa.ColumnElement[int]:
    """Of one row: what is read of it, as the server writes it."""
    extra = source.dimensions.get(site, []) if name == "log_link_visit_action" else []
    present = source.catalogue.table(name).c
    columns = [rounded(present[each]) for each in (*_COLUMNS[name], *extra) if each in present]
    if source.connection.dialect.name == "sqlite":
        return sa.func.crc32_of_row(*columns)
    return sa.func.crc32(sa.func.concat_ws("|", *(sa.func.coalesce(column, "~") for column in columns)))


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
    """(rows compared, tables and days that were read and of which the source holds something else now), by day, on all
    days or those from `first` to `last`; days of a purge are no difference.
    """
    whole = source.session.settings.reconcile == "rows"
    now = source.at_once(lambda: _held_ever(source, whole=whole))
    query = "SELECT day, held FROM matomo_days WHERE source = ? ORDER BY day"
    then = {day: json.loads(held) for day, held in ledger.connection.execute(query, (source.mapping.name,))}
    changed = {day: _changed_tables(source, day, now.get(day, []), held) for day, held in then.items()}
    oldest = min(now, default="9999")
    purged = [day for day, tables in changed.items() if tables and day <= oldest and then[day]]
    if purged:
        log.warning("Matomo purged its oldest visits, the archive keeps them", extra={"days": len(purged)})
    bounds = str(first or dt.date.min), str(last or dt.date.max)
    within = [day for day in then if bounds[0] <= day <= bounds[1]]
    found = [each for day in within if day not in purged for each in changed[day]]
    return sum(rows for day in within for _, _, rows, *_ in now.get(day, [])), found


def _changed_tables(source: MatomoSource, day: str, now: list[list[Any]], then: list[list[Any]]) -> list[Difference]:
    """What differs of a day, a difference a table and site. What only one side knows, a checksum, is not compared."""
    sides = [{(name, site): numbers for name, site, *numbers in held} for held in (now, then)]
    found = []
    for name, site in sorted(sides[0].keys() | sides[1].keys()):
        here, there = (side.get((name, site), [0]) for side in sides)
        if any(one != other for one, other in zip(here, there, strict=False)):
            table = source.catalogue.table(name).name
            where = f"{table} of site {site}" if len(source.mapping.sites) > 1 else table
            found.append(Difference(where, dt.date.fromisoformat(day), _side(here), _side(there)))
    return found


def _side(numbers: list[Any]) -> Side:
    """Rows, and in the checksum what else is compared."""
    return Side(numbers[0], checksum=json.dumps(numbers))
