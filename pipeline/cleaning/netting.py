"""The rules of refunds: what came back is taken off the lines that it was paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Mask

NOTHING = 0.005
"""Less than this is no money: half a cent, the rounding of shares."""


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
