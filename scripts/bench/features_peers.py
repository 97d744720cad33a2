"""What the peers of `features.py` share: arguments, files, what is where nothing is known, the last word."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

clean, out, day = Path(sys.argv[1]), Path(sys.argv[2]), dt.date.fromisoformat(sys.argv[3])
DAY = dt.timedelta(days=1)
END = dt.datetime.combine(day, dt.time(), dt.UTC) + DAY
UNKNOWN = {
    "user_variety_91d": 1.0,
    "user_days_since_last_basket": 400.0,
    "user_repeat_share": 0.2,
    "item_pieces_per_line": 1.0,
    "item_days_since_last_sale": 400.0,
    "item_repeat_share": 0.2,
    "item_mean_gap_days": 400.0,
    "item_median_gap_days": 400.0,
    "item_price_over_mean_91d": 1.0,
    "item_price_rank_in_category": 0.5,
    "item_stock": -1.0,
    "category_repeat_share": 0.2,
    "category_mean_gap_days": 400.0,
    "category_median_gap_days": 400.0,
    "brand_repeat_share": 0.2,
}
"""Of whom nothing is known, every other feature is 0."""


def files(table: str) -> list[Path]:
    return [path for path in sorted(clean.glob(f"{table}/day=*/part.parquet")) if path.parent.name <= f"day={day}"]


def print_peak() -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
