"""Writes visits as Matomo's tracker would: one action a row, carts that become orders by changing their key."""

from __future__ import annotations

import hashlib
import html
import zlib
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.demo.matomo_schema import CART_LINES, OPEN_CART, ORDER

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from pipeline.demo.storefront_baskets import Assortment
    from pipeline.demo.storefront_truth import Truth
    from pipeline.demo.storefront_visits import Hit, Visit

URL, TITLE, SKU, NAME, CATEGORY, KEYWORD, CONTENT, PIECE, TARGET, INTERACTION = 1, 4, 5, 6, 7, 8, 13, 14, 15, 16
"""`log_action.type`."""
SITE, NEWSLETTER = 1, 1
"""The one `idsite`, and the one goal's `idgoal`."""
NEWSLETTER_WORTH = 1.5
POSITION, REQUEST = "custom_dimension_1", "custom_dimension_2"
"""Columns of the action-scope dimensions `rec_position` and `rec_request_id`."""
_HTTPS = 2
Row = dict[str, Any]


def visitor(name: str) -> bytes:
    """`idvisitor`: the first 16 hex digits of a SHA-1; of the user id, once the user is known."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:8]


class Tracker:
    """One day's writing into one installation, in the caller's transaction."""

    def __init__(self, connection: sa.Connection, metadata: sa.MetaData, prefix: str) -> None:
        self.connection, self.prefix = connection, prefix
        self.tables = {name.removeprefix(prefix): table for name, table in metadata.tables.items()}
        actions = self.tables["log_action"].c
        self._ids: dict[tuple[str, int], int] = {
            (name, kind): idaction
            for idaction, name, kind in connection.execute(sa.select(actions.idaction, actions.name, actions.type))
        }
        self._new: list[Row] = []
        self._next_action = max(self._ids.values(), default=0) + 1
        self._next_visit = self._highest("log_visit", "idvisit") + 1
        self._next_link = self._highest("log_link_visit_action", "idlink_va") + 1

    def _highest(self, table: str, column: str) -> int:
        return int(self.connection.execute(sa.select(sa.func.max(self.tables[table].c[column]))).scalar() or 0)

    def write(
        self, visits: Iterable[Visit], late: Iterable[Row], open_visits: dict[str, int], shop: Assortment, truth: Truth
    ) -> tuple[list[Row], dict[str, int]]:
        """Write a day's visits and the late rows of the day before; returns rows that are late, and visits left open.

        open_visits: name of an overnight visit -> its idvisit, of those that `visits` continues.
        """
        rows: dict[str, list[Row]] = {"log_visit": [], "log_conversion": [], "log_conversion_item": []}
        links: list[Row] = []
        still_open: dict[str, int] = {}
        for visit in visits:
            if visit.continues:
                idvisit = open_visits[visit.name]
                self._continue(idvisit, visit)
            else:
                idvisit, self._next_visit = self._next_visit, self._next_visit + 1
                rows["log_visit"].append(self._visit(idvisit, visit))
                if visit.cart:
                    self._add_conversion(rows, idvisit, visit)
                if visit.signed_up:
                    rows["log_conversion"].append(_goal_row(idvisit, visit))
            if visit.cart and visit.basket is None and visit.name.startswith("order-"):
                still_open[visit.name] = idvisit
            links += [self._link(idvisit, hit, visit, shop, truth) for hit in visit.hits]
        held: list[Row] = []
        now: list[Row] = []
        for row in links:
            (held if row.pop("late", False) else now).append(row)
        in_order = sorted(now, key=lambda row: (row["server_time"], row["idvisit"]))
        self._flush(rows, [*in_order, *late])
        return held, still_open

    def _flush(self, rows: dict[str, list[Row]], links: list[Row]) -> None:
        for row in links:
            row["idlink_va"], self._next_link = self._next_link, self._next_link + 1
        for name, found in {"log_action": self._new, "log_link_visit_action": links, **rows}.items():
            if found:
                self.connection.execute(sa.insert(self.tables[name]), found)
        self._new = []

    def _action(self, name: str, kind: int) -> int:
        """The id of a name in the dictionary, entered when it is new."""
        if (name, kind) not in self._ids:
            self._ids[name, kind] = self._next_action
            prefix = _HTTPS if kind == URL else None
            row = {"idaction": self._next_action, "name": name, "type": kind, "url_prefix": prefix}
            self._new.append({**row, "hash": zlib.crc32(name.encode())})
            self._next_action += 1
        return self._ids[name, kind]

    def _visit(self, idvisit: int, visit: Visit) -> Row:
        pages = [hit for hit in visit.hits if hit.kind in {"page", "view", "category", "search"}]
        first, last = visit.hits[0].time, _last(visit)
        return {
            "idvisit": idvisit,
            "idsite": SITE,
            "config_id": visitor(f"device {visit.household}"),
            "location_ip": b"\xc0\x00\x00\x00",
            **_identity(visit, logged_in=visit.logged_in_at_last),
            "visit_first_action_time": first,
            "visit_last_action_time": last,
            "visit_total_actions": len(pages),
            "visit_total_searches": sum(hit.kind == "search" for hit in visit.hits),
            "visit_total_time": int((last - first).total_seconds()),
            "visit_goal_buyer": 1 if visit.basket else 2 if visit.cart else 0,
            "visit_goal_converted": int(bool(visit.basket or visit.signed_up)),
            "visitor_count_visits": 1,
            "referer_type": visit.referrer,
            "config_device_type": visit.device,
            "location_country": "us",
            "location_browser_lang": "en-us",
        }

    def _continue(self, idvisit: int, visit: Visit) -> None:
        """An overnight visit goes on: its row changes, its cart's rows get the order's key."""
        logs = self.tables["log_visit"]
        change = {"visit_last_action_time": _last(visit), "visit_goal_buyer": 1, "visit_goal_converted": 1}
        if visit.logged_in_at_last:
            change |= _identity(visit, logged_in=True)
        self.connection.execute(sa.update(logs).where(logs.c.idvisit == idvisit).values(change))
        self._order(idvisit, visit)

    def _order(self, idvisit: int, visit: Visit) -> None:
        """What Matomo does to an open cart: the primary keys change, and what was not bought stays as deleted."""
        if visit.basket is None:
            return
        order, time = visit.basket.order_id, visit.basket.time
        carts, lines = self.tables["log_conversion"], self.tables["log_conversion_item"]
        of_visit = sa.and_(carts.c.idvisit == idvisit, carts.c.idgoal == OPEN_CART)
        self.connection.execute(sa.update(carts).where(of_visit).values(_order_row(visit)))
        in_cart = sa.and_(lines.c.idvisit == idvisit, lines.c.idorder == CART_LINES)
        dropped = [self._action(sku, SKU) for sku in visit.cart if sku not in visit.basket.lines]
        gone = sa.and_(in_cart, lines.c.idaction_sku.in_(dropped))
        self.connection.execute(sa.update(lines).where(gone).values(deleted=1))
        self.connection.execute(sa.update(lines).where(in_cart).values(idorder=order, server_time=time))

    def _add_conversion(self, rows: dict[str, list[Row]], idvisit: int, visit: Visit) -> None:
        """A cart, or the order that it became before the day was over."""
        common = {"idvisit": idvisit, "idsite": SITE, "url": ""}
        who = _identity(visit, logged_in=visit.logged_in_at_last)["idvisitor"]
        cart: Row = {"idgoal": OPEN_CART, "buster": 0, "idorder": None, "server_time": visit.cart_time}
        cart |= {"items": _pieces(visit.cart.values()), "revenue": _worth(visit.cart.values())}
        cart |= {"revenue_subtotal": None, "revenue_discount": None}
        row = {**common, "idvisitor": who, **(_order_row(visit) if visit.basket else cart)}
        rows["log_conversion"].append(row)
        bought = visit.basket.lines if visit.basket else visit.cart
        for sku, (quantity, price) in visit.cart.items():
            line: Row = {"idorder": row["idorder"] or CART_LINES, "idaction_sku": self._action(sku, SKU)}
            line |= {"price": price, "quantity": quantity, "deleted": int(sku not in bought)}
            when = {"idvisit": idvisit, "idsite": SITE, "idvisitor": who, "server_time": row["server_time"]}
            rows["log_conversion_item"].append({**line, **when})

    def _link(self, idvisit: int, hit: Hit, visit: Visit, shop: Assortment, truth: Truth) -> Row:
        """One row of `log_link_visit_action`; its `idvisitor` is the visitor's of that moment."""
        row: Row = dict.fromkeys(_LINK_COLUMNS)
        row |= {"idvisit": idvisit, "idsite": SITE, "server_time": hit.time, "late": hit.late}
        row["idvisitor"] = _identity(visit, logged_in=hit.logged_in)["idvisitor"]
        if hit.kind in {"impression", "click"}:
            request = f"{visit.name}:1"
            row["idaction_content_name"] = self._action(truth.slot, CONTENT)
            row["idaction_content_piece"] = self._action(hit.text, PIECE)
            row["idaction_content_target"] = self._action(f"/product/{hit.text}", TARGET)
            row |= {POSITION: str(hit.position), REQUEST: request}
            if hit.kind == "click":
                row["idaction_content_interaction"] = self._action("click", INTERACTION)
        elif hit.kind == "view":
            row["idaction_url"] = self._action(f"shop.example/product/{hit.text}", URL)
            row["idaction_name"] = self._action(html.escape(shop.titles[hit.text]), TITLE)
            row["idaction_product_sku"] = self._action(hit.text, SKU)
            row["idaction_product_name"] = self._action(shop.titles[hit.text], NAME)
            row["idaction_product_cat"] = self._action(shop.categories[hit.text], CATEGORY)
            row["product_price"] = shop.prices[hit.text]
        elif hit.kind == "category":
            row["idaction_url"] = self._action(f"shop.example/category/{hit.text}", URL)
            row["idaction_product_cat"] = self._action(hit.text, CATEGORY)
        elif hit.kind == "search":
            row["idaction_name"] = self._action(html.escape(hit.text), KEYWORD)
            row["search_count"] = 0 if hit.text == "gluten-free" else 12
        else:
            row["idaction_url"] = self._action("shop.example/", URL)
            row["idaction_name"] = self._action("Home", TITLE)
        return row


