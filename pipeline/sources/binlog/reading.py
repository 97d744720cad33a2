"""One pass over a shop's binlog: what happened to its canonical tables since each of them was last read."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.errors import PositionLostError
from pipeline.sources.binlog.changes import Changes, Collector
from pipeline.sources.binlog.position import Position, stored_position
from pipeline.sources.binlog.watched import watched_tables
from pipeline.sources.business import BusinessSource
from pipeline.sources.connection import database_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from feature_store.schema import Table
    from pipeline.sources.binlog.watched import Watched
    from pipeline.sources.intake import Intake

log = logging.getLogger(__name__)
BINLOG = "binlog"


@dataclass(frozen=True)
class Reading:
    """One pass over the log: what happened to each table that can be followed, from where, and to where."""

    source: BusinessSource
    head: Position
    watched: dict[str, Watched]
    since: dict[str, Position | None]
    changes: dict[str, Changes]


def read_binlog(intake: Intake, tables: Iterable[Table]) -> Reading | None:
    """What happened to the tables since they were last read; none: the shop is read by watermark.

    Raises:
        SourceError: the server refuses what it allowed before, or goes away.
    """
    source = intake.source
    if source.mapping.mode != BINLOG or not _is_able(source):
        return None
    assert isinstance(source, BusinessSource)  # noqa: S101 -- files are not able
    url = source.session.url
    with database_errors(url):
        from pipeline.sources.binlog.server import head

        until = head(source.session)
        able = [table.name for table in tables if table.name in source.checked.shapes]
        watched, refused = watched_tables(source, able)
    for name, reason in refused.items():
        log.warning("read by watermark, the binlog cannot tell of it", extra={"table": name, "reason": reason})
    since = {each.name: stored_position(intake.ledger, source.mapping.name, each.name) for each in watched}
    reading = Reading(source, until, {each.name: each for each in watched}, since, {})
    for position, names in groupby(sorted(since, key=lambda name: str(since[name])), key=since.__getitem__):
        reading.changes.update(_changes(intake, [reading.watched[name] for name in names], position, reading))
    return reading


def _is_able(source: object) -> bool:
    """Whether the binlog can be followed; a warning says what to change where it cannot."""
    from pipeline.sources.binlog.ability import not_a_server, obstacles

    if isinstance(source, BusinessSource):
        with database_errors(source.session.url):
            found = obstacles(source.connection)
    else:
        found = [not_a_server("files")]
    if found:
        log.warning(
            "the binlog cannot be followed, reading by watermark",
            extra={
                "expected": "; ".join(each.expected for each in found),
                "found": "; ".join(each.found for each in found),
                "remedy": " ".join(each.remedy for each in found),
            },
        )
    return not found


def _changes(intake: Intake, watched: list[Watched], since: Position | None, reading: Reading) -> dict[str, Changes]:
    """What the log says of tables that were read up to the same place."""
    from pipeline.sources.binlog.stream import events

    if since is None:
        return {each.name: Changes(whole="first reading") for each in watched}
    url, most = reading.source.session.url, intake.settings.extract.binlog_keys
    collector = Collector(watched, url.database or "", most)
    try:
        if not since.can_be_found_on(reading.head.server):
            raise _of_another_server(since)
        if since == reading.head:
            return collector.changes
        for event in events(url, since, reading.head, {table for each in watched for table in each.tables()}):
            collector.see(event)
    except PositionLostError as error:
        names = ", ".join(each.name for each in watched)
        log.warning(
            "the binlog was lost, comparing whole",
            extra={"tables": names, "expected": error.expected, "found": error.found, "remedy": error.remedy},
        )
        return {each.name: Changes(whole=f"the binlog since {since} is lost: {error.found}") for each in watched}
    return collector.changes


def _of_another_server(since: Position) -> PositionLostError:
    return PositionLostError(
        "binlog",
        expected=f"the server whose log was read up to {since}",
        found="another one",
        remedy="With GTIDs (MySQL: gtid_mode = ON) a position means the same on every server of a cluster.",
    )
