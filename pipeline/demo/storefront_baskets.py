"""The real baskets of the demo shop as a storefront needs them: by day, one line per SKU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.demo.journey import journey_tables

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

Lines = dict[str, tuple[int, float]]
"""SKU -> (pieces, price per piece)."""


@dataclass(frozen=True)
class Basket:
    """What one household bought at one moment (naive UTC)."""

    order_id: str
    household: str
    time: dt.datetime
    lines: Lines
    discount: float


@dataclass(frozen=True)
class Assortment:
    """The items that the households bought, by SKU, and their baskets."""

    titles: dict[str, str]
    """Of sold SKUs that the catalogue lacks, the SKU itself."""
    categories: dict[str, str]
    skus: tuple[str, ...]
    """The sold ones, the most often bought first."""
    prices: dict[str, float]
    by_day: dict[dt.date, list[Basket]]


def assortment(households: int) -> Assortment:
    """The baskets of that many households, the same households that `load_demo_shop` chooses."""
    tables = journey_tables(households, only=("items", "orders", "order_items"))
    lines, items = tables["order_items"], tables["items"]
    sold = lines[(lines["quantity"] > 0) & (lines["sales_value"] > 0)].assign(sku=lines["product_id"].astype("str"))
    per_sku = sold.groupby(["basket_id", "sku"], sort=True)[["quantity", "sales_value", "discount"]].sum().reset_index()
    counts = per_sku["sku"].value_counts()
    priced = per_sku.drop_duplicates("sku")
    skus = items["product_id"].astype("str")
    categories = items["product_category"].fillna(items["department"]).fillna("Other")
    return Assortment(
        titles={sku: sku for sku in counts.index} | dict(zip(skus, items["title"], strict=True)),
        categories=dict.fromkeys(counts.index, "Other") | dict(zip(skus, categories, strict=True)),
        skus=tuple(sorted(counts.index, key=lambda sku: (-counts[sku], sku))),
        prices=dict(zip(priced["sku"], (priced["sales_value"] / priced["quantity"]).round(2), strict=True)),
        by_day=_by_day(tables["orders"], per_sku),
    )


def _by_day(orders: pd.DataFrame, per_sku: pd.DataFrame) -> dict[dt.date, list[Basket]]:
    lines: dict[int, Lines] = {}
    discounts: dict[int, float] = {}
    rows = zip(*(per_sku[name] for name in ("basket_id", "sku", "quantity", "sales_value", "discount")), strict=True)
    for basket, sku, quantity, paid, discount in rows:
        lines.setdefault(basket, {})[sku] = (int(quantity), round(float(paid) / int(quantity), 6))
        discounts[basket] = round(discounts.get(basket, 0.0) + float(discount), 2)
    found: dict[dt.date, list[Basket]] = {}
    ordered = orders[orders["basket_id"].isin(lines.keys())].sort_values(["created_at", "basket_id"])
    for basket, household, moment in zip(
        ordered["basket_id"], ordered["household_id"], ordered["created_at"].dt.to_pydatetime(), strict=True
    ):
        time = moment.replace(microsecond=0)
        found.setdefault(time.date(), []).append(
            Basket(str(basket), str(household), time, lines[basket], discounts[basket])
        )
    return found
