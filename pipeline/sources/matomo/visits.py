"""Who a visit belongs to, and the visits themselves (`log_visit`, one row per visit, changed until it ends)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.sources.matomo.codes import device, referrer, unescaped, visitor

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.sources.matomo.catalogue import Catalogue
    from pipeline.sources.paging import Session

COLUMNS = [
    "idvisit",
    "idsite",
    "idvisitor",
    "user_id",
    "visit_first_action_time",
    "visit_last_action_time",
    "visit_total_actions",
    "visit_total_time",
    "referer_type",
    "referer_name",
    "config_device_type",
    "location_country",
    "location_browser_lang",
]


@dataclass(frozen=True)
class Visitor:
    """Whose a visit is."""

    visitor_id: str
    user_id: str | None


def visitors(session: Session, catalogue: Catalogue, visits: Collection[int]) -> dict[int, Visitor]:
    """Whose each visit is, as its `log_visit` row says now.

    A login changes the visit's row but not the rows of actions before it, so an action's own `idvisitor` is only
    the last resort, for visits whose row was purged.
    """
    if not visits:
        return {}
    table = catalogue.table("log_visit")
    query = sa.select(*catalogue.select("log_visit", ("idvisit", "idvisitor", "user_id")))
    found = session.rows(query.where(table.c.idvisit.in_(sorted(visits))))
    return {row.idvisit: Visitor(visitor(row.idvisitor), unescaped(row.user_id)) for row in found}


def visit_row(row: sa.Row[Any]) -> dict[str, Any]:
    """A row of `log_visit` as a row of `matomo_visits`; the IP address is never read."""
    return {
        "site": row.idsite,
        "visit_id": row.idvisit,
        "visitor_id": visitor(row.idvisitor),
        "visitor_then": visitor(row.idvisitor),
        "user_id": unescaped(row.user_id),
        "started_at": row.visit_first_action_time,
        "actions": row.visit_total_actions,
        "seconds": row.visit_total_time,
        "referrer": referrer(row.referer_type),
        "campaign": row.referer_name or None,
        "device": device(row.config_device_type),
        "country": row.location_country or None,
        "language": row.location_browser_lang or None,
        "updated_at": row.visit_last_action_time,
    }
