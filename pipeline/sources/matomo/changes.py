"""Which UTC days of Matomo must be read (again): no log table says when a row was changed.

Found by time: everything from the overlap on, and all of a site that is new here. Found by key: new ids with an older
time (queued trackers, log imports, requests with `cdt`), and visits that began before the overlap and were touched in
it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.intake import start_of
from pipeline.sources.matomo.reader import ORDER, MatomoSource, written

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE_DAY = dt.timedelta(days=1)
_DAY_LENGTH = len("YYYY-MM-DD")


@dataclass(frozen=True)
class Reached:
    """How far Matomo was read: everything of each site before its `through`, and the highest ids seen then."""

    through: dict[int, dt.datetime]
    """Site -> its watermark; a site of which nothing was read is not among them."""
    action: int
    visit: int


def highest_ids(source: MatomoSource) -> tuple[int, int]:
    """The highest `idlink_va` and `idvisit` there are now; ids are shared by all sites."""
    found = []
    for name, key in (("log_link_visit_action", "idlink_va"), ("log_visit", "idvisit")):
        column = source.catalogue.table(name).c[key]
        found.append(int(source.connection.execute(sa.select(sa.func.max(column))).scalar() or 0))
    return found[0], found[1]


def bounds(source: MatomoSource) -> dict[int, tuple[dt.date, dt.date]]:
    """The first and the last day on which anything happened on each of the mapping's sites, where anything did."""
    days: dict[int, set[dt.date]] = {site: set() for site in source.mapping.sites}
    for name, (time, *_) in ORDER.items():
        table = source.catalogue.table(name)
        for site in source.mapping.sites:  # one site at a time: the indexes begin with it
            query = sa.select(sa.func.min(table.c[time]), sa.func.max(table.c[time]))
            days[site] |= _days(source.connection.execute(query.where(table.c.idsite == site)).one())
    return {site: (min(each), max(each)) for site, each in days.items() if each}


def days_to_read(source: MatomoSource, reached: Reached, end: dt.datetime) -> list[dt.date]:
    """The days before `end`, or before what was read already, whose rows may differ from what was read; ascending."""
    found = bounds(source)
    if not found:
        return []
    last = min(max(last for _, last in found.values()), (max([end, *reached.through.values()]) - ONE_DAY).date())
    days: set[dt.date] = set()
    for site in found.keys() - reached.through.keys():
        days |= set(_range(found[site][0], last))
    if reached.through:
        overlap = min(reached.through.values()) - dt.timedelta(hours=source.mapping.overlap_hours)
        late = _late_actions(source, reached, overlap) | _visits(source, reached, overlap)
        days |= {*_range(overlap.date(), last), *(day for day in late if day <= last)}
    return sorted(days)


def _late_actions(source: MatomoSource, reached: Reached, overlap: dt.datetime) -> set[dt.date]:
    """Days before the overlap of actions whose id is new, or so near to the last one that it was committed late."""
    table = source.catalogue.table("log_link_visit_action")
    query = sa.select(sa.func.date(table.c.server_time)).where(
        table.c.idlink_va > reached.action - source.mapping.overlap_ids,
        table.c.idsite.in_(source.mapping.sites),
        table.c.server_time < written(overlap),
    )
    return _days(source.connection.execute(query.distinct()).scalars())


def _visits(source: MatomoSource, reached: Reached, overlap: dt.datetime) -> set[dt.date]:
    """Days of visits that are new or were touched since the overlap, from their first action to their last.

    A login or an order late in a visit changes what its earlier actions mean, whatever day they were on.
    """
    table = source.catalogue.table("log_visit")
    first = source.catalogue.select("log_visit", ["visit_first_action_time"])[0]
    last = table.c.visit_last_action_time
    days: set[dt.date] = set()
    for site in source.mapping.sites:
        touched = sa.and_(last >= written(overlap), sa.or_(first < written(overlap), first.is_(None)))
        new = table.c.idvisit > reached.visit - source.mapping.overlap_visits
        for condition in (touched, sa.and_(new, last < written(overlap))):
            rows = source.connection.execute(sa.select(first, last).where(table.c.idsite == site, condition))
            for row in rows:
                span = _days(row)
                days |= set(_range(min(span), max(span))) if span else set()
    return days


def days_of_visits(source: MatomoSource, ended: Iterable[dt.date]) -> set[dt.date]:
    """The days of all visits whose last action was on one of the days `ended`, from their first action on."""
    table = source.catalogue.table("log_visit")
    first = source.catalogue.select("log_visit", ["visit_first_action_time"])[0]
    last = table.c.visit_last_action_time
    days: set[dt.date] = set()
    for day in ended:
        on_day = sa.and_(last >= written(start_of(day)), last < written(start_of(day + ONE_DAY)))
        for site in source.mapping.sites:
            query = sa.select(sa.func.min(first)).where(table.c.idsite == site, on_day)
            for began in _days(source.connection.execute(query).scalars()):
                days |= set(_range(began, day))
    return days


def _days(times: Iterable[Any]) -> set[dt.date]:
    """The days of times as a driver gives them: datetimes, or text in SQLite; zero dates are none."""
    texts = [str(time)[:_DAY_LENGTH] for time in times if time is not None]
    return {dt.date.fromisoformat(text) for text in texts if not text.startswith("0000")}


def _range(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + index * ONE_DAY for index in range((last - first).days + 1)]
