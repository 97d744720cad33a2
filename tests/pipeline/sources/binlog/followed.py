"""The tiny shop of the histories, followed by its binlog and never compared with its archive by the pipeline."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from feature_store.schema import SOURCE_TABLES
from pipeline.sources.binlog.server import log_status
from pipeline.sources.business import EARLIEST, open_source
from pipeline.sources.ledger import Extraction, open_ledger
from pipeline.stages.extract import extract
from tests.pipeline.sources.histories import OPERATIONS, Shop

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = dict[tuple[Any, ...], dict[str, Any]]
_KEYS = st.integers(1, 6)
BINLOG_OPERATIONS = st.one_of(
    OPERATIONS,
    OPERATIONS,
    st.tuples(st.just("change the key"), _KEYS, _KEYS),
    st.tuples(st.just("roll back"), _KEYS, st.none()),
    st.tuples(st.just("step back"), _KEYS, st.integers(1, 60)),
    st.tuples(st.just("truncate"), st.none(), st.none()),
    st.tuples(st.just("purge"), st.none(), st.none()),
)
BINLOG_HISTORIES = st.lists(BINLOG_OPERATIONS, min_size=4, max_size=18)


class FollowedShop(Shop):
    """A shop with more that can happen, and what its archive says."""

    def run(self, *statements: str) -> None:
        """SQL of one transaction each, whatever it says."""
        for statement in statements:
            self._write(statement.replace("%", "%%"))

    def extract(self) -> None:
        extract(self.day, self.settings)

    def apply(self, operation: tuple[str, Any, Any]) -> None:
        match operation:
            case ("change the key", old, new):
                self._change_key(old, 100 + new)
            case ("roll back", number, None):
                with self.engine.connect() as connection:
                    connection.exec_driver_sql(f"UPDATE orders SET status = 'lost' WHERE basket_id = {number}")
                    connection.exec_driver_sql(f"DELETE FROM order_items WHERE basket_id = {number}")
                    connection.rollback()
            case ("step back", number, hours):
                moment = self.clock - dt.timedelta(hours=hours)
                self.run(f"UPDATE orders SET updated_at = '{moment}' WHERE basket_id = {number}")
            case ("truncate", None, None):
                self.run("TRUNCATE order_items")
                self.anchor()
            case ("purge", None, None):
                self.purge()
            case _:
                super().apply(operation)

    def purge(self) -> None:
        """The server throws away every log but a new one, once its engines need them no more."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("FLUSH BINARY LOGS")
            last = log_status(connection)[0]
            while len(connection.exec_driver_sql("SHOW BINARY LOGS").all()) > 1:
                connection.exec_driver_sql("FLUSH ENGINE LOGS")  # until then MariaDB keeps them
                connection.exec_driver_sql(f"PURGE BINARY LOGS TO '{last}'")

    def _change_key(self, old: int, new: int) -> None:
        self.run(
            f"UPDATE IGNORE orders SET basket_id = {new} WHERE basket_id = {old}",
            f"UPDATE IGNORE order_items SET basket_id = {new} WHERE basket_id = {old}",
        )

    def finish(self) -> None:
        """A last extraction; nothing is compared."""
        self.clock = max(self.clock, self.reached()) + dt.timedelta(days=1)
        self.anchor()
        self.extract()

    def entries(self, name: str, kind: str = "binlog") -> list[Extraction]:
        with open_ledger(self.settings.workspace.ledger) as ledger:
            return [entry for entry in ledger.extractions(name) if entry.kind == kind]

    def tombstones(self, name: str) -> list[str]:
        with open_ledger(self.settings.workspace.ledger) as ledger:
            query = "SELECT ids FROM tombstones WHERE table_name = ?"
            return [ids for (ids,) in ledger.connection.execute(query, (name,))]

    def everything(self, name: str) -> Rows:
        """What the source says, by key, of rows with a readable cursor."""
        with open_source(self.settings) as source:
            rows = [row for batch in source.scan(name) for row in batch.to_pylist()]
        table = SOURCE_TABLES[name]
        return {tuple(row[part] for part in table.key): row for row in rows if row[table.cursor] >= EARLIEST}

    def differences(self) -> Mapping[str, tuple[Rows, Rows]]:
        """Tables whose newest archived rows are not those of the source, as (source, archive)."""
        found = {}
        for name in SOURCE_TABLES:
            lost = self.lost(name)
            archived = {key: row for key, row in self.archived_rows(name).items() if key not in lost}
            if archived != self.everything(name):
                found[name] = (self.everything(name), archived)
        return found
