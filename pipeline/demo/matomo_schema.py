"""Matomo's log tables as they really are in versions 3, 4 and 5, for SQLite and MySQL/MariaDB: for the demo and tests.

Matomo's core makes a few columns and every plugin adds its own, so `with_plugins=False` is a real installation too.
Written from `matomo.md`'s description of the columns; nothing is taken from Matomo's sources.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import BigInteger, Column, DateTime, Float, Index, Integer, LargeBinary, MetaData, String, Table, Time
from sqlalchemy.dialects import mysql

Version = Literal[3, 4, 5]
RELEASES: dict[int, str] = {3: "3.14.1", 4: "4.16.1", 5: "5.2.0"}
"""`option.version_core` of an installation of each version."""
DIMENSIONS = CUSTOM_VARIABLES = range(1, 6)
OLD, PAGEVIEWS_COUNTED = 3, 5
"""Product columns came after the first, `pageviews_before` with the second."""
OPEN_CART, ORDER = -1, 0
"""`log_conversion.idgoal`; above 0 are ordinary goals."""
CART_LINES = "0"
"""`log_conversion_item.idorder` of lines that are in a cart."""

_INT = Integer().with_variant(mysql.INTEGER(unsigned=True), "mysql", "mariadb")
_BIG = Integer().with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb")
_TINY = Integer().with_variant(mysql.TINYINT(unsigned=True), "mysql", "mariadb")
_SMALL = Integer().with_variant(mysql.SMALLINT(unsigned=True), "mysql", "mariadb")
_FLOAT = Float().with_variant(mysql.FLOAT(), "mysql", "mariadb")
"""`log_conversion.revenue`: MySQL prints six digits of it."""
_DOUBLE = Float().with_variant(mysql.DOUBLE(), "mysql", "mariadb")
_BINARY = LargeBinary(8).with_variant(mysql.BINARY(8), "mysql", "mariadb")
_IP = LargeBinary(16).with_variant(mysql.VARBINARY(16), "mysql", "mariadb")


def matomo_tables(version: Version = 5, prefix: str = "matomo_", *, with_plugins: bool = True) -> MetaData:
    """The tables of one installation; `metadata.create_all(engine)` makes them."""
    metadata = MetaData()
    made: dict[str, list[Column[Any]]] = {
        "site": _site(),
        "option": [_key("option_name", String(191)), _filled("option_value", String(2000))],
        "goal": _goal(),
        "log_action": _log_action(version),
        "log_visit": _log_visit(version, with_plugins=with_plugins),
        "log_link_visit_action": _log_link_visit_action(version, with_plugins=with_plugins),
        "log_conversion": _log_conversion(version, with_plugins=with_plugins),
        "log_conversion_item": _log_conversion_item(),
        **({"custom_dimensions": _custom_dimensions()} if with_plugins else {}),
    }
    for name, columns in made.items():
        Table(prefix + name, metadata, *columns, mysql_charset="utf8" if version == OLD else "utf8mb4")
    for name, indexes in _INDEXES.items():
        table = metadata.tables[prefix + name]
        for number, names in enumerate(indexes):
            Index(f"{prefix}{name}_{number}", *(table.c[each] for each in names))
    orders = metadata.tables[f"{prefix}log_conversion"]
    Index(f"{prefix}unique_order", orders.c.idsite, orders.c.idorder, unique=True)
    return metadata


_INDEXES: dict[str, list[tuple[str, ...]]] = {
    "log_action": [("type", "hash")],
    "log_visit": [("idsite", "visit_last_action_time"), ("idsite", "idvisitor", "visit_last_action_time")],
    "log_link_visit_action": [("idvisit",), ("idsite", "server_time")],
    "log_conversion": [("idsite", "server_time")],
    "log_conversion_item": [("idsite", "server_time")],
}


def _key(name: str, kind: Any, *, counts: bool = False) -> Column[Any]:  # noqa: ANN401 -- a type of SQLAlchemy
    return Column(name, kind, primary_key=True, autoincrement=counts)


def _filled(name: str, kind: Any, default: str | None = None) -> Column[Any]:  # noqa: ANN401 -- as above
    return Column(name, kind, nullable=False, server_default=default)


def _many(kind: Any, *names: str) -> list[Column[Any]]:  # noqa: ANN401 -- as above
    """Nullable columns of one type."""
    return [Column(name, kind) for name in names]


def _site() -> list[Column[Any]]:
    return [
        _key("idsite", _INT, counts=True),
        _filled("name", String(90)),
        _filled("main_url", String(255)),
        _filled("timezone", String(50)),
        _filled("currency", String(3)),
        _filled("ecommerce", _TINY, "0"),
        Column("ts_created", DateTime().with_variant(mysql.TIMESTAMP(), "mysql", "mariadb"), nullable=True),
    ]


def _goal() -> list[Column[Any]]:
    return [
        _key("idsite", _INT),
        _key("idgoal", Integer()),
        _filled("name", String(50)),
        _filled("allow_multiple", _TINY, "0"),
        _filled("revenue", _DOUBLE, "0"),
        _filled("deleted", _TINY, "0"),
    ]


def _custom_dimensions() -> list[Column[Any]]:
    return [
        _key("idcustomdimension", _BIG),
        _key("idsite", _BIG),
        _filled("name", String(100)),
        _filled("index", _SMALL),
        _filled("scope", String(10)),
        _filled("active", _TINY, "0"),
    ]


def _log_action(version: int) -> list[Column[Any]]:
    return [
        _key("idaction", _INT, counts=True),
        Column("name", String(4096 if version > OLD else 2000)),
        _filled("hash", _INT),
        Column("type", _TINY),
        Column("url_prefix", Integer().with_variant(mysql.TINYINT(), "mysql", "mariadb")),
    ]


def _log_visit(version: int, *, with_plugins: bool) -> list[Column[Any]]:
    core = [
        _key("idvisit", _BIG, counts=True),
        _filled("idsite", _INT),
        _filled("idvisitor", _BINARY),
        _filled("visit_last_action_time", DateTime()),
        _filled("config_id", _BINARY),
        _filled("location_ip", _IP),
    ]
    if not with_plugins:
        return core
    since = "seconds" if version > OLD else "days"
    return [
        *core,
        Column("user_id", String(200)),
        _filled("visit_first_action_time", DateTime()),
        *_many(_TINY, "profilable", "visit_goal_buyer", "visit_goal_converted", "visitor_returning", "referer_type"),
        *_many(_INT, *(f"visitor_{since}_since_{what}" for what in ("first", "order", "last"))),
        _filled("visitor_count_visits", _INT, "0"),
        *_many(_INT, *(f"visit_{which}_idaction_{of}" for which in ("entry", "exit") for of in ("url", "name"))),
        *_many(_INT, *(f"visit_total_{what}" for what in ("actions", "interactions", "searches", "events", "time"))),
        *_many(String(255), "referer_name", "referer_keyword"),
        Column("referer_url", String(1500)),
        Column("location_browser_lang", String(20)),
        *_many(String(3), "location_country", "location_region", "config_os"),
        Column("location_city", String(255)),
        *_many(String(100), "config_os_version", "config_device_brand", "config_device_model"),
        Column("config_browser_name", String(40)),
        *_many(_TINY, "config_device_type", "config_client_type", "config_cookie"),
        Column("config_resolution", String(18)),
        Column("visitor_localtime", Time()),
        *_of_plugins(version, with_last_action=True),
    ]


def _log_link_visit_action(version: int, *, with_plugins: bool) -> list[Column[Any]]:
    core = [
        _key("idlink_va", _BIG, counts=True),
        _filled("idsite", _INT),
        _filled("idvisitor", _BINARY),
        _filled("idvisit", _BIG),
        *_many(_INT, "idaction_url_ref", "idaction_name_ref"),
        Column("custom_float", _DOUBLE),
        _filled("server_time", DateTime()),
    ]
    if not with_plugins:
        return core
    products = (
        [
            *_many(_INT, "idaction_product_sku", "idaction_product_name", "idaction_product_cat"),
            *_many(_INT, *(f"idaction_product_cat{number}" for number in range(2, 6))),
            Column("product_price", _DOUBLE),
            Column("search_cat", String(200)),
            Column("search_count", _INT),
            Column("pageview_position", _INT),
        ]
        if version > OLD
        else [Column("interaction_position", _SMALL)]
    )
    return [
        *core,
        *_many(_INT, "idaction_url", "idaction_name", "time_spent_ref_action", "time_spent"),
        Column("idpageview", String(6)),
        *products,
        *_many(_INT, "idaction_event_category", "idaction_event_action"),
        *_many(_INT, *(f"idaction_content_{what}" for what in ("name", "piece", "target", "interaction"))),
        *_of_plugins(version),
    ]


def _log_conversion(version: int, *, with_plugins: bool) -> list[Column[Any]]:
    return [
        _key("idvisit", _BIG),
        _key("idgoal", Integer()),
        _key("buster", _INT),
        _filled("idsite", _INT),
        _filled("idvisitor", _BINARY),
        _filled("server_time", DateTime()),
        *_many(_INT, "idaction_url"),
        Column("idlink_va", _BIG),
        Column("idorder", String(100)),
        Column("items", _SMALL),
        _filled("url", String(4096 if version > OLD else 2000), ""),
        Column("revenue", _FLOAT),
        *_many(_DOUBLE, *(f"revenue_{part}" for part in ("subtotal", "tax", "shipping", "discount"))),
        *([Column("pageviews_before", _SMALL)] if version >= PAGEVIEWS_COUNTED else []),
        *([*_many(_TINY, "visitor_returning", "referer_type"), *_of_plugins(version)] if with_plugins else []),
    ]


def _log_conversion_item() -> list[Column[Any]]:
    return [
        _key("idvisit", _BIG),
        _key("idorder", String(100)),
        _key("idaction_sku", _INT),
        _filled("idsite", _INT),
        _filled("idvisitor", _BINARY),
        _filled("server_time", DateTime()),
        _filled("idaction_name", _INT, "0"),
        _filled("idaction_category", _INT, "0"),
        *(_filled(f"idaction_category{number}", _INT, "0") for number in range(2, 6)),
        _filled("price", _DOUBLE),
        _filled("quantity", _INT),
        _filled("deleted", _TINY, "0"),
    ]


def _of_plugins(version: int, *, with_last_action: bool = False) -> list[Column[Any]]:
    """CustomDimensions has been on since 4; CustomVariables, where product views lay before, is mostly gone since."""
    dimensions = _many(String(255), *(f"custom_dimension_{number}" for number in DIMENSIONS))
    last_action = [Column("last_idlink_va", BigInteger())] if with_last_action else []
    if version > OLD:
        return [*last_action, *dimensions]
    variables = (f"custom_var_{part}{number}" for number in CUSTOM_VARIABLES for part in "kv")
    return [*last_action, *dimensions, *_many(String(200), *variables)]
