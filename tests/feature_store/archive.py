"""A small clean archive, row by row: what cleaning would leave, written in the canonical schema."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.days import end_of_day
from feature_store.engine.duckdb import DuckDb
from feature_store.offline import Archive
from feature_store.schema import EXPOSURE, REFUND, TABLES
from feature_store.snapshot import arrays_of, compute_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from feature_store.history import History
    from feature_store.snapshot import Snapshot

TODAY = dt.date(2017, 11, 5)
NOW = end_of_day(TODAY)
DAY = 86_400
_TYPES = {"text": pa.string(), "integer": pa.int64(), "real": pa.float64(), "time": pa.timestamp("us", tz="UTC")}

Row = dict[str, Any]


def moment(days_ago: float) -> dt.datetime:
    """That many days before the end of today; below 0 it lies in the future."""
    return dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(days=days_ago)


def age(row: Row) -> float:
    """Days from the moment of an event or a price to the end of today."""
    return (NOW - row.get("time", row.get("valid_from")).timestamp()) / DAY


def event(user: str, item: str, days_ago: float, **columns: Any) -> Row:
    """One line of a basket; events of one user at one moment are one basket."""
    time = columns.pop("time", moment(days_ago))
    row = {
        "event_id": f"{user} {item} {time}",
        "kind": "purchase",
        "time": time,
        "user_id": user,
        "item_id": item,
        "basket_id": f"{user} {time}",
        "quantity": 1.0,
        "value": 1.0,
        "discount": 0.0,
        **dict.fromkeys(EXPOSURE),
        "updated_at": time,
    }
    return row | columns


def item(item_id: str, category: str | None = "food", *, days_ago: float = 300, **columns: Any) -> Row:
    created = moment(days_ago)
    row = dict.fromkeys(TABLES["items"].columns) | {"item_id": item_id, "title": item_id.title(), "category": category}
    return row | {"subcategory": category, "created_at": created, "updated_at": created} | columns


def user(user_id: str, days_ago: float = 300, **columns: Any) -> Row:
    created = moment(days_ago)
    row = dict.fromkeys(TABLES["users"].columns) | {"user_id": user_id}
    return row | {"created_at": created, "updated_at": created} | columns


def price(item_id: str, money: float, days_ago: float) -> Row:
    return {"item_id": item_id, "valid_from": moment(days_ago), "price": money, "updated_at": moment(days_ago)}


def promotion(item_id: str, kind: str, from_days_ago: float, days: float, **columns: Any) -> Row:
    """One that begins so many days before the end of today and was planned three days before that."""
    row = {"item_id": item_id, "kind": kind, "valid_from": moment(from_days_ago), "reach": 1.0}
    row |= {"valid_to": moment(from_days_ago - days), "updated_at": moment(from_days_ago + 3)}
    return row | columns


def write(clean: Path, table: str, rows: list[Row], day: dt.date | None = None) -> None:
    """One partition per day of the rows' cursor, or all rows in that of `day`."""
    spec = TABLES[table]
    schema = pa.schema([(name, _TYPES[column.type]) for name, column in spec.columns.items()])
    for of_day in sorted({day or row[spec.cursor].date() for row in rows}):
        folder = clean / table / f"day={of_day}"
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [row for row in rows if day or row[spec.cursor].date() == of_day]
        pq.write_table(pa.Table.from_pylist(chosen, schema), folder / "part.parquet")


@dataclass
class Shop:
    """The rows of a shop; users and items that only purchases know are added when it is written."""

    events: list[Row] = field(default_factory=list)
    """Purchases."""
    items: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    prices: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)
    """Events of all other kinds, in any order."""
    promotions: list[Row] = field(default_factory=list)

    def write(self, clean: Path) -> Path:
        known = {row["item_id"] for row in self.items}, {row["user_id"] for row in self.users}
        items = {row["item_id"] for row in self.events} - known[0]
        users = {row["user_id"] for row in self.events} - known[1]
        write(clean, "events", self.events + self.visits)
        write(clean, "items", self.items + [item(item_id) for item_id in sorted(items)])
        write(clean, "users", self.users + [user(user_id) for user_id in sorted(users)])
        write(clean, "prices", self.prices or [price("nothing", 1.0, 300)])
        write(clean, "promotions", self.promotions)
        return clean


