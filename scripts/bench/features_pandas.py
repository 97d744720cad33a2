"""All stored features in straightforward pandas: python features_pandas.py CLEAN OUT DAY."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from features_peers import DAY, END, UNKNOWN, files, out, print_peak

if TYPE_CHECKING:
    import datetime as dt

    from pandas.api.typing import SeriesGroupBy


def read(table: str, key: list[str], columns: list[str]) -> pd.DataFrame:
    """The newest version of each row; of equals the one told last."""
    rows = pd.read_parquet(files(table), columns=[*key, *columns, "updated_at"], partitioning=None)
    return rows.sort_values("updated_at", kind="stable").drop_duplicates(key, keep="last")


def days(duration: pd.Series) -> pd.Series:
    return duration / DAY


users = read("users", ["user_id"], ["created_at", "active"])
users = users[(users["created_at"] < END) & (users["active"] != 0)]
items = read("items", ["item_id"], ["category", "subcategory", "brand", "stock", "created_at"])
items = items.fillna({"category": "", "subcategory": "", "brand": ""})
prices = read("prices", ["item_id", "valid_from"], ["price"])
prices = prices[prices["valid_from"] < END]
promotions = read("promotions", ["item_id", "kind", "valid_from"], ["valid_to", "reach"])
promotions = promotions[promotions["updated_at"] < END]
events = read(
    "events", ["event_id"], ["kind", "time", "user_id", "item_id", "basket_id", "quantity", "value", "discount"]
)
events = events[events["time"] < END].drop(columns=["event_id", "updated_at"])
events["time"] = events["time"].dt.floor("s")
groups = ["category", "subcategory", "brand"]
events = events.merge(items[["item_id", *groups]], on="item_id", how="left")
events = events.fillna(dict.fromkeys(groups, ""))
events = events.astype(dict.fromkeys(["user_id", "item_id", "basket_id", *groups], "category"))
purchases = events[events["kind"] == "purchase"]


@cache
def recent(last_days: int) -> pd.DataFrame:
    return purchases[purchases["time"] >= END - last_days * DAY]


@cache
def lines(key: str, last_days: int) -> pd.Series:
    return recent(last_days).groupby(key).size()


@cache
def distinct(what: str, key: str, last_days: int) -> pd.Series:
    return recent(last_days).groupby(key)[what].nunique()


@cache
def spent(key: str, last_days: int) -> pd.Series:
    return recent(last_days).groupby(key)["value"].sum()


def discount_share(key: str, last_days: int, prior: int = 2) -> pd.Series:
    whole = recent(last_days)[["value", "discount"]].sum()
    shop = whole["discount"] / whole.sum()
    discount = recent(last_days).groupby(key)["discount"].sum()
    share, count = discount / (spent(key, last_days) + discount), lines(key, last_days)
    return (share * count + prior * shop) / (count + prior)


def basket_share(key: str, last_days: int) -> pd.Series:
    return distinct("basket_id", key, last_days) / recent(last_days)["basket_id"].nunique()


def variety(last_days: int, prior: int = 10) -> pd.Series:
    items_of_user, count = distinct("item_id", "user_id", last_days), lines("user_id", last_days)
    return (items_of_user + prior * items_of_user.sum() / count.sum()) / (count + prior)


# What was bought again, and when: purchases of one moment are one.
moments = purchases.drop_duplicates(["user_id", "item_id", "time"])
moments = moments[["user_id", "item_id", "category", "brand", "time"]].sort_values("time")
moments["gap"] = days(moments.groupby(["user_id", "item_id"])["time"].diff())
pairs = moments.groupby(["user_id", "item_id"], as_index=False).agg(
    category=("category", "first"), brand=("brand", "first"), moments=("time", "size")
)
pairs["again"] = pairs["moments"] > 1


def repeat_share(key: str, prior: int = 10) -> pd.Series:
    again = pairs.groupby(key)["again"]
    return (again.sum() + prior * pairs["again"].mean()) / (again.size() + prior)


def taste(group: str, prior: int = 5) -> tuple[pd.Series, pd.Series]:
    """Entropy of the user's lines over groups, and the share of the largest, smoothed."""
    known = recent(91)[recent(91)[group] != ""]
    count = known.groupby(["user_id", group]).size()
    total = count.groupby("user_id").transform("sum")
    shop = count.groupby(group).transform("sum") / len(known)
    share, smoothed = count / total, (count + prior * shop) / (total + prior)
    return -(share * np.log(share)).groupby("user_id").sum().round(6), smoothed.groupby("user_id").max()


