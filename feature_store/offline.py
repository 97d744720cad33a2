"""The archive as features read it: cleaned Parquet partitions, each row in its latest version."""

from __future__ import annotations

import copy
import datetime as dt
from functools import cached_property
from typing import TYPE_CHECKING

from feature_store.days import end_of_day
from feature_store.engine.connect import open_engine
from feature_store.errors import ArchiveError
from feature_store.eventlog import event_log
from feature_store.partitions import partitions, span
from feature_store.repeats import ever
from feature_store.schema import EXPOSURE, PROMOTIONS, PURCHASE, REFUND, TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from feature_store.engine import Engine
    from feature_store.eventlog import EventLog
    from feature_store.history import History
    from feature_store.repeats import Ever
    from feature_store.rollup import Rollup
    from feature_store.schema import Table


LATE_TABLES = ("events", "prices")
"""Tables whose rows say when they happened, so that one told late still belongs to its day; what users and items are
is only known from the day on which the source said so."""


class Archive:
    """The canonical tables as the partitions up to and including `through` tell them; events only from `since` on.
    With `day`, users and items are those known then, and partitions after it only add what was told late.
    A day ends on clocks of `timezone` (`end_of`), whatever partition its last events lie in.
    With `past`, `events` are only those since it was rolled up; `ever` and `history` add it.

    `events` carries its item's category; what was given back is no event there but a row of `refunds`. Every table
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
        import ibis

        self._clean, self._through, self._since, self._day = clean, through, since, day or through
        self._timezone = timezone
        self.engine = engine or open_engine()
        try:
            self.past = past if past and self._follows(past) else None
            self.items = self._load("items", moment="created_at")
            self.users = self._load("users", moment="created_at")
            self.prices = self._load("prices", moment="valid_from")
            self.promotions = self._promotions()
            category = ibis.coalesce(self.items["category"], "")
            told = self._load("events", moment="time", beside=self.items.select("item_id", category=category))
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

    def _load(self, name: str, moment: str, beside: ir.Table | None = None) -> ir.Table:
        """A table with one row per key in its latest version, and what `beside` knows of the row's item."""
        spec, files = TABLES[name], self._files(name)
        try:
            rows = self._latest(self.engine.rows(name, files, moment), spec)
            if name == "events" and self.past:
                rows = rows.filter(rows["seconds"] >= self.past.until)
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
        return self.log.history(catalog, users, before)

    @cached_property
    def log(self) -> EventLog:
        """Every event, those of the rolled-up past too."""
        told = event_log(self.frame(self.events.select("user_id", "item_id", "seconds", "kind", "quantity", "value")))
        return self.past.log().followed_by(told) if self.past else told

    def end_of(self, day: dt.date) -> int:
        """The moment a day of the shop ends, seconds since 1970 UTC."""
        return end_of_day(day, self._timezone)

    def ever(self, as_of: int) -> Ever:
        """What was ever bought before a moment; not before the one up to which the past is rolled up."""
        bought = self.events.filter(self.events["seconds"] < as_of, self.events["kind"] == PURCHASE)
        return ever(bought, self.past.ever(self.engine) if self.past else None, self.engine.keep)

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
        past.__dict__.pop("log", None)
        # Kept, not only filtered: a definition could undo a filter, and that is what an audit looks for.
        for name in (*LATE_TABLES, "refunds"):
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
