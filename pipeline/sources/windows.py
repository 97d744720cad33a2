"""What a reading of one table must cover: stretches of damaged days, and what is new with a little of what is not."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.sources.archive import RAW, remove_unknown
from pipeline.sources.damaged import set_aside_damaged
from pipeline.sources.intake import MEND, NEW, ONE_DAY, Window, start_of
from pipeline.sources.watermark import watermark

if TYPE_CHECKING:
    from feature_store.schema import Table
    from pipeline.sources.intake import Intake


def damaged_windows(intake: Intake, table: Table) -> list[Window]:
    """Days whose file is not the one that the ledger knows; what killed runs left beside them is removed."""
    workspace, known = intake.settings.workspace, intake.ledger.partitions(RAW, table.name)
    remove_unknown(workspace, RAW, table.name, known)
    damaged = _stretches(set_aside_damaged(workspace, RAW, table.name, known))
    return [Window(start_of(first), start_of(last + ONE_DAY), MEND) for first, last in damaged]


def new_windows(intake: Intake, table: Table, last_day: dt.date) -> list[Window]:
    """From a little behind the watermark to the end of `last_day`; none when the watermark is there already."""
    source = intake.source
    through, end = watermark(intake.ledger, source.mapping.name, table.name), start_of(last_day + ONE_DAY)
    if through is None:
        bounds = source.bounds(table.name)
        return [Window(min(start_of(bounds[0].date()), end) if bounds else end, end, NEW)]
    return [] if through >= end else [Window(through - _lag(intake, table), end, NEW)]


def _lag(intake: Intake, table: Table) -> dt.timedelta:
    own = intake.source.mapping.tables[table.name].lag_minutes
    return dt.timedelta(minutes=intake.settings.extract.lag_minutes if own is None else own)


def _stretches(days: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Runs of days that follow each other, as (first, last)."""
    starts = days[:1] + [b for a, b in pairwise(days) if b - a > ONE_DAY]
    ends = [a for a, b in pairwise(days) if b - a > ONE_DAY] + days[-1:]
    return list(zip(starts, ends, strict=True))