# What was given back, of the lines bought or given back.
back = events[events["kind"].isin(["purchase", "refund"]) & (events["time"] >= END - 90 * DAY)]
back = back.assign(given_back=back["kind"] == "refund")
back = back.groupby(["user_id", "item_id", "basket_id"], as_index=False)["given_back"].max()


def refund_rate(key: str, prior: int = 20) -> pd.Series:
    given = back.groupby(key)["given_back"]
    return (given.sum() + prior * back["given_back"].mean()) / (given.size() + prior)


# From looking to buying: who did what with which item.
did = events[(events["kind"] != "refund") & (events["time"] >= END - 28 * DAY)]
did = did.assign(
    looked=did["kind"].isin(["view", "click"]), carted=did["kind"] == "cart", bought=did["kind"] == "purchase"
)
did = did.groupby(["user_id", "item_id"], as_index=False).agg(
    category=("category", "first"), looked=("looked", "max"), carted=("carted", "max"), bought=("bought", "max")
)


def rate(key: str, what: str, whom: str, prior: int = 20) -> pd.Series:
    """Share of the users `whom` who also did `what`; only where there was one."""
    those = did[did[whom]]
    also = those.groupby(key)[what]
    return (also.sum() + prior * those[what].mean()) / (also.size() + prior)


# Prices and promotions.
price = prices.sort_values("valid_from").drop_duplicates("item_id", keep="last").set_index("item_id")["price"]
shelf = items.set_index("item_id").join(price, how="inner").groupby("category")["price"]


def price_changes(last_days: int) -> SeriesGroupBy:
    return prices[prices["valid_from"] >= END - last_days * DAY].groupby("item_id")["price"]


def promoted(kind: str, start: dt.datetime, stop: dt.datetime) -> pd.Series:
    """Part of the time in which one runs, times the part of the shop."""
    of_kind = promotions[promotions["kind"] == kind]
    running = of_kind["valid_to"].clip(upper=stop) - of_kind["valid_from"].clip(lower=start)
    reached = of_kind["reach"] * (running / (stop - start)).clip(lower=0)
    return reached.groupby(of_kind["item_id"]).sum()


def rivals(kind: str) -> pd.Series:
    """Of the lines of the item's subcategory what others are, times how much they are promoted."""
    of_item = items.set_index("item_id")
    sold = lines("item_id", 91).reindex(of_item.index).fillna(0)
    reached = sold * promoted(kind, END, END + 7 * DAY).reindex(of_item.index).fillna(0)
    in_all = reached.groupby(of_item["subcategory"]).transform("sum")
    return (in_all - reached) / sold.groupby(of_item["subcategory"]).transform("sum")


purchases_of_user, purchases_of_item = purchases.groupby("user_id"), purchases.groupby("item_id")
price_rank = ((shelf.rank(method="min") - 1) / (shelf.transform("size") - 1)).fillna(0.0)  # alone: the cheapest
gaps = {key: moments.groupby(key)["gap"] for key in ("item_id", "category")}
category_entropy, top_category = taste("category")
brand_entropy, top_brand = taste("brand")

