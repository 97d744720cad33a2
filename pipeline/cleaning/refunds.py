"""What customers gave back, by line and by order."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Refunds:
    """The newest state of all refunds that there are: by line, and by order where a refund names no line."""

    lines: pd.DataFrame
    """order_id, line_number, amount, quantity: one row per refunded line."""
    orders: pd.DataFrame
    """order_id, share: the part of the order's money that came back, at most 1."""

    @property
    def order_ids(self) -> set[str]:
        return {*self.lines["order_id"], *self.orders["order_id"]}


def no_refunds() -> Refunds:
    kinds = {"order_id": "str", "line_number": "int64", "amount": "float64", "quantity": "float64", "share": "float64"}
    empty = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})
    return Refunds(empty.drop(columns="share"), empty[["order_id", "share"]])


def sum_refunds(refunds: pd.DataFrame, order_amounts: pd.DataFrame) -> Refunds:
    """Refunds from newest versions and `order_amounts` (order_id, amount: what the order cost)."""
    paid_back = refunds[refunds["amount"] > 0].assign(quantity=refunds["quantity"].fillna(0.0))
    of_line = paid_back[paid_back["line_number"].notna()].astype({"line_number": "int64"})
    of_order = paid_back[paid_back["line_number"].isna()]
    lines = of_line.groupby(["order_id", "line_number"], as_index=False)[["amount", "quantity"]].sum()
    orders = of_order.groupby("order_id", as_index=False)["amount"].sum().merge(order_amounts, on="order_id")
    share = (orders["amount_x"] / orders["amount_y"].where(orders["amount_y"] > 0)).clip(upper=1.0)
    return Refunds(lines, pd.DataFrame({"order_id": orders["order_id"], "share": share.fillna(1.0)}))
