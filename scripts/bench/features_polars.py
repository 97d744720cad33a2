"""All stored features in straightforward Polars: python features_polars.py CLEAN OUT DAY."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from features_peers import DAY, END, UNKNOWN, files, out, print_peak

if TYPE_CHECKING:
    import datetime as dt


def read(table: str, *key: str) -> pl.LazyFrame:
    """The newest version of each row; of equals the one told last."""
    rows = pl.scan_parquet(files(table), hive_partitioning=False)
    return rows.sort("updated_at", maintain_order=True).unique(key, keep="last")


def last(days: int, moment: str = "time") -> pl.Expr:
    return pl.col(moment) >= END - days * DAY


def of(name: str, days: int) -> pl.Expr:
    return pl.col(name).filter(last(days))


def lines(days: int) -> pl.Expr:
    return last(days).sum()


def in_days(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_seconds() / 86400


def smoothed(what: pl.Expr, shop: float, prior: int) -> pl.Expr:
    """The mean, as if `prior` more had been as in the whole shop."""
    return (what.sum() + prior * shop) / (what.len() + prior)


users = read("users", "user_id").filter(pl.col("created_at") < END, pl.col("active").fill_null(1) != 0).collect()
items = read("items", "item_id").with_columns(pl.col("category", "subcategory", "brand").fill_null("")).collect()
groups = items.select("item_id", "category", "subcategory", "brand")
events = (
    read("events", "event_id")
    .filter(pl.col("time") < END)
    .select(
        "kind", "user_id", "item_id", "basket_id", "quantity", "value", "discount", pl.col("time").dt.truncate("1s")
    )
    .join(groups.lazy(), on="item_id", how="left")
    .with_columns(pl.col("category", "subcategory", "brand").fill_null(""))
    .with_columns(pl.col("user_id", "item_id", "basket_id", "category", "subcategory", "brand").cast(pl.Categorical))
    .collect()
)
purchases = events.filter(pl.col("kind") == "purchase")


def discount_share(days: int, prior: int = 2) -> pl.Expr:
    whole = purchases.filter(last(days)).select(pl.col("value", "discount").sum())
    shop = whole["discount"][0] / (whole["value"][0] + whole["discount"][0])
    discount = of("discount", days).sum()
    share = discount / (of("value", days).sum() + discount)
    return (share * lines(days) + prior * shop) / (lines(days) + prior)


def basket_share(days: int) -> pl.Expr:
    return of("basket_id", days).n_unique() / purchases.filter(last(days))["basket_id"].n_unique()


def variety(days: int, prior: int = 10) -> pl.Expr:
    """None for a user without a line."""
    whole = purchases.filter(last(days))
    shop = whole.select("user_id", "item_id").n_unique() / whole.height
    smooth = (of("item_id", days).n_unique() + prior * shop) / (lines(days) + prior)
    return pl.when(lines(days) > 0).then(smooth)


# What was bought again, and when: purchases of one moment are one.
same_pair = (pl.col("user_id") == pl.col("user_id").shift()) & (pl.col("item_id") == pl.col("item_id").shift())
moments = (
    purchases.select("user_id", "item_id", "category", "brand", "time")
    .unique(["user_id", "item_id", "time"])
    .sort("user_id", "item_id", "time")
    .with_columns(gap=pl.when(same_pair).then(in_days(pl.col("time").diff())))
)
pairs = moments.group_by("user_id", "item_id").agg(pl.col("category", "brand").first(), again=pl.len() > 1)


def repeats(key: str, name: str) -> pl.DataFrame:
    return pairs.group_by(key).agg(smoothed(pl.col("again"), pairs["again"].mean(), 10).alias(name))


def gaps(key: str, name: str) -> pl.DataFrame:
    gap = pl.col("gap")
    return moments.group_by(key).agg(
        gap.mean().alias(f"{name}_mean_gap_days"), gap.median().alias(f"{name}_median_gap_days")
    )


def taste(group: str) -> pl.DataFrame:
    """Entropy of the user's lines over groups, and the share of the largest, smoothed."""
    counted = purchases.filter(last(91), pl.col(group) != "").group_by("user_id", group).len()
    shop = (pl.col("len").sum().over(group) / pl.col("len").sum()).alias("shop")
    share, prior = pl.col("len") / pl.col("len").sum(), 5
    return (
        counted.with_columns(shop)
        .group_by("user_id")
        .agg(
            share.entropy().round(6).alias(f"user_{group}_entropy_91d"),
            ((pl.col("len") + prior * pl.col("shop")).max() / (pl.col("len").sum() + prior)).alias(
                f"user_top_{group}_share_91d"
            ),
        )
    )


