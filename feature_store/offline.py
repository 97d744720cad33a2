"""The archive as features read it: cleaned Parquet partitions, each row in its latest version."""

from __future__ import annotations

import copy
import datetime as dt
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import ahead_of_utc
from feature_store.days import end_of_day
from feature_store.engine.connect import open_engine
from feature_store.errors import ArchiveError
from feature_store.history_files import in_parts, read_history, write_history
from feature_store.partitions import partitions, span
from feature_store.repeats import ever
from feature_store.schema import EVENT_KINDS, EXPOSURE, PROMOTIONS, PURCHASE, REFUND, TABLES, UNSEEN
from feature_store.tables import since

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.engine import Engine
    from feature_store.history import History
    from feature_store.repeats import Ever
    from feature_store.rollup import Rollup
    from feature_store.schema import Table


_MOMENTS = {
    "events": "time",
    "items": "created_at",
    "users": "created_at",
    "prices": "valid_from",
    PROMOTIONS.name: PROMOTIONS.cursor,
}
"""When the row of a table happened, or came to be known."""
LATE_TABLES = ("events", "prices")
"""Tables whose rows say when they happened, so that one told late still belongs to its day; what users and items are
is only known from the day on which the source said so."""


class Archive:
    """The canonical tables as the partitions up to and including `through` tell them; events only from `since` on.
    With `day`, users and items are those known then, and partitions after it only add what was told late.
    A day ends on clocks of `timezone` (`end_of`), whatever partition its last events lie in.
    With `past`, `events` are only those since it was rolled up; `ever` and `history` add it.

    What was given back is no event of `events` but a row of `refunds`. Every table
    carries `seconds`, the row's moment since 1970 UTC: when an event happened, a price came into force, an item or a
    user came to be known, a promotion was planned; `starts` and `ends` say when a promotion is in force.

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
        past: Rollup | None = None,
        timezone: str = "UTC",
        engine: Engine | None = None,
    ) -> None:
        self._clean, self._through, self._since, self._day = clean, through, since, day or through
        self._timezone = timezone
        self.engine = engine or open_engine()
        try:
            self.past = past if past and self._follows(past) else None
            self.items = self._load("items")
            self.users = self._load("users")
            self.prices = self._load("prices")
            self.promotions = self._promotions()
            told = self._events()
            self.events, self.refunds = told.filter(told["kind"] != REFUND), told.filter(told["kind"] == REFUND)
        except BaseException:
            self.close()
            raise

    def _partitions(self, table: str, last: dt.date) -> list[Path]:
        first = self._since if table == "events" else dt.date.min
        files = partitions(self._clean, table, first, last)
        if table == "events" and self.past:
            return [path for path in files if span(path, table)[1] >= self.past.until]
        return files

    def _follows(self, past: Rollup) -> bool:
        """Whether events can be told apart by the moment of the roll-up: none has versions on both sides of it, of
        which a reader of one side would not know that they are not the newest.
        """
        files = partitions(self._clean, "events", self._since, self._through)
        before = [str(path) for path in files if span(path, "events")[0] < past.until]
        since = [str(path) for path in files if span(path, "events")[1] >= past.until]
        if not before or not since:
            return False
        try:
            old, new = (self.engine.rows(f"told_{at}", names, "time") for at, names in enumerate((before, since)))
            old, new = old.filter(old["seconds"] < past.until), new.filter(new["seconds"] >= past.until)
            moved = self.frame(old.select("event_id").inner_join(new.select("event_id"), "event_id").count().as_table())
        except self.engine.failures:
            return False  # reading everything will say what is wrong
        return bool(moved.columns[0][0].as_py() == 0)

    def _files(self, table: str) -> list[str]:
        last = self._through if table in LATE_TABLES else self._day
        files = [str(path) for path in self._partitions(table, last)]
        if not files:
            raise ArchiveError(
                f"table {table}",
                expected=f"cleaned partitions up to {last} in {self._clean / table}",
                found="none",
                remedy=f"Run `vitrine stage extract`, then `clean`, for {last}.",
            )
        return files

    def _load(self, name: str) -> ir.Table:
        """A table with one row per key in its latest version."""
        with self._readable(name):
            rows, _ = self._latest(self.engine.rows(name, self._files(name), _MOMENTS[name]), TABLES[name])
            return self.engine.keep(name, rows)

    def _events(self) -> ir.Table:
        """Events and refunds, of which there are many: where none was told twice, each question reads the files."""
        with self._readable("events"):
            told = self.engine.rows("events", self._files("events"), _MOMENTS["events"])
            rows, repeated = self._latest(told, TABLES["events"])
            if self.past:
                rows = since(rows, self.past.until)
            rows = rows.drop(*(name for name in UNSEEN if name in rows.columns))
            texts = {key: told.select(text=key) for key in ("user_id", "item_id")}
            return self.engine.coded("events", rows, texts, kept=repeated)

    @contextmanager
    def _readable(self, *tables: str) -> Iterator[None]:
        """Name the table and the file that the engine cannot read."""
        try:
            yield
        except self.engine.failures as error:
            for table in tables:
                found = _unreadable(self._files(table), _MOMENTS[table])
                if found or len(tables) == 1:
                    raise ArchiveError(
                        f"table {table}",
                        expected=f"readable Parquet with {', '.join(TABLES[table].columns)}",
                        found=found or str(error).splitlines()[0],
                        remedy="Remove the named file and run the day again: it is extracted and cleaned anew.",
                    ) from error
            raise

    def _promotions(self) -> ir.Table:
        """Every promotion planned so far; a shop that tells of none has none."""
        import ibis

        if not self._partitions(PROMOTIONS.name, self._day):
            nothing = self.items.filter(ibis.literal(value=False))
            moments = dict.fromkeys(("seconds", "starts", "ends"), nothing["seconds"])
            return nothing.select("item_id", kind=ibis.literal(""), reach=ibis.literal(0.0), **moments)
        rows = self._load(PROMOTIONS.name)
        bounds = {"starts": rows["valid_from"], "ends": rows["valid_to"]}
        moments = {name: time.epoch_seconds().cast("int64") for name, time in bounds.items()}
        return rows.select("item_id", "kind", "reach", "seconds", **moments)

    def _latest(self, rows: ir.Table, spec: Table) -> tuple[ir.Table, bool]:
        """The version of each row that the source changed last, later partitions winning ties; whether there were
        several of any.
        """
        import ibis

        # Most keys are there once: hashes tell so for a fraction of what sorting all rows would cost.
        hashes = {f"hash_of_{name}": self.engine.hashed(rows[name].cast("string")) for name in spec.key}
        hashed = rows.mutate(**hashes)
        twice = self.engine.keep(f"{spec.name}_twice", _repeated(hashed, list(hashes)))
        if not self._any(twice):
            return rows.drop("filename"), False
        suspects = hashed.semi_join(twice, list(hashes))
        if not self._any(_repeated(suspects, list(spec.key))):
            return rows.drop("filename"), False
        newest = ibis.window(group_by=spec.key, order_by=[ibis.desc(spec.cursor), ibis.desc("filename")])
        ranked = suspects.mutate(version=ibis.row_number().over(newest))
        latest = ranked.filter(ranked["version"] == 0).drop("version")
        return ibis.union(hashed.anti_join(twice, list(hashes)), latest).drop("filename", *hashes), True

    def _any(self, rows: ir.Table) -> bool:
        return bool(self.frame(rows.aggregate(rows=rows.count()))["rows"][0].as_py())

    def frame(self, rows: ir.Table) -> pa.Table:
        """The rows of an Ibis expression over `events`, `items`, `users`, `prices`."""
        with self._readable(*LATE_TABLES):
            return self.engine.to_arrow(rows)

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        """The rows of such an expression, computed now and once."""
        with self._readable(*LATE_TABLES):
            return self.engine.keep(name, rows)

    def history(
        self,
        catalog: Catalog,
        users: NDArray[np.str_],
        before: int,
        *,
        bounds: Mapping[str, int] | None = None,
        folder: Path | None = None,
    ) -> History:
        """What `users` (ids, ascending) did before the moment `before` with items of the catalog, in their order; with
        `bounds` at most so many latest events of each kind. It is mapped from files: in `folder`, where they stay, or
        gone with it.
        """
        if folder is None:
            with TemporaryDirectory(dir=self.engine.spill) as unnamed:
                return self.history(catalog, users, before, bounds=bounds, folder=Path(unnamed))
        known_users, known_items = self._rows_of("user", users), self._rows_of("item", catalog.ids)
        with self._readable(*LATE_TABLES), self.log() as log:
            told = log.filter(log["seconds"] < before)
            told = told.inner_join(known_users, "user_id").inner_join(known_items, "item_id")
            kinds = told["kind"].cases(*((kind, code) for code, kind in enumerate(EVENT_KINDS))).cast("int8")
            events = told.select("user", "item", "quantity", "value", time=told["seconds"], kind=kinds)
            ordered = events.order_by("user", "time", "item", "kind", "quantity", "value")
            write_history(folder, in_parts(self.engine.batches(ordered), len(users), bounds))
        return read_history(folder)

    def _rows_of(self, entity: str, ids: NDArray[np.str_]) -> ir.Table:
        """The row of each user or item."""
        import pyarrow as pa

        columns = {f"{entity}_id": pa.array(ids.tolist(), pa.string()), entity: pa.array(range(len(ids)), pa.int32())}
        return self.engine.table(f"known_{entity}s", pa.table(columns))

    @contextmanager
    def log(self) -> Iterator[ir.Table]:
        """What histories keep of every event, of the rolled-up past too, for as long as the block lasts."""
        import ibis

        nothing = ibis.literal(float("nan"))
        kept = {name: ibis.coalesce(self.events[name], nothing).cast("float32") for name in ("quantity", "value")}
        told = self.events.select("user_id", "seconds", "item_id", "kind", **kept)
        if not self.past:
            yield told
            return
        with TemporaryDirectory(dir=self.engine.spill) as folder:
            # All from files, no union: of one DuckDB 2.0.0 sorts all in memory once its first part was small.
            since_then = Path(folder) / "since"
            self.engine.write(told, since_then)
            yield self.engine.files("log", self.past.log, since_then)

    def end_of(self, day: dt.date) -> int:
        """The moment a day of the shop ends, seconds since 1970 UTC."""
        return end_of_day(day, self._timezone)

    def ahead_of_utc(self, moment: int) -> int:
        """Seconds by which the shop's clock is ahead of UTC at a moment."""
        return int(ahead_of_utc(np.array([moment]), self._timezone)[0])

    def ever(self, as_of: int) -> Ever:
        """What was ever bought before a moment; not before the one up to which the past is rolled up."""
        bought = self.events.filter(self.events["seconds"] < as_of, self.events["kind"] == PURCHASE)
        return ever(bought, self.past.ever(self.engine) if self.past else None, self.keep)

    def impressions(self, start: int, end: int) -> pa.Table | None:
        """What recommendation slots showed from `start` to before `end` (seconds since 1970 UTC), with slot, position
        and request id; None where there is no log of it. For training and measuring: features never see it.
        """
        told = since(self.events, start)
        seen = told.filter(told["kind"] == "impression", told["seconds"] < end)
        if not self._any(seen):
            return None
        rows = self.engine.rows("exposures", self._files("events"), "time")
        if not set(EXPOSURE) <= set(rows.columns):
            return None
        shown = rows.filter(
            rows["kind"] == "impression", rows["position"].notnull(), rows["seconds"].between(start, end - 1)
        )
        columns = ("user_id", "item_id", "seconds", *EXPOSURE, *TABLES["events"].key, TABLES["events"].cursor)
        newest, _ = self._latest(shown.select(*columns, "filename"), TABLES["events"])
        return self.frame(newest.order_by("user_id", "seconds", "item_id", *TABLES["events"].key))

    def before(self, moment: int) -> Archive:
        """The same archive as if nothing had been told of `moment` and after; it ends with this one."""
        past = copy.copy(self)
        # Kept, not only filtered: a definition could undo a filter, and that is what an audit looks for.
        for name in (*LATE_TABLES, "refunds"):
            rows = getattr(self, name)
            setattr(past, name, self.keep(f"{name}_before_{moment}", rows.filter(rows["seconds"] < moment)))
        return past

    def close(self) -> None:
        self.engine.close()


def _repeated(rows: ir.Table, key: list[str]) -> ir.Table:
    """The keys that several rows share."""
    counted = rows.group_by(*key).aggregate(rows=rows.count())
    return counted.filter(counted["rows"] > 1).drop("rows")


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
