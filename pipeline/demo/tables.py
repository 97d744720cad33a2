"""The business database of the demo shop, in the words such a shop would use: SQLite or MySQL from one definition."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, MetaData, Numeric, String, Table

METADATA = MetaData()
_MONEY = Numeric(12, 4, asdecimal=False).with_variant(Float(), "sqlite")
_SHARE = Numeric(5, 4, asdecimal=False).with_variant(Float(), "sqlite")
_ID = BigInteger().with_variant(Integer(), "sqlite")


def _stamps() -> tuple[Column[object], Column[object]]:
    """When the row was made and last changed: naive UTC, the second indexed because changes are found by it."""
    return Column("created_at", DateTime, nullable=False), Column("updated_at", DateTime, nullable=False, index=True)


USERS = Table(
    "users",
    METADATA,
    Column("household_id", _ID, primary_key=True, autoincrement=False),
    Column("age", String(20)),
    Column("income", String(20)),
    Column("home_ownership", String(20)),
    Column("marital_status", String(20)),
    Column("household_size", String(20)),
    Column("household_composition", String(30)),
    Column("kids_count", String(20)),
    *_stamps(),
)
ITEMS = Table(
    "items",
    METADATA,
    Column("product_id", _ID, primary_key=True, autoincrement=False),
    Column("title", String(150), nullable=False),
    Column("department", String(50)),
    Column("product_category", String(80)),
    Column("product_type", String(80)),
    Column("brand", String(20)),
    Column("manufacturer_id", Integer),
    Column("package_size", String(40)),
    *_stamps(),
)
ITEM_PRICES = Table(
    "item_prices",
    METADATA,
    Column("product_id", _ID, primary_key=True, autoincrement=False),
    Column("valid_from", DateTime, primary_key=True),
    Column("price", _MONEY, nullable=False),
    Column("updated_at", DateTime, nullable=False, index=True),
)
ITEM_PROMOTIONS = Table(
    "item_promotions",
    METADATA,
    Column("product_id", _ID, primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    Column("valid_from", DateTime, primary_key=True),
    Column("valid_to", DateTime, nullable=False),
    Column("store_share", _SHARE, nullable=False),
    Column("updated_at", DateTime, nullable=False, index=True),
)
ORDERS = Table(
    "orders",
    METADATA,
    Column("basket_id", _ID, primary_key=True, autoincrement=False),
    Column("household_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    *_stamps(),
)
ORDER_ITEMS = Table(
    "order_items",
    METADATA,
    Column("basket_id", _ID, primary_key=True, autoincrement=False),
    Column("line_number", Integer, primary_key=True, autoincrement=False),
    Column("product_id", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("sales_value", _MONEY, nullable=False),
    Column("discount", _MONEY, nullable=False),
    *_stamps(),
)
