"""The features that `features.py` compares, in straightforward pandas: python features_pandas.py CLEAN OUT DAY."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pandas as pd

clean, out, day = Path(sys.argv[1]), Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3])


def read(table: str, columns: list[str]) -> pd.DataFrame:
    files = [path for path in sorted(clean.glob(f"{table}/day=*/part.parquet")) if path.parent.name <= f"day={day}"]
    return pd.concat([pd.read_parquet(f, columns=columns, partitioning=None) for f in files], ignore_index=True)


end = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1)
e = read(
    "events",
    ["event_id", "updated_at", "kind", "time", "user_id", "item_id", "basket_id", "quantity", "value", "discount"],
)
e = e.sort_values("updated_at", kind="stable").drop_duplicates("event_id", keep="last")
e = e[(e["kind"] == "purchase") & (e["time"] < end)]
items = (
    read("items", ["item_id", "category", "updated_at"])
    .sort_values("updated_at")
    .drop_duplicates("item_id", keep="last")
)
e = e.merge(items[["item_id", "category"]], on="item_id", how="left").fillna({"category": ""})
e["second"] = e["time"].dt.floor("s")


def last(days: int) -> pd.DataFrame:
    return e[e["time"] >= end - pd.Timedelta(days=days)]


d7, d28, d91, d1 = last(7), last(28), last(91), last(1)


def share(frame: pd.DataFrame, key: str) -> pd.Series:
    s = frame.groupby(key)[["value", "discount"]].sum()
    return s["discount"] / (s["value"] + s["discount"])


def days(delta: pd.Series) -> pd.Series:
    return delta.dt.total_seconds() / 86400


m = e.drop_duplicates(["user_id", "item_id", "second"])[["user_id", "item_id", "category", "second"]].sort_values(
    ["user_id", "item_id", "second"]
)
m["gap"] = days(m["second"] - m.groupby(["user_id", "item_id"])["second"].shift())
u, i, c = {}, {}, {}
for n, frame in ((7, d7), (28, d28), (91, d91)):
    u[f"user_basket_count_{n}d"] = frame.groupby("user_id")["basket_id"].nunique()
u["user_spent_28d"] = d28.groupby("user_id")["value"].sum()
g = d91.groupby("user_id")
u["user_item_count_91d"] = g["item_id"].nunique()
u["user_lines_per_basket_91d"] = g.size() / g["basket_id"].nunique()
u["user_spent_per_line_91d"] = g["value"].sum() / g.size()
u["user_discount_share_91d"] = share(d91, "user_id")
u["user_days_since_last_basket"] = days(end - e.groupby("user_id")["second"].max())
u["user_days_since_first_basket"] = days(end - e.groupby("user_id")["second"].min())
i["item_buyer_count_7d"] = d7.groupby("item_id")["user_id"].nunique()
i["item_buyer_count_28d"] = d28.groupby("item_id")["user_id"].nunique()
i["item_buyer_count"] = e.groupby("item_id")["user_id"].nunique()
for n, frame in ((1, d1), (7, d7), (28, d28), (91, d91)):
    i[f"item_line_count_{n}d"] = frame.groupby("item_id").size()
i["item_line_count"] = e.groupby("item_id").size()
i["item_pieces_per_line"] = e.groupby("item_id")["quantity"].mean()
i["item_discount_share_7d"], i["item_discount_share_91d"] = share(d7, "item_id"), share(d91, "item_id")
i["item_days_since_last_sale"] = days(end - e.groupby("item_id")["second"].max())
i["item_days_since_first_sale"] = days(end - e.groupby("item_id")["second"].min())
i["item_mean_gap_days"], i["item_median_gap_days"] = (
    m.groupby("item_id")["gap"].mean(),
    m.groupby("item_id")["gap"].median(),
)
c["category_buyer_count_28d"] = d28.groupby("category")["user_id"].nunique()
c["category_line_count_7d"], c["category_line_count_28d"] = (
    d7.groupby("category").size(),
    d28.groupby("category").size(),
)
c["category_item_count_28d"] = d28.groupby("category")["item_id"].nunique()
g = d91.groupby("category")
c["category_spent_per_line_91d"] = g["value"].sum() / g.size()
c["category_discount_share_28d"] = share(d28, "category")
c["category_mean_gap_days"], c["category_median_gap_days"] = (
    m.groupby("category")["gap"].mean(),
    m.groupby("category")["gap"].median(),
)
for name, key, columns in (("user", "user_id", u), ("item", "item_id", i), ("category", "category", c)):
    pd.DataFrame(columns).rename_axis(key).reset_index().to_parquet(f"{out}/{name}.parquet")
status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
