"""The features that `features.py` compares, in straightforward Polars: python features_polars.py CLEAN OUT DAY."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import polars as pl

clean, out, day = Path(sys.argv[1]), Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3])


def read(table: str) -> pl.LazyFrame:
    files = [path for path in sorted(clean.glob(f"{table}/day=*/part.parquet")) if path.parent.name <= f"day={day}"]
    return pl.scan_parquet(files, hive_partitioning=False)


end = int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp())
items = read("items").sort("updated_at").unique("item_id", keep="last").select("item_id", "category")
second = pl.col("time").dt.epoch("us") // 1_000_000
newest = read("events").sort("updated_at", maintain_order=True).unique("event_id", keep="last")
e = newest.filter(pl.col("kind") == "purchase").with_columns(second=second).filter(pl.col("second") < end)
e = (
    e.select("user_id", "item_id", "basket_id", "quantity", "value", "discount", "second")
    .join(items, on="item_id", how="left")
    .with_columns(pl.col("category").fill_null(""))
    .collect()
)


def last(days: int) -> pl.Expr:
    return pl.col("second") >= end - days * 86400


def of(name: str, days: int | None = None) -> pl.Expr:
    return pl.col(name) if days is None else pl.col(name).filter(last(days))


def lines(days: int) -> pl.Expr:
    return last(days).sum()


def share(days: int | None = None) -> pl.Expr:
    return of("discount", days).sum() / (of("value", days).sum() + of("discount", days).sum())


def since(which: pl.Expr) -> pl.Expr:
    return (end - which) / 86400


m = e.select("user_id", "item_id", "category", "second").unique(["user_id", "item_id", "second"]).sort("second")
m = m.with_columns(gap=(pl.col("second") - pl.col("second").shift().over("user_id", "item_id")) / 86400)
gaps = {
    level: m.group_by(key).agg(
        **{f"{level}_mean_gap_days": pl.col("gap").mean(), f"{level}_median_gap_days": pl.col("gap").median()}
    )
    for level, key in (("item", "item_id"), ("category", "category"))
}
users = e.group_by("user_id").agg(
    user_basket_count_7d=of("basket_id", 7).n_unique(),
    user_basket_count_28d=of("basket_id", 28).n_unique(),
    user_basket_count_91d=of("basket_id", 91).n_unique(),
    user_spent_28d=of("value", 28).sum(),
    user_item_count_91d=of("item_id", 91).n_unique(),
    user_lines_per_basket_91d=lines(91) / of("basket_id", 91).n_unique(),
    user_spent_per_line_91d=of("value", 91).sum() / lines(91),
    user_discount_share_91d=share(91),
    user_days_since_last_basket=since(pl.col("second").max()),
    user_days_since_first_basket=since(pl.col("second").min()),
)
items = e.group_by("item_id").agg(
    item_buyer_count_7d=of("user_id", 7).n_unique(),
    item_buyer_count_28d=of("user_id", 28).n_unique(),
    item_buyer_count=pl.col("user_id").n_unique(),
    item_line_count_1d=lines(1),
    item_line_count_7d=lines(7),
    item_line_count_28d=lines(28),
    item_line_count_91d=lines(91),
    item_line_count=pl.len(),
    item_pieces_per_line=pl.col("quantity").mean(),
    item_discount_share_7d=share(7),
    item_discount_share_91d=share(91),
    item_days_since_last_sale=since(pl.col("second").max()),
    item_days_since_first_sale=since(pl.col("second").min()),
)
categories = e.group_by("category").agg(
    category_buyer_count_28d=of("user_id", 28).n_unique(),
    category_line_count_7d=lines(7),
    category_line_count_28d=lines(28),
    category_item_count_28d=of("item_id", 28).n_unique(),
    category_spent_per_line_91d=of("value", 91).sum() / lines(91),
    category_discount_share_28d=share(28),
)
users.write_parquet(f"{out}/user.parquet")
items.join(gaps["item"], on="item_id").write_parquet(f"{out}/item.parquet")
categories.join(gaps["category"], on="category").write_parquet(f"{out}/category.parquet")
status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
