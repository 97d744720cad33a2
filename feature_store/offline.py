"""The archive as features read it: cleaned Parquet partitions, each row in its latest version."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from feature_store.engine.connect import open_engine
from feature_store.errors import ArchiveError
from feature_store.history import History, build_history
from feature_store.schema import EVENT_KINDS, EXPOSURE, PROMOTIONS, TABLES, item_keys

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.engine import Engine
    from feature_store.schema import Table


LATE_TABLES = ("events", "prices")
"""Tables whose rows say when they happened, so that one told late still belongs to its day; what users and items are
is only known from the day on which the source said so."""


def end_of_day(day: dt.date) -> int:
    """The moment a day ends, seconds since 1970 UTC; rows of the day lie before it."""
    return int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp())


class Archive:
    """The canonical tables as the partitions up to and including `through` tell them; events only from `since` on.
    With `day`, users and items are those known then, and partitions after it only add what was told late.

    `events` carries its item's category. Every table carries `seconds`, the row's moment since 1970 UTC: when an event
    happened, a price came into force, an item or a user came to be known, a promotion was planned; `starts` and `ends`
    say when a promotion is in force.

    Raises:
        ArchiveError: there is no partition, or one cannot be read (names it).
    """

    def __init__(
        self,
        clean: Path,
        through: dt.date,
        *,
        since: dt.date = dt.date.min,
        day: dt.date | None = None,
        engine: Engine | None = None,
    ) -> None:
        import ibis

        self._clean, self._through, self._since, self._day = clean, through, since, day or through
        self.engine = engine or open_engine()
        try:
            self.items = self._load("items", moment="created_at")
            self.users = self._load("users", moment="created_at")
            self.prices = self._load("prices", moment="valid_from")
            self.promotions = self._promotions()
            category = ibis.coalesce(self.items["category"], "")
            self.events = self._load("events", moment="time", beside=self.items.select("item_id", category=category))
        except BaseException:
            self.close()
            raise

    def _partitions(self, table: str, last: dt.date) -> list[str]:
        first = self._since if table == "events" else dt.date.min
        return sorted(
            str(path)
            for path in (self._clean / table).glob("day=*/part.parquet")
            if first <= dt.date.fromisoformat(path.parent.name.removeprefix("day=")) <= last
        )

    def _files(self, table: str) -> list[str]:
        last = self._through if table in LATE_TABLES else self._day
        files = self._partitions(table, last)
        if not files:
            raise ArchiveError(
                f"table {table}",
                expected=f"cleaned partitions up to {last} in {self._clean / table}",
                found="none",
                remedy=f"Run `vitrine stage extract`, then `clean`, for {last}.",
            )
        return files

    def _load(self, name: str, moment: str, beside: ir.Table | None = None) -> ir.Table:
        """A table with one row per key in its latest version, and what `beside` knows of the row's item."""
        spec, files = TABLES[name], self._files(name)
        try:
            rows = self._latest(self.engine.rows(name, files, moment), spec)
            if beside is not None:
                # Where something was shown is for measuring; features have no use for it, and request ids are long.
                rows = rows.drop(*(name for name in EXPOSURE if name in rows.columns))
                rows = rows.left_join(beside, "item_id").drop("item_id_right").fill_null({"category": ""})
            return self.engine.keep(name, rows)
        except self.engine.failures as error:
            raise ArchiveError(
                f"table {name}",
                expected=f"readable Parquet with {', '.join(spec.columns)}",
                found=_unreadable(files, moment) or str(error).splitlines()[0],
                remedy="Remove the named file and run the day again: it is extracted and cleaned anew.",
            ) from error

    def _promotions(self) -> ir.Table:
        """Every promotion planned so far; a shop that tells of none has none."""
        import ibis

        if not self._partitions(PROMOTIONS.name, self._day):
            nothing = self.items.filter(ibis.literal(value=False))
            moments = dict.fromkeys(("seconds", "starts", "ends"), nothing["seconds"])
            return nothing.select("item_id", kind=ibis.literal(""), reach=ibis.literal(0.0), **moments)
        rows = self._load(PROMOTIONS.name, moment=PROMOTIONS.cursor)
        bounds = {"starts": rows["valid_from"], "ends": rows["valid_to"]}
        moments = {name: time.epoch_seconds().cast("int64") for name, time in bounds.items()}
        return rows.select("item_id", "kind", "reach", "seconds", **moments)

    def _latest(self, rows: ir.Table, spec: Table) -> ir.Table:
        """The version of each row that the source changed last, later partitions winning ties."""
        import ibis

        # Most archives hold each key once, and finding that out costs a tenth of sorting out versions.
        keys = rows.select(*spec.key)
        counts = ibis.union(keys.aggregate(rows=keys.count()), keys.distinct().aggregate(rows=ibis._.count()))
        if len(set(self.frame(counts)["rows"].to_pylist())) == 1:
            return rows.drop("filename")
        newest = ibis.window(group_by=spec.key, order_by=[ibis.desc(spec.cursor), ibis.desc("filename")])
        ranked = rows.mutate(version=ibis.row_number().over(newest))
        return ranked.filter(ranked["version"] == 0).drop("version", "filename")

    def frame(self, rows: ir.Table) -> pa.Table:
        """The rows of an Ibis expression over `events`, `items`, `users`, `prices`."""
        return self.engine.to_arrow(rows)

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
        rows = self.frame(self.events.select("user_id", "item_id", "seconds", "kind", "quantity", "value"))
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

    def impressions(self, start: int, end: int) -> pa.Table | None:
        """What recommendation slots showed from `start` to before `end` (seconds since 1970 UTC), with slot, position
        and request id; None where there is no log of it. For training and measuring: features never see it.
        """
        seen = self.events.filter(self.events["kind"] == "impression", self.events["seconds"].between(start, end - 1))
        if not self.frame(seen.aggregate(rows=seen.count()))["rows"][0].as_py():
            return None
        rows = self.engine.rows("exposures", self._files("events"), "time")
        if not set(EXPOSURE) <= set(rows.columns):
            return None
        shown = rows.filter(
            rows["kind"] == "impression", rows["position"].notnull(), rows["seconds"].between(start, end - 1)
        )
        columns = ("user_id", "item_id", "seconds", *EXPOSURE, *TABLES["events"].key, TABLES["events"].cursor)
        newest = self._latest(shown.select(*columns, "filename"), TABLES["events"])
        return self.frame(newest.order_by("user_id", "seconds", "item_id", *TABLES["events"].key))

    def before(self, moment: int) -> Archive:
        """The same archive as if nothing had been told of `moment` and after; it ends with this one."""
        past = copy.copy(self)
        past.__dict__.pop("_log", None)
        # Kept, not only filtered: a definition could undo a filter, and that is what an audit looks for.
        for name in LATE_TABLES:
            rows = getattr(self, name)
            setattr(past, name, self.engine.keep(f"{name}_before_{moment}", rows.filter(rows["seconds"] < moment)))
        return past

    def close(self) -> None:
        self.engine.close()


def _unreadable(files: list[str], moment: str) -> str | None:
    """The first file that cannot be read by itself, and why; DuckDB's message about many does not always name it."""
    import duckdb

    for path in files:
        with duckdb.connect() as connection:
            try:
                connection.execute(f"CREATE TABLE rows AS SELECT *, epoch({moment}) FROM read_parquet({[path]})")
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
