"""What customers gave back: taken off the lines that it was paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts, Mask

NOTHING = 0.005
"""Less than this is no money: half a cent, the rounding of shares."""


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


def given_back(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    """Lines of which no money or no piece is left."""
    touched = _touched(frame, facts)
    if touched.any():
        amount, quantity = _left(frame[touched], facts)
        touched[touched] = (amount < NOTHING) | (quantity <= 0)
    return touched


def partly_given_back(_table: Table, frame: pd.DataFrame, facts: Facts) -> Mask:
    touched = _touched(frame, facts)
    if touched.any():
        rows = frame[touched]
        amount, quantity = _left(rows, facts)
        touched[touched] = (amount != rows["amount"].to_numpy()) | (quantity != rows["quantity"].to_numpy())
    return touched


def take_off(_table: Table, frame: pd.DataFrame, found: Mask, facts: Facts) -> pd.DataFrame:
    amounts, quantities = frame["amount"].to_numpy(copy=True), frame["quantity"].to_numpy(copy=True)
    amounts[found], quantities[found] = _left(frame[found], facts)
    return frame.assign(amount=amounts, quantity=quantities)


def _touched(frame: pd.DataFrame, facts: Facts) -> Mask:
    ids = facts.refunds.order_ids
    return frame["order_id"].isin(ids).to_numpy(bool, copy=True) if ids else np.zeros(len(frame), bool)


def _left(lines: pd.DataFrame, facts: Facts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(money, pieces) that the customer kept, shape (n,) each."""
    own = lines[["order_id", "line_number"]].merge(facts.refunds.lines, on=["order_id", "line_number"], how="left")
    share = lines[["order_id"]].merge(facts.refunds.orders, on="order_id", how="left")["share"].fillna(0.0).to_numpy()
    paid, pieces = lines["amount"].to_numpy(float), lines["quantity"].to_numpy(float)
    money = paid - own["amount"].fillna(0.0).to_numpy(float) - share * paid
    return money, pieces - own["quantity"].fillna(0.0).to_numpy(float)
