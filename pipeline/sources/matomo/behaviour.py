"""Matomo's events as the canonical ones: raw `events` of a day, made from that day's raw `matomo_*` tables.

Left out, and counted: visits of machines, visitors who never logged in (unless the mapping keeps them), slots that the
mapping does not name, and purchases that the shop's own database tells already. Unknown items are for cleaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ANONYMOUS, EVENTS, EXPOSURE, PURCHASE
from pipeline.sources.canonical import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pipeline.sources.matomo.mapping import Bots, MatomoMapping

PAGES = ("view", "search", "category")
"""Kinds of event and fact that are a page somebody opened."""
Counts = dict[str, int]


def canonical_events(
    events: pa.Table, facts: pa.Table, mapping: MatomoMapping, shop_orders: AbstractSet[str]
) -> tuple[pa.Table, Counts]:
    """The canonical events of one day, and how many rows each reason left out.

    events, facts: raw `matomo_events` and `matomo_facts` of the day. shop_orders: order ids of the business database.
    """
    reasons = {
        "matomo_bots": pc.is_in(events["visit_id"], value_set=bot_visits(events, facts, mapping.bots)),
        "matomo_anonymous": _anonymous(events, mapping),
        "matomo_other_slots": _other_slots(events, mapping),
        "matomo_shop_orders": _told_by_the_shop(events, mapping, shop_orders),
    }
    kept, counts = np.ones(len(events), bool), {"matomo_rows": len(events)}
    for reason, mask in reasons.items():
        found = np.asarray(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False), bool) & kept
        counts[reason] = int(found.sum())
        kept &= ~found
    rows = events.filter(pa.array(kept))
    counts["matomo_purchases"] = pc.sum(pc.equal(rows["kind"], PURCHASE)).as_py() or 0
    return _canonical(rows), counts


def bot_visits(events: pa.Table, facts: pa.Table, bots: Bots) -> pa.Array:
    """Visits with many pages at a pace at which nobody reads; what Matomo recognised as a bot it never recorded."""
    pages = pa.concat_tables(
        table.filter(pc.is_in(table["kind"], value_set=pa.array(PAGES))).select(["visit_id", "time"])
        for table in (events, facts)
    )
    visits = pages.group_by("visit_id").aggregate([("time", "count"), ("time", "min"), ("time", "max")])
    count = visits["time_count"].to_numpy()
    first, last = (visits[f"time_{end}"].cast(pa.int64()).to_numpy() for end in ("min", "max"))
    pace = (last - first) / 1e6 / np.maximum(count - 1, 1)
    return visits["visit_id"].filter(pa.array((count >= bots.pages) & (pace < bots.seconds_per_page))).combine_chunks()


def _anonymous(events: pa.Table, mapping: MatomoMapping) -> pa.ChunkedArray:
    return _nothing(events) if mapping.anonymous_visitors else pc.is_null(events["user_id"])


def _other_slots(events: pa.Table, mapping: MatomoMapping) -> pa.ChunkedArray:
    if not mapping.slots:
        return _nothing(events)
    return pc.and_(pc.is_valid(events["slot"]), pc.invert(pc.is_in(events["slot"], value_set=pa.array(mapping.slots))))


def _told_by_the_shop(events: pa.Table, mapping: MatomoMapping, shop_orders: AbstractSet[str]) -> pa.ChunkedArray:
    """Purchases that would count twice: all of them, or those whose order the shop's database has too."""
    purchases = pc.equal(events["kind"], PURCHASE)
    if mapping.orders == "shop":
        return purchases
    return pc.and_(purchases, pc.is_in(events["order_id"], value_set=pa.array(sorted(shop_orders), pa.string())))


def _nobody(visitors: pa.ChunkedArray) -> pa.ChunkedArray:
    """Visitors as user ids that no login can be."""
    return pc.binary_join_element_wise(ANONYMOUS, visitors, "")


def _nothing(events: pa.Table) -> pa.ChunkedArray:
    return pc.is_null(events["event_id"])


def _canonical(rows: pa.Table) -> pa.Table:
    """Money is what a purchase's line cost; looking at something costs nothing."""
    bought = pc.equal(rows["kind"], PURCHASE)
    paid = pc.if_else(bought, pc.multiply(pc.fill_null(rows["price"], 0.0), rows["quantity"]), 0.0)
    site = rows["site"].cast(pa.string())
    order = pc.binary_join_element_wise(site, "order", pc.fill_null(rows["order_id"], ""), ":")
    visit = pc.binary_join_element_wise(site, "visit", rows["visit_id"].cast(pa.string()), ":")
    columns = {
        "event_id": rows["event_id"],
        "kind": rows["kind"],
        "time": rows["time"],
        "user_id": pc.coalesce(rows["user_id"], _nobody(rows["visitor_id"])),
        "item_id": rows["item_id"],
        "basket_id": pc.if_else(bought, order, visit),
        "quantity": rows["quantity"],
        "value": paid,
        "discount": pa.array(np.zeros(len(rows))),
        **{name: rows[name] for name in EXPOSURE},
        "updated_at": rows["updated_at"],
    }
    table = pa.table([columns[name] for name in EVENTS.columns], schema=arrow_schema(EVENTS))
    return table.sort_by([(name, "ascending") for name in (EVENTS.cursor, *EVENTS.key)])