def random_shop(seed: int, *, users: int = 30, items: int = 60, baskets: int = 400) -> Shop:
    """Users, items and categories of very different size, goods by weight, discounts, prices that change.

    The user "nobody" does nothing; the item "unsold", alone in its category, is never bought and has no price.
    """
    random = np.random.default_rng(seed)
    groups = [("dairy", "milk"), ("dairy", "cheese"), ("bakery", "bread"), (None, None)]
    brands = ["own", "best", None]
    shop = Shop(users=[user("nobody")], items=[item("unsold", "empty shelf", brand="no brand")])
    for number in range(items):
        category, narrow = groups[number % len(groups)]
        listed = 251 + number  # before anybody could buy it
        shop.items.append(
            item(f"item {number}", category, subcategory=narrow, brand=brands[number % len(brands)], days_ago=listed)
            | {"stock": None if number % 5 == 0 else float(number % 7) * 2.5}
        )
        for ago in random.choice(250, number % 4, replace=False):
            kind, reach = ("advertised", "displayed")[int(ago) % 2], (int(ago) % 8 + 1) / 8
            shop.promotions.append(promotion(f"item {number}", kind, float(ago) - 5, 7, reach=reach))
            shop.prices.append(price(f"item {number}", float(random.integers(50, 900)) / 100, float(ago) + 0.5))
    for _ in range(baskets):
        who = f"user {int(users * random.random() ** 2)}"
        time = moment(0) - dt.timedelta(seconds=int(random.integers(1, 250 * DAY)))
        for number in random.choice(items - 2, random.integers(1, 9), replace=False):
            paid, off = random.integers(1, 2000), random.integers(0, 300)
            pieces = random.choice([1.0, 2.0, 0.317, 12.0])
            shop.events.append(
                event(who, f"item {number}", 0, time=time, quantity=pieces, value=paid / 100, discount=off / 100)
            )
    for _ in range(baskets // 4):
        shop.visits += _visit(random, f"user {random.integers(users)}", random.choice([0.0, random.random() * 100]))
    shop.visits += [_given_back(line) for line in shop.events[:: 1 + len(shop.events) // 90]]
    return shop


def shifted_by(shop: Shop, by: dt.timedelta) -> Shop:
    """The shop with every moment that it tells of so much later."""
    return Shop(
        *(
            [{name: each + by if isinstance(each, dt.datetime) else each for name, each in row.items()} for row in rows]
            for rows in vars(shop).values()
        )
    )


def _given_back(line: Row) -> Row:
    """On the day after."""
    time = min(line["time"] + dt.timedelta(days=1), moment(0.001))
    return line | {"event_id": f"refund:{line['event_id']}", "kind": REFUND, "time": time, "updated_at": time}


def _visit(random: np.random.Generator, who: str, days_ago: float) -> list[Row]:
    """Somebody looks at a few items, takes some of them, and was shown others; the last of it is minutes old."""
    rows, seconds = [], 0
    for number in random.integers(0, 20, random.integers(1, 7)):
        seconds += int(random.integers(5, 900))
        kind = random.choice(["view", "view", "click", "cart", "impression"])
        time = moment(days_ago) - dt.timedelta(seconds=seconds)
        rows.append(event(who, f"item {number}", 0, time=time, kind=str(kind), value=0.0, quantity=1.0))
    return rows


def open_shop(shop: Shop, folder: Path, through: dt.date = TODAY) -> Archive:
    """The shop's archive, written and read back."""
    return Archive(shop.write(folder / "clean"), through, engine=DuckDb(threads=1))


def known(archive: Archive, day: dt.date = TODAY) -> tuple[Snapshot, History]:
    """What the archive tells about the end of `day`: the snapshot, and the history of its users."""
    snapshot = arrays_of(compute_snapshot(archive, day), end_of_day(day))
    return snapshot, archive.history(snapshot.item_side.catalog, snapshot.users, snapshot.as_of)