features = {
    "user": {
        "user_basket_count_7d": distinct("basket_id", "user_id", 7),
        "user_basket_count_28d": distinct("basket_id", "user_id", 28),
        "user_basket_count_91d": distinct("basket_id", "user_id", 91),
        "user_lines_per_basket_91d": lines("user_id", 91) / distinct("basket_id", "user_id", 91),
        "user_spent_28d": spent("user_id", 28),
        "user_spent_per_basket_91d": spent("user_id", 91) / distinct("basket_id", "user_id", 91),
        "user_spent_per_line_91d": spent("user_id", 91) / lines("user_id", 91),
        "user_discount_share_91d": discount_share("user_id", 91),
        "user_item_count_91d": distinct("item_id", "user_id", 91),
        "user_variety_91d": variety(91),
        "user_days_since_last_basket": days(END - purchases_of_user["time"].max()),
        "user_days_since_first_basket": days(END - purchases_of_user["time"].min()),
        "user_category_entropy_91d": category_entropy,
        "user_brand_entropy_91d": brand_entropy,
        "user_top_category_share_91d": top_category,
        "user_top_brand_share_91d": top_brand,
        "user_repeat_share": repeat_share("user_id"),
        "user_refund_rate_90d": refund_rate("user_id"),
    },
    "item": {
        "item_buyer_count_7d": distinct("user_id", "item_id", 7),
        "item_buyer_count_28d": distinct("user_id", "item_id", 28),
        "item_buyer_count": pairs.groupby("item_id").size(),
        "item_line_count_1d": lines("item_id", 1),
        "item_line_count_7d": lines("item_id", 7),
        "item_line_count_28d": lines("item_id", 28),
        "item_line_count_91d": lines("item_id", 91),
        "item_line_count": purchases_of_item.size(),
        "item_pieces_per_line": purchases_of_item["quantity"].mean(),
        "item_discount_share_7d": discount_share("item_id", 7),
        "item_discount_share_91d": discount_share("item_id", 91),
        "item_basket_share_91d": basket_share("item_id", 91),
        "item_days_since_last_sale": days(END - purchases_of_item["time"].max()),
        "item_days_since_first_sale": days(END - purchases_of_item["time"].min()),
        "item_repeat_share": repeat_share("item_id"),
        "item_mean_gap_days": gaps["item_id"].mean(),
        "item_median_gap_days": gaps["item_id"].median(),
        "item_price": price,
        "item_price_over_mean_91d": price / price_changes(91).mean(),
        "item_price_change_count_28d": price_changes(28).size(),
        "item_price_rank_in_category": price_rank,
        "item_advertised_next_7d": promoted("advertised", END, END + 7 * DAY),
        "item_displayed_next_7d": promoted("displayed", END, END + 7 * DAY),
        "item_advertised_182d": promoted("advertised", END - 182 * DAY, END),
        "item_days_listed": days(END - items.set_index("item_id")["created_at"].dt.floor("s")),
        "item_stock": items.set_index("item_id")["stock"].clip(lower=0),
        "item_subcategory_basket_share_91d": items.set_index("item_id")["subcategory"].map(
            basket_share("subcategory", 91)
        ),
        "item_rivals_advertised_share_91d": rivals("advertised"),
        "item_rivals_displayed_share_91d": rivals("displayed"),
        "item_refund_rate_90d": refund_rate("item_id"),
        "item_looker_count_28d": did.groupby("item_id")["looked"].sum(),
        "item_view_to_cart_rate_28d": rate("item_id", "carted", "looked"),
        "item_cart_to_purchase_rate_28d": rate("item_id", "bought", "carted"),
        "item_view_to_purchase_rate_28d": rate("item_id", "bought", "looked"),
    },
    "category": {
        "category_buyer_count_28d": distinct("user_id", "category", 28),
        "category_line_count_7d": lines("category", 7),
        "category_line_count_28d": lines("category", 28),
        "category_item_count_28d": distinct("item_id", "category", 28),
        "category_spent_per_line_91d": spent("category", 91) / lines("category", 91),
        "category_discount_share_28d": discount_share("category", 28),
        "category_basket_share_91d": basket_share("category", 91),
        "category_repeat_share": repeat_share("category"),
        "category_mean_gap_days": gaps["category"].mean(),
        "category_median_gap_days": gaps["category"].median(),
        "category_view_to_purchase_rate_28d": rate("category", "bought", "looked"),
    },
    "brand": {
        "brand_buyer_count_28d": distinct("user_id", "brand", 28),
        "brand_line_count_28d": lines("brand", 28),
        "brand_item_count_91d": distinct("item_id", "brand", 91),
        "brand_spent_per_line_91d": spent("brand", 91) / lines("brand", 91),
        "brand_discount_share_28d": discount_share("brand", 28),
        "brand_basket_share_91d": basket_share("brand", 91),
        "brand_repeat_share": repeat_share("brand"),
    },
}
known = items[items["created_at"] < END]
keys = {
    "user": users["user_id"],
    "item": known["item_id"],
    "category": known["category"],
    "brand": known["brand"],
}
for entity, ids in keys.items():
    index = pd.Index(ids.unique(), name=ids.name).sort_values()
    table = pd.DataFrame({name: values.reindex(index) for name, values in features[entity].items()})
    table.fillna(UNKNOWN).fillna(0.0).astype("float32").reset_index().to_parquet(f"{out}/{entity}.parquet")
print_peak()
