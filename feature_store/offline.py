"""The archive as features read it: cleaned Parquet partitions in DuckDB, each row in its latest version."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.errors import ArchiveError
from feature_store.history import History, build_history
from feature_store.schema import EVENT_KINDS, TABLES, item_keys

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog


def end_of_day(day: dt.date) -> int:
    """The moment a day ends, seconds since 1970 UTC; rows of the day lie before it."""
    return int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp())


class Archive:
    """The canonical tables as the partitions up to and including `through` tell them; events only from `since` on.

    `events` carries its item's category; `events` and `prices` carry `seconds`, the row's moment since 1970 UTC.

    Raises:
        ArchiveError: there is no partition, or one cannot be read (names it).
    """

    def __init__(
        self,
        clean: Path,
        through: dt.date,
        *,
        since: dt.date = dt.date.min,
        memory_limit: str = "1GB",
        threads: int = 2,
        spill: Path | None = None,
    ) -> None:
        import ibis

        self._clean, self._through, self._since = clean, through, since
        options: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)
            options["temp_directory"] = str(spill)
        self.connection = ibis.duckdb.connect(**options)
        self.connection.raw_sql("SET enable_progress_bar = false")  # it writes into the output of quiet runs
        self.items = self._load("items", "*")
        self.users = self._load("users", "*")
        self._load("lines", "*, CAST(floor(epoch(time)) AS BIGINT) AS seconds", table="events")
        self.prices = self._load("prices", "*, CAST(floor(epoch(valid_from)) AS BIGINT) AS seconds")
        self.connection.raw_sql(
            "CREATE TEMP TABLE events AS SELECT lines.*, coalesce(items.category, '') AS category"
            " FROM lines LEFT JOIN items USING (item_id)"
        )
        self.connection.raw_sql("DROP TABLE lines")
        self.events: ir.Table = self.connection.table("events")

    def _files(self, table: str) -> list[str]:
        first = self._since if table == "events" else dt.date.min
        files = sorted(
            path
            for path in (self._clean / table).glob("day=*/part.parquet")
            if first <= dt.date.fromisoformat(path.parent.name.removeprefix("day=")) <= self._through
        )
        if not files:
            raise ArchiveError(
                f"table {table}",
                expected=f"cleaned partitions up to {self._through} in {self._clean / table}",
                found="none",
                remedy=f"Run `vitrine stage extract`, then `clean`, for {self._through}.",
            )
        return [str(path) for path in files]

    def _load(self, name: str, columns: str, table: str | None = None) -> ir.Table:
        """A table with one row per key: the version that the source changed last, later partitions winning ties."""
        import duckdb

        spec = TABLES[table or name]
        files = self._files(spec.name)
        key = ", ".join(spec.key)
        latest = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {spec.cursor} DESC, filename DESC) = 1"
        rows = f"SELECT {columns} FROM read_parquet({files}, hive_partitioning=false, filename=true)"
        create = f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * EXCLUDE (filename) FROM ({rows})"
        try:
            self.connection.raw_sql(create)
            # Most archives hold each key once, and finding that out costs a tenth of sorting out versions.
            unique = f"SELECT count(*) = count(DISTINCT ({key})) FROM {name}"
            if not self.connection.con.sql(unique).fetchall()[0][0]:
                self.connection.raw_sql(f"{create} {latest}")
        except duckdb.Error as error:
            raise ArchiveError(
                f"table {spec.name}",
                expected=f"readable Parquet with {', '.join(spec.columns)}",
                found=_unreadable(files, columns) or str(error).splitlines()[0],
                remedy="Remove the named file and run the day again: it is extracted and cleaned anew.",
            ) from error
        return self.connection.table(name)

    def frame(self, query: str) -> pa.Table:
        """The rows of a SQL query over `events`, `items`, `users`, `prices`."""
        return self.connection.con.sql(query).to_arrow_table()

    def history(self, catalog: Catalog, users: NDArray[np.str_], before: int) -> History:
        """What `users` (ids, ascending) did before the moment `before` with items of the catalog, in their order."""
        log = self._log
        item = catalog.rows(log.item_keys)[log.item]
        user = _positions(log.user_ids, users)[log.user]
        kept = (log.seconds < before) & (item >= 0) & (user >= 0)
        counts = np.bincount(user[kept], minlength=len(users))
        return History(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            item[kept],
            log.seconds[kept],
            log.kind[kept],
            log.quantity[kept],
            log.value[kept],
        )

    @cached_property
    def _log(self) -> _Log:
        """Every event in the order of a history, for any catalog: rows of both ascend with item key and user id."""
        rows = self.frame("SELECT user_id, item_id, seconds, kind, quantity, value FROM events")
        user_ids, user = _codes(rows["user_id"])
        item_ids, item = _codes(rows["item_id"])
        kinds, kind = _codes(rows["kind"])
        keys = item_keys(item_ids)
        by_id, by_key = np.argsort(user_ids), np.argsort(keys)
        ordered = build_history(
            np.argsort(by_id)[user],
            np.argsort(by_key)[item],
            rows["seconds"].to_numpy(),
            np.array([EVENT_KINDS.index(str(name)) for name in kinds], np.int32)[kind],
            rows["quantity"].to_numpy(),
            rows["value"].to_numpy(),
            users=len(user_ids),
        )
        return _Log(
            user_ids[by_id],
            keys[by_key],
            ordered.user,
            ordered.item,
            ordered.time,
            ordered.kind,
            ordered.quantity,
            ordered.value,
        )

    def close(self) -> None:
        self.connection.disconnect()


def _unreadable(files: list[str], columns: str) -> str | None:
    """The first file that cannot be read by itself, and why; DuckDB's message about many does not always name it."""
    import duckdb

    for path in files:
        with duckdb.connect() as connection:
            try:
                connection.execute(f"CREATE TABLE rows AS SELECT {columns} FROM read_parquet({[path]})")
            except duckdb.Error as error:
                return f"{path}: {str(error).splitlines()[0]}"
    return None


@dataclass(frozen=True)
class _Log:
    """Events sorted by user id, time and item key; `user` and `item` are rows of `user_ids` and `item_keys`."""

    user_ids: NDArray[np.str_]
    item_keys: NDArray[np.int64]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    seconds: NDArray[np.int64]
    kind: NDArray[np.uint8]
    quantity: NDArray[np.float32]
    value: NDArray[np.float32]


def _positions(wanted: NDArray[np.str_], ids: NDArray[np.str_]) -> NDArray[np.int32]:
    """The row in `ids` (ascending) of each wanted id, -1 where it is not among them."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int32)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1).astype(np.int32)


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """The distinct texts of a column and the code of each row."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.dictionary.to_pylist(), np.str_), encoded.indices.to_numpy()
