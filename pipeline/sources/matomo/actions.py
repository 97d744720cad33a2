"""Rows of `log_link_visit_action` as views, impressions, clicks, searches and category pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.sources.matomo.codes import (
    CATEGORY,
    CONTENT_NAME,
    CONTENT_PIECE,
    CONTENT_TARGET,
    KEYWORD,
    SKU,
    first_category,
    unescaped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy as sa

Row = dict[str, Any]

ACTION_IDS = [
    "idaction_product_sku",
    "idaction_product_cat",
    "idaction_content_name",
    "idaction_content_piece",
    "idaction_content_target",
    "idaction_content_interaction",
    "idaction_name",
]
"""Columns that point into `log_action`; 0 and NULL both mean that there is nothing."""
_VARIABLES = [f"custom_var_{part}{number}" for number in range(2, 6) for part in "kv"]
COLUMNS = [
    *("idlink_va", "idsite", "idvisit", "idvisitor", "server_time"),
    *ACTION_IDS,
    *("product_price", "search_cat", "search_count", "idaction_url"),
    *_VARIABLES,
]


class Actions:
    """One batch of actions with the names that they point to; what was purged from `log_action` has none."""

    def __init__(self, names: Mapping[int, tuple[str, int]]) -> None:
        self.names = names

    def _name(self, idaction: int | None, *types: int) -> str | None:
        """The name behind an id if it is of one of `types`: the columns share their dictionary."""
        name, kind = self.names.get(idaction or 0, (None, None))
        return name if kind in types else None

    def events(self, row: sa.Row[Any]) -> Iterator[Row]:
        """Views, impressions and clicks: at most one of each kind per action."""
        sku, price = self._product(row)
        if sku:
            yield _event(row, "view", sku, price=price)
        slot = self._name(row.idaction_content_name, CONTENT_NAME)
        piece = self._name(row.idaction_content_piece, CONTENT_PIECE)
        if slot and piece:
            # An interaction is a row of its own; the impression's row has none.
            kind = "click" if row.idaction_content_interaction else "impression"
            target = self._name(row.idaction_content_target, CONTENT_TARGET)
            yield _event(
                row,
                kind,
                piece,
                slot=slot,
                position=_position(row.rec_position),
                request_id=row.rec_request or target or None,
            )

    def facts(self, row: sa.Row[Any]) -> Iterator[Row]:
        """Searches and category pages."""
        keyword = None if row.idaction_url else self._name(row.idaction_name, KEYWORD)
        if keyword:
            results = None if row.search_count is None else int(row.search_count)
            yield {**_fact(row), "kind": "search", "text": unescaped(keyword), "results": results}
        category = self._category(row)
        if category and not self._product(row)[0]:
            yield {**_fact(row), "kind": "category", "text": category, "results": None}

    def _product(self, row: sa.Row[Any]) -> tuple[str | None, float | None]:
        """SKU and price of a product page: `idaction_product_sku`, or Matomo 3's page-scope custom variables."""
        sku = self._name(row.idaction_product_sku, SKU)
        if sku:
            return sku, row.product_price
        variables = _variables(row)
        return unescaped(variables.get("_pks")), _price(variables.get("_pkp"))

    def _category(self, row: sa.Row[Any]) -> str | None:
        return self._name(row.idaction_product_cat, CATEGORY) or first_category(unescaped(_variables(row).get("_pkc")))


def _variables(row: sa.Row[Any]) -> dict[str, str]:
    """Matomo 3 kept product pages in page-scope custom variables 2 to 5, told by their key and not by their number."""
    pairs = ((getattr(row, f"custom_var_k{number}"), getattr(row, f"custom_var_v{number}")) for number in range(2, 6))
    return {key: value for key, value in pairs if key and value}


def _price(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _position(text: str | None) -> int | None:
    """A custom dimension is text that a page's script wrote: anything else than a number from 1 is no position."""
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else None


def _event(row: sa.Row[Any], kind: str, item: str, **more: Any) -> Row:  # noqa: ANN401 -- columns of the event
    empty = {"order_id": None, "price": None, "slot": None, "position": None, "request_id": None}
    return {
        "event_id": f"{row.idsite}:{kind}:{row.idlink_va}",
        "kind": kind,
        "item_id": item,
        "quantity": 1.0,
        **empty,
        **more,
    }


def _fact(row: sa.Row[Any]) -> Row:
    return {"fact_id": f"{row.idsite}:action:{row.idlink_va}", "goal": None, "revenue": None}