_LINK_COLUMNS = (
    *(f"idaction_{what}" for what in ("url", "name", "product_sku", "product_name", "product_cat")),
    *(f"idaction_content_{what}" for what in ("name", "piece", "target", "interaction")),
    *("product_price", "search_count", POSITION, REQUEST),
)


def _identity(visit: Visit, *, logged_in: bool) -> Row:
    """With a login the visitor id is made of the user id, as Matomo does by default."""
    user = visit.household if logged_in else None
    return {"user_id": user, "idvisitor": visitor(user or f"cookie {visit.household}")}


def _last(visit: Visit) -> dt.datetime:
    moments = [visit.hits[-1].time, visit.cart_time, visit.basket.time if visit.basket else None]
    return max(moment for moment in moments if moment is not None)


def _order_row(visit: Visit) -> Row:
    """The columns of `log_conversion` that differ between a cart and its order."""
    if visit.basket is None:
        return {}
    worth = _worth(visit.basket.lines.values())
    return {
        "idgoal": ORDER,
        "buster": int(hashlib.md5(visit.basket.order_id.encode(), usedforsecurity=False).hexdigest()[:8], 16),
        "idorder": visit.basket.order_id,
        "server_time": visit.basket.time,
        "items": _pieces(visit.basket.lines.values()),
        "revenue": worth,
        "revenue_subtotal": worth,
        "revenue_discount": visit.basket.discount,
    }


def _goal_row(idvisit: int, visit: Visit) -> Row:
    """The columns of carts and orders are empty: one statement writes all kinds of conversion."""
    who = _identity(visit, logged_in=visit.logged_in_at_last)["idvisitor"]
    row: Row = {"idvisit": idvisit, "idsite": SITE, "idvisitor": who, "url": "https://shop.example/newsletter"}
    row |= {"idgoal": NEWSLETTER, "buster": 0, "server_time": visit.signed_up, "revenue": NEWSLETTER_WORTH}
    return row | dict.fromkeys(("idorder", "items", "revenue_subtotal", "revenue_discount"))


def _pieces(lines: Iterable[tuple[int, float]]) -> int:
    """`items` is a smallint; goods sold by weight count many pieces."""
    return min(sum(quantity for quantity, _ in lines), 65_535)


def _worth(lines: Iterable[tuple[int, float]]) -> float:
    return round(sum(quantity * price for quantity, price in lines), 2)
