"""The archive as features read it: cleaned Parquet partitions in DuckDB, through Ibis, each row in its latest version."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import ArchiveError
from feature_store.history import History, build_history
from feature_store.schema import EVENT_KINDS, TABLES

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from feature_store.catalog import Catalog


def end_of_day(day: dt.date) -> int:
    """The moment a day ends, seconds since 1970 UTC; rows of the day lie before it."""
    return int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp())


class Archive:
    """The canonical tables as the partitions up to and including `through` tell them.

    `events` carries its item's category; `events` and `prices` carry `seconds`, the row's moment since 1970 UTC.

    Raises:
        ArchiveError: there is no partition, or one cannot be read (names it).
    """

    def __init__(
        self, clean: Path, through: dt.date, *, memory_limit: str = "1GB", threads: int = 2, spill: Path | None = None
    ) -> None:
        import ibis

        self._clean, self._through = clean, through
        options: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)
            options["temp_directory"] = str(spill)
        self.connection = ibis.duckdb.connect(**options)
        self.items = self._load("items", "*")
        self.users = self._load("users", "*")
        self._load("lines", "*, CAST(epoch(time) AS BIGINT) AS seconds", table="events")
        self.prices = self._load("prices", "*, CAST(epoch(valid_from) AS BIGINT) AS seconds")
        self.connection.raw_sql(
            "CREATE TEMP TABLE events AS SELECT lines.*, coalesce(items.category, '') AS category"
            " FROM lines LEFT JOIN items USING (item_id)"
        )
        self.connection.raw_sql("DROP TABLE lines")
        self.events: ir.Table = self.connection.table("events")

    def _files(self, table: str) -> list[str]:
        files = sorted(
            path
            for path in (self._clean / table).glob("day=*/part.parquet")
            if dt.date.fromisoformat(path.parent.name.removeprefix("day=")) <= self._through
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
        rows = f"SELECT {columns} FROM read_parquet({files}, hive_partitioning=false, filename=true)"  # noqa: S608
        try:
            self.connection.raw_sql(
                f"CREATE TEMP TABLE {name} AS SELECT * EXCLUDE (filename) FROM ({rows})"  # noqa: S608
                f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {spec.cursor} DESC, filename DESC) = 1"
            )
        except duckdb.Error as error:
            raise ArchiveError(
                f"table {spec.name}",
                expected=f"readable Parquet with {', '.join(spec.columns)}",
                found=str(error).splitlines()[0],
                remedy="Remove the named file and run the day again: it is extracted and cleaned anew.",
            ) from error
        return self.connection.table(name)

    def frame(self, query: str) -> pa.Table:
        """The rows of a SQL query over `events`, `items`, `users`, `prices`."""
        return self.connection.con.sql(query).to_arrow_table()

    def history(self, catalog: Catalog, users: NDArray[np.str_], before: int) -> History:
        """What `users` (ids) did before the moment `before` with items of the catalog, in the order of `users`."""
        rows = self.frame(
            f"SELECT user_id, item_id, seconds, kind, quantity, value FROM events WHERE seconds < {before}"  # noqa: S608
        )
        item, user = _codes(rows["item_id"], catalog.rows_of_ids), _codes(rows["user_id"], _positions(users))
        known = (item >= 0) & (user >= 0)
        kind = _codes(rows["kind"], lambda kinds: np.array([EVENT_KINDS.index(kind) for kind in kinds], np.int32))
        return build_history(
            user[known],
            item[known],
            rows["seconds"].to_numpy()[known],
            kind[known],
            rows["quantity"].to_numpy()[known],
            rows["value"].to_numpy()[known],
            users=len(users),
        )

    def close(self) -> None:
        self.connection.disconnect()


def _positions(ids: NDArray[np.str_]) -> Any:  # noqa: ANN401 - a closure over the order
    order = np.argsort(ids)

    def position(wanted: list[str]) -> NDArray[np.int32]:
        if not len(ids):
            return np.full(len(wanted), -1, np.int32)
        names = np.asarray(wanted, np.str_)
        at = order[np.minimum(np.searchsorted(ids, names, sorter=order), len(ids) - 1)]
        return np.where(ids[at] == names, at, -1).astype(np.int32)

    return position


def _codes(column: pa.ChunkedArray, rows_of: Any) -> NDArray[np.int32]:  # noqa: ANN401 - ids to rows
    """Rows of a text column, each distinct text looked up once."""
    encoded = column.combine_chunks().dictionary_encode()
    rows = np.asarray(rows_of(encoded.dictionary.to_pylist()), np.int32)
    return rows[encoded.indices.to_numpy()] if len(rows) else np.empty(0, np.int32)
