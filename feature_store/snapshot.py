"""The stored features of every user, item and category as of the end of a day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.catalog import build_catalog
from feature_store.days import end_of_day
from feature_store.errors import ArchiveError, FeatureSetMismatchError
from feature_store.matrix import ItemSide
from feature_store.registry import feature_set_id, stored_features
from feature_store.rhythm import Rhythm, rhythm
from feature_store.schema import LEVELS
from feature_store.spec import ENTITIES, Entity
from feature_store.views import KEYS, Views, by_source, reach_days

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.offline import Archive

_META = "snapshot.json"
SHOP = "shop"
"""The table beside those of the entities that tells of the whole shop: when it sells."""


@dataclass(frozen=True)
class Snapshot:
    """Stored features of the end of a day.

    as_of:  seconds since 1970 UTC
    users:  (users,) ids, ascending; user_values: (users, stored user features) float32
    """

    as_of: int
    item_side: ItemSide
    users: NDArray[np.str_]
    user_values: NDArray[np.float32]

    def values_of(self, user: str) -> NDArray[np.float32] | None:
        """The stored vector of one user, None for an unknown one."""
        at = int(np.searchsorted(self.users, user))
        return self.user_values[at] if at < len(self.users) and self.users[at] == user else None


def compute_snapshot(archive: Archive, day: dt.date) -> dict[str, pa.Table]:
    """One table per entity: its key, for items also title, groups and `available`, and every stored feature as float32;
    and one of the shop: its baskets by hour of the week.

    Rows are all entities known at the end of the day, in order of key; one that did nothing has every default.
    """
    views = Views(archive, archive.end_of(day), reach_days())
    tables: dict[str, pa.Table] = {entity: _entity_table(archive, entity, views) for entity in ENTITIES}
    hours = views.baskets_of_hours(archive.ahead_of_utc(views.as_of))
    return {**tables, SHOP: archive.frame(hours.order_by("hour_of_week"))}


def _entity_table(archive: Archive, entity: Entity, views: Views) -> pa.Table:
    import ibis

    key = KEYS[entity]
    result = _entities(archive, entity, views.as_of)
    for source, features in by_source(entity).items():
        view = views.of(source, key)
        values = view.rows.group_by(key).aggregate(**{f.name: f.compute(view) for f in features})
        result = result.left_join(values, key).drop(f"{key}_right")
    columns = {f.name: ibis.coalesce(result[f.name], f.default).cast("float32") for f in stored_features(entity)}
    return archive.frame(result.mutate(**columns).order_by(key))


def _entities(archive: Archive, entity: Entity, as_of: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Ibis is untyped
    """The keys known at the end of the day; an item or user the shop created later is not, nor a closed account."""
    import ibis

    items = archive.items.filter(archive.items["seconds"] < as_of)
    if entity == "item":
        texts = {name: ibis.coalesce(items[name], "") for name in ("title", *LEVELS)}
        return items.select("item_id", **texts, available=ibis.coalesce(items["available"], 1) != 0)
    if entity in ("category", "brand"):
        return items.select(**{entity: ibis.coalesce(items[entity], "")}).distinct()
    users = archive.users
    return users.filter(users["seconds"] < as_of, ibis.coalesce(users["active"], 1) != 0).select("user_id")


def write_snapshot(folder: Path, tables: Mapping[str, pa.Table], day: dt.date, timezone: str = "UTC") -> None:
    """Write the tables and what they were made by into `folder`, byte for byte the same for the same values."""
    import pyarrow.parquet as pq

    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    meta = {"day": str(day), "as_of": end_of_day(day, timezone), "feature_set": feature_set_id()}
    (folder / _META).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")


def read_snapshot(folder: Path) -> Snapshot:
    """The snapshot of a day as arrays.

    Raises:
        ArchiveError: not there or unreadable.
        FeatureSetMismatchError: computed by another feature set than this code defines.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        made_by, as_of = meta["feature_set"], meta["as_of"]
        if made_by != feature_set_id():  # its files may be others, too
            raise FeatureSetMismatchError(str(folder), made_by=made_by, this_code=feature_set_id())
        tables = {name: pq.read_table(folder / f"{name}.parquet") for name in (*ENTITIES, SHOP)}
        tables["item"].field("available")
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise _no_snapshot(folder, error) from error
    return arrays_of(tables, as_of)


def _no_snapshot(folder: Path, error: Exception) -> ArchiveError:
    return ArchiveError(
        str(folder), expected="a snapshot", found=str(error), remedy="Run `vitrine stage features` for this day."
    )


def arrays_of(tables: Mapping[str, pa.Table], as_of: int) -> Snapshot:
    """Tables of a snapshot in the form the matrix reads: item rows in the order of the catalog."""
    items = tables["item"]
    ids = items["item_id"].to_pylist()
    groups = {level: items[level].to_pylist() for level in LEVELS}
    catalog = build_catalog(ids, items["title"].to_pylist(), groups, items["available"].to_pylist())
    item_values = np.empty((len(ids), len(stored_features("item"))), np.float32)
    item_values[catalog.rows_of_ids(ids)] = _values(items, "item")
    users = np.asarray(tables["user"]["user_id"].to_pylist(), np.str_)
    order = np.argsort(users)
    return Snapshot(
        as_of,
        ItemSide(
            catalog,
            item_values,
            _group_values(tables, "category", catalog),
            _group_values(tables, "brand", catalog),
            catalog.text,
            _rhythm(tables),
        ),
        users[order],
        _values(tables["user"], "user")[order],
    )


def _rhythm(tables: Mapping[str, pa.Table]) -> Rhythm:
    return rhythm(*(tables[SHOP][name].to_numpy() for name in ("hour_of_week", "baskets")))


def _group_values(tables: Mapping[str, pa.Table], entity: Entity, catalog: Catalog) -> NDArray[np.float32]:
    """The values of each group that the catalog names, in its order."""
    names = np.asarray(tables[entity][entity].to_pylist(), np.str_)
    return _values(tables[entity], entity)[np.searchsorted(names, catalog.names[entity])]


def _values(table: pa.Table, entity: Entity) -> NDArray[np.float32]:
    columns = [table[f.name].to_numpy() for f in stored_features(entity)]
    return np.column_stack(columns).astype(np.float32) if columns else np.empty((len(table), 0), np.float32)
