"""What customers gave back: taken off the lines that it was paid for, and told as events of its own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from feature_store.schema import EVENTS, REFUND
from pipeline.cleaning.masks import UNKNOWN

if TYPE_CHECKING:
    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Rows


@dataclass(frozen=True)
class Refunds:
    """The newest state of all refunds that there are: by line, and by order where a refund names no line."""

    lines: pd.DataFrame
    """order_id, line_number, amount, quantity: one row per refunded line."""
    orders: pd.DataFrame
    """order_id, share: the part of the order's money that came back, at most 1."""
    bought: pd.DataFrame
    """order_id, line_number, item_id, quantity, amount: the newest version of every line of these orders."""
    newest: pd.DataFrame
    """refund_id, partition_day: where the newest version of each refund is."""

    @property
    def order_ids(self) -> set[str]:
        return {*self.lines["order_id"], *self.orders["order_id"]}


def no_refunds() -> Refunds:
    kinds = {"order_id": "str", "line_number": "int64", "amount": "float64", "quantity": "float64", "share": "float64"}
    empty = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})
    lines = empty.drop(columns="share")
    newest = empty[["order_id", "line_number"]].set_axis(["refund_id", "partition_day"], axis=1)
    return Refunds(lines, empty[["order_id", "share"]], lines.assign(item_id=empty["order_id"]), newest)


def sum_refunds(refunds: pd.DataFrame, bought: pd.DataFrame) -> Refunds:
    """Refunds from newest versions, and the lines of their orders (see `Refunds`)."""
    order_amounts = bought[bought["amount"] > 0].groupby("order_id", as_index=False)[["amount"]].sum()
    paid_back = refunds[refunds["amount"] > 0].assign(quantity=refunds["quantity"].fillna(0.0))
    of_line = paid_back[paid_back["line_number"].notna()].astype({"line_number": "int64"})
    of_order = paid_back[paid_back["line_number"].isna()]
    lines = of_line.groupby(["order_id", "line_number"], as_index=False)[["amount", "quantity"]].sum()
    orders = of_order.groupby("order_id", as_index=False)["amount"].sum().merge(order_amounts, on="order_id")
    share = (orders["amount_x"] / orders["amount_y"].where(orders["amount_y"] > 0)).clip(upper=1.0)
    shares = pd.DataFrame({"order_id": orders["order_id"], "share": share.fillna(1.0)})
    return Refunds(lines, shares, bought, refunds[["refund_id", "partition_day"]])


def refund_events(refunds: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Clean refunds as events, one for each line that came back: which item, at the time of the refund.

    A refund of a whole order gives back every line in proportion. Superseded versions, and refunds of cancelled
    orders, of the shop's own people and of what is no article, tell nothing.
    """
    known = facts.refunds
    newest = refunds.merge(known.newest, on=["refund_id", "partition_day"])
    of_line = newest[newest["line_number"].notna()].astype({"line_number": "int64"})
    by_line = of_line.merge(known.bought, on=["order_id", "line_number"], suffixes=("", "_bought"))
    of_order = newest[newest["line_number"].isna()].drop(columns="line_number")
    by_order = of_order.merge(known.bought, on="order_id", suffixes=("", "_bought"))
    money = by_order["amount_bought"].clip(lower=0.0)
    by_order["amount"] *= money / money.groupby(by_order["refund_id"]).transform("sum")
    rows = pd.concat([by_line, by_order], ignore_index=True)
    rows = rows[(rows["amount"] > 0) & (rows["amount_bought"] > 0) & (rows["quantity_bought"] > 0)]
    if not len(rows):
        return _as_events(rows, rows["order_id"], rows["created_at"])
    order, item = _rows_of(rows, facts)
    told = (order != UNKNOWN) & (item != UNKNOWN)
    told[told] &= ~(facts.is_cancelled | facts.is_internal)[order[told]]
    told[told] &= ~facts.is_excluded[item[told]]
    return _as_events(rows[told], facts.orders["user_id"].iloc[order[told]], rows["created_at"][told])


def _rows_of(rows: pd.DataFrame, facts: Facts) -> tuple[Rows, Rows]:
    orders, items = (pa.chunked_array([rows[name].to_list()], pa.string()) for name in ("order_id", "item_id"))
    return facts.order_rows(orders), facts.item_rows(items)


def _as_events(rows: pd.DataFrame, users: pd.Series, times: pd.Series) -> pd.DataFrame:
    """Pieces that a refund does not name are the line's, in proportion to the money."""
    share = (rows["amount"] / rows["amount_bought"]).clip(upper=1.0)
    pieces = rows["quantity"].where(rows["quantity"] > 0, share * rows["quantity_bought"])
    return pd.DataFrame(
        {
            "event_id": "refund:" + rows["refund_id"] + ":" + rows["line_number"].astype("int64").astype("str"),
            "kind": REFUND,
            "time": times.array,
            "user_id": users.array,
            "item_id": rows["item_id"],
            "basket_id": rows["order_id"],
            "quantity": pieces,
            "value": rows["amount"],
            "discount": 0.0,
            "slot": pd.Series(index=rows.index, dtype="str"),
            "position": pd.Series(index=rows.index, dtype="float64"),
            "request_id": pd.Series(index=rows.index, dtype="str"),
            "updated_at": rows["updated_at"],
            "partition_day": rows["partition_day"],
        },
        columns=[*EVENTS.columns, "partition_day"],
    ).sort_values("partition_day", kind="stable")