# What was given back, of the lines bought or given back.
back = (
    events.filter(pl.col("kind").is_in(["purchase", "refund"]), last(90))
    .group_by("user_id", "item_id", "basket_id")
    .agg(given_back=(pl.col("kind") == "refund").any())
)


def refund_rate(key: str, name: str) -> pl.DataFrame:
    return back.group_by(key).agg(smoothed(pl.col("given_back"), back["given_back"].mean(), 20).alias(name))


# From looking to buying: who did what with which item.
kind = pl.col("kind")
did = (
    events.filter(kind != "refund", last(28))
    .group_by("user_id", "item_id")
    .agg(
        pl.col("category").first(),
        looked=kind.is_in(["view", "click"]).any(),
        carted=(kind == "cart").any(),
        bought=(kind == "purchase").any(),
    )
)


def rate(what: str, whom: str) -> pl.Expr:
    """Share of the users `whom` who also did `what`; none where there was none."""
    also = pl.col(what).filter(pl.col(whom))
    shop = did.filter(pl.col(whom))[what].mean() or 0.0
    return pl.when(pl.col(whom).any()).then(smoothed(also, shop, 20))


# Prices and promotions.
prices = read("prices", "item_id", "valid_from").filter(pl.col("valid_from") < END).collect()
promotions = read("promotions", "item_id", "kind", "valid_from").filter(pl.col("updated_at") < END).collect()


def promoted(which: str, start: dt.datetime, stop: dt.datetime) -> pl.Expr:
    """Part of the time in which one runs, times the part of the shop."""
    running = pl.min_horizontal("valid_to", pl.lit(stop)) - pl.max_horizontal("valid_from", pl.lit(start))
    reached = pl.col("reach") * (running.dt.total_seconds() / (stop - start).total_seconds()).clip(0)
    return reached.filter(pl.col("kind") == which).sum()


