"""Orders, open carts and goals of `log_conversion`, and the lines of `log_conversion_item`.

Both tables are updated in place. When a visit's cart is bought, its row and its lines get another primary key
(`idgoal` -1 -> 0, `idorder` '0' -> the order's id), so a cart that was read before must vanish from the archive: days
are read whole and replaced, which does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.sources.matomo.codes import SKU

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import sqlalchemy as sa

Row = dict[str, Any]
ORDER, CART = 0, -1
"""`idgoal`; above 0 are ordinary goals."""
CART_LINES = "0"
"""`idorder` of the lines of open carts."""
_MONEY = ("revenue_subtotal", "revenue_tax", "revenue_shipping", "revenue_discount")
COLUMNS = ["idvisit", "idgoal", "buster", "idsite", "idvisitor", "server_time", "idorder", "items", "revenue", *_MONEY]
LINE_COLUMNS = ["idvisit", "idorder", "idaction_sku", "server_time", "price", "quantity", "deleted"]
LineKey = tuple[int, str]
"""Visit and `idorder`: what joins lines to their order or cart."""


def is_basket(row: sa.Row[Any]) -> bool:
    """Whether the conversion is an order or a cart; else it is one of an ordinary goal."""
    return row.idgoal in {ORDER, CART}


def line_key(row: sa.Row[Any]) -> LineKey:
    """The key of an order's or a cart's lines."""
    return row.idvisit, CART_LINES if row.idgoal == CART else str(row.idorder)


def basket_row(row: sa.Row[Any], lines: Iterable[sa.Row[Any]]) -> Row:
    """An order, known by site and order id because ids repeat across sites; or the one open cart of a visit."""
    is_order = row.idgoal == ORDER
    return {
        "basket_id": basket_id(row),
        "kind": "order" if is_order else "cart",
        "order_id": row.idorder if is_order else None,
        "items": row.items,
        "revenue": row.revenue,
        "subtotal": row.revenue_subtotal,
        "tax": row.revenue_tax,
        "shipping": row.revenue_shipping,
        "discount": row.revenue_discount,
        "dropped_lines": sum(1 for line in lines if line.deleted),
    }


def goal_row(row: sa.Row[Any], names: Mapping[tuple[int, int], str]) -> Row:
    """A conversion of an ordinary goal; `buster` tells apart those of one visit.

    names: (site, number) -> the goal's name
    """
    return {
        "fact_id": f"{row.idsite}:goal:{row.idvisit}:{row.idgoal}:{row.buster}",
        "kind": "goal",
        "text": names.get((row.idsite, row.idgoal)),
        "goal": row.idgoal,
        "results": None,
        "revenue": row.revenue,
    }


def line_events(row: sa.Row[Any], lines: Iterable[sa.Row[Any]], names: Mapping[int, tuple[str, int]]) -> list[Row]:
    """One event per SKU: purchases of an order, at its time; of a cart what it holds now, as last seen.

    Lines with `deleted` = 1 were taken out before the order. The dictionary can hold a SKU twice (a race), so lines
    are told apart by the SKU's text; of two the later counts.
    """
    kind = "purchase" if row.idgoal == ORDER else "cart"
    events: dict[str, Row] = {}
    for line in sorted(lines, key=lambda each: (str(each.server_time), each.idaction_sku)):
        sku, type_ = names.get(line.idaction_sku, (None, None))
        if line.deleted or not sku or type_ != SKU or not line.quantity:
            continue
        events[sku] = {
            "event_id": f"{basket_id(row)}:{sku}",
            "kind": kind,
            "item_id": sku,
            "order_id": row.idorder if kind == "purchase" else None,
            "quantity": float(line.quantity),
            "price": float(line.price),
            "slot": None,
            "position": None,
            "request_id": None,
        }
    return list(events.values())


def basket_id(row: sa.Row[Any]) -> str:
    """The archive's name of an order or a cart, unique over all sites."""
    return f"{row.idsite}:order:{row.idorder}" if row.idgoal == ORDER else f"{row.idsite}:cart:{row.idvisit}"
