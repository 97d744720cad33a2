"""Every event in the order of a history, whatever catalog and users it will be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.history import History, build_history
from feature_store.schema import EVENT_KINDS, item_keys

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog


@dataclass(frozen=True)
class EventLog:
    """Events sorted by user id, time and item key; `user` and `item` are rows of `user_ids` and `item_keys`."""

    user_ids: NDArray[np.str_]
    item_keys: NDArray[np.int64]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    seconds: NDArray[np.int64]
    kind: NDArray[np.uint8]
    quantity: NDArray[np.float32]
    value: NDArray[np.float32]

    def history(self, catalog: Catalog, users: NDArray[np.str_], before: int) -> History:
        """What `users` (ids, ascending) did before the moment `before` with items of the catalog, in their order."""
        item = catalog.rows(self.item_keys)[self.item]
        user = _positions(self.user_ids, users)[self.user]
        kept = (self.seconds < before) & (item >= 0) & (user >= 0)
        counts = np.bincount(user[kept], minlength=len(users))
        return History(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            item[kept],
            self.seconds[kept],
            self.kind[kept],
            self.quantity[kept],
            self.value[kept],
        )

    def before(self, moment: int) -> EventLog:
        """The events strictly before `moment`."""
        kept = self.seconds < moment
        columns = (getattr(self, name)[kept] for name in ("user", "item", "seconds", "kind", "quantity", "value"))
        return EventLog(self.user_ids, self.item_keys, *columns)

    def followed_by(self, later: EventLog) -> EventLog:
        """Both, where every event of `later` comes after all of this."""
        user_ids, user = np.unique(np.concatenate([self.user_ids, later.user_ids]), return_inverse=True)
        keys, item = np.unique(np.concatenate([self.item_keys, later.item_keys]), return_inverse=True)
        users = np.concatenate([user[: len(self.user_ids)][self.user], user[len(self.user_ids) :][later.user]])
        items = np.concatenate([item[: len(self.item_keys)][self.item], item[len(self.item_keys) :][later.item]])
        order = np.argsort(users, kind="stable")
        columns = (
            np.concatenate([getattr(self, name), getattr(later, name)])[order]
            for name in ("seconds", "kind", "quantity", "value")
        )
        return EventLog(user_ids, keys, users[order].astype(np.int32), items[order].astype(np.int32), *columns)


def event_log(rows: pa.Table) -> EventLog:
    """Of events with user_id, item_id, seconds, kind, quantity and value, in any order."""
    user_ids, user = _codes(rows["user_id"])
    item_ids, item = _codes(rows["item_id"])
    kinds, kind = _codes(rows["kind"])
    keys = item_keys(item_ids)
    by_id, by_key = np.argsort(user_ids), np.argsort(keys)
    ordered = build_history(
        np.argsort(by_id).astype(np.int32)[user],
        np.argsort(by_key).astype(np.int32)[item],
        rows["seconds"].to_numpy(),
        np.array([EVENT_KINDS.index(str(name)) for name in kinds], np.uint8)[kind],
        rows["quantity"].to_numpy(),
        rows["value"].to_numpy(),
        users=len(user_ids),
    )
    return EventLog(
        user_ids[by_id],
        keys[by_key],
        ordered.user,
        ordered.item,
        ordered.time,
        ordered.kind,
        ordered.quantity,
        ordered.value,
    )


def write_log(path: Path, log: EventLog) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "user_id": pa.DictionaryArray.from_arrays(log.user, pa.array(log.user_ids.tolist(), pa.string())),
        "item_key": pa.DictionaryArray.from_arrays(log.item, log.item_keys).cast(pa.int64()),
        **{name: getattr(log, name) for name in ("seconds", "kind", "quantity", "value")},
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_log(path: Path) -> EventLog:
    """What `write_log` wrote."""
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(path, read_dictionary=["user_id"]).read()
    user_ids, user = _codes(rows["user_id"])
    encoded = rows["item_key"].combine_chunks().dictionary_encode()
    keys, by_key = np.unique(encoded.dictionary.to_numpy(), return_inverse=True)
    columns = (rows[name].to_numpy() for name in ("seconds", "kind", "quantity", "value"))
    # Users are in order as they come, because rows are.
    return EventLog(user_ids, keys, user, by_key.astype(np.int32)[encoded.indices.to_numpy()], *columns)


def _positions(wanted: NDArray[np.str_], ids: NDArray[np.str_]) -> NDArray[np.int32]:
    """The row in `ids` (ascending) of each wanted id, -1 where it is not among them."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int32)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1).astype(np.int32)


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """The distinct texts of a column and the code of each row."""
    import pyarrow as pa

    whole = column.unify_dictionaries().combine_chunks() if pa.types.is_dictionary(column.type) else None
    encoded = column.combine_chunks().dictionary_encode() if whole is None else whole
    return np.asarray(encoded.dictionary.to_pylist(), np.str_), encoded.indices.to_numpy()