price, rank = pl.col("price"), pl.col("item_price").rank("min")
price_list = (
    prices.sort("valid_from")
    .group_by("item_id")
    .agg(
        item_price=price.last(),
        item_price_over_mean_91d=price.last() / price.filter(last(91, "valid_from")).mean(),
        item_price_change_count_28d=last(28, "valid_from").sum(),
    )
)
price_ranks = price_list.join(groups, on="item_id").select(
    "item_id",
    item_price_rank_in_category=((rank - 1) / (pl.len() - 1)).over("category").fill_nan(0.0),  # alone: the cheapest
)
sold = purchases.group_by("item_id").agg(lines=lines(91)).with_columns(pl.col("item_id").cast(pl.String))
coming = promotions.group_by("item_id").agg(
    advertised=promoted("advertised", END, END + 7 * DAY), displayed=promoted("displayed", END, END + 7 * DAY)
)
reached = pl.col("advertised", "displayed") * pl.col("lines")
siblings = (
    groups.select("item_id", "subcategory")
    .join(sold, on="item_id", how="left")
    .join(coming, on="item_id", how="left")
    .with_columns(pl.col("lines", "advertised", "displayed").fill_null(0))
    .with_columns((reached.sum().over("subcategory") - reached) / pl.col("lines").sum().over("subcategory"))
    .join(
        purchases.group_by(pl.col("subcategory").cast(pl.String)).agg(
            item_subcategory_basket_share_91d=basket_share(91)
        ),
        on="subcategory",
        how="left",
    )
    .select(
        "item_id",
        "item_subcategory_basket_share_91d",
        item_rivals_advertised_share_91d="advertised",
        item_rivals_displayed_share_91d="displayed",
    )
)
user_features = [
    purchases.group_by("user_id").agg(
        user_basket_count_7d=of("basket_id", 7).n_unique(),
        user_basket_count_28d=of("basket_id", 28).n_unique(),
        user_basket_count_91d=of("basket_id", 91).n_unique(),
        user_lines_per_basket_91d=lines(91) / of("basket_id", 91).n_unique(),
        user_spent_28d=of("value", 28).sum(),
        user_spent_per_basket_91d=of("value", 91).sum() / of("basket_id", 91).n_unique(),
        user_spent_per_line_91d=of("value", 91).sum() / lines(91),
        user_discount_share_91d=discount_share(91),
        user_item_count_91d=of("item_id", 91).n_unique(),
        user_variety_91d=variety(91),
        user_days_since_last_basket=in_days(END - pl.col("time").max()),
        user_days_since_first_basket=in_days(END - pl.col("time").min()),
    ),
    taste("category"),
    taste("brand"),
    repeats("user_id", "user_repeat_share"),
    refund_rate("user_id", "user_refund_rate_90d"),
]
item_features = [
    purchases.group_by("item_id").agg(
        item_buyer_count_7d=of("user_id", 7).n_unique(),
        item_buyer_count_28d=of("user_id", 28).n_unique(),
        item_buyer_count=pl.col("user_id").n_unique(),
        item_line_count_1d=lines(1),
        item_line_count_7d=lines(7),
        item_line_count_28d=lines(28),
        item_line_count_91d=lines(91),
        item_line_count=pl.len(),
        item_pieces_per_line=pl.col("quantity").mean(),
        item_discount_share_7d=discount_share(7),
        item_discount_share_91d=discount_share(91),
        item_basket_share_91d=basket_share(91),
        item_days_since_last_sale=in_days(END - pl.col("time").max()),
        item_days_since_first_sale=in_days(END - pl.col("time").min()),
    ),
    repeats("item_id", "item_repeat_share"),
    gaps("item_id", "item"),
    price_list,
    price_ranks,
    siblings,
    promotions.group_by("item_id").agg(
        item_advertised_next_7d=promoted("advertised", END, END + 7 * DAY),
        item_displayed_next_7d=promoted("displayed", END, END + 7 * DAY),
        item_advertised_182d=promoted("advertised", END - 182 * DAY, END),
    ),
    items.select(
        "item_id",
        item_days_listed=in_days(END - pl.col("created_at").dt.truncate("1s")),
        item_stock=pl.col("stock").clip(lower_bound=0),
    ),
    refund_rate("item_id", "item_refund_rate_90d"),
    did.group_by("item_id").agg(
        item_looker_count_28d=pl.col("looked").sum(),
        item_view_to_cart_rate_28d=rate("carted", "looked"),
        item_cart_to_purchase_rate_28d=rate("bought", "carted"),
        item_view_to_purchase_rate_28d=rate("bought", "looked"),
    ),
]
category_features = [
    purchases.group_by("category").agg(
        category_buyer_count_28d=of("user_id", 28).n_unique(),
        category_line_count_7d=lines(7),
        category_line_count_28d=lines(28),
        category_item_count_28d=of("item_id", 28).n_unique(),
        category_spent_per_line_91d=of("value", 91).sum() / lines(91),
        category_discount_share_28d=discount_share(28),
        category_basket_share_91d=basket_share(91),
    ),
    repeats("category", "category_repeat_share"),
    gaps("category", "category"),
    did.group_by("category").agg(category_view_to_purchase_rate_28d=rate("bought", "looked")),
]
brand_features = [
    purchases.group_by("brand").agg(
        brand_buyer_count_28d=of("user_id", 28).n_unique(),
        brand_line_count_28d=lines(28),
        brand_item_count_91d=of("item_id", 91).n_unique(),
        brand_spent_per_line_91d=of("value", 91).sum() / lines(91),
        brand_discount_share_28d=discount_share(28),
        brand_basket_share_91d=basket_share(91),
    ),
    repeats("brand", "brand_repeat_share"),
]


def write(entity: str, keys: pl.DataFrame, tables: list[pl.DataFrame]) -> None:
    key = keys.columns[0]
    for table in tables:
        keys = keys.join(table.with_columns(pl.col(key).cast(pl.String)), on=key, how="left")
    features = (pl.col(name).fill_nan(None).fill_null(UNKNOWN.get(name, 0.0)) for name in keys.columns[1:])
    keys.sort(key).select(key, *(each.cast(pl.Float32) for each in features)).write_parquet(f"{out}/{entity}.parquet")


known = items.filter(pl.col("created_at") < END)
write("user", users.select("user_id"), user_features)
write("item", known.select("item_id"), item_features)
write("category", known.select("category").unique(), category_features)
write("brand", known.select("brand").unique(), brand_features)
print_peak()
