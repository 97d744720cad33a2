"""Users who asked to be erased: kept as salted digests, so that no later reading brings them back."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.sources.ledger import Ledger

USER, ORDER, VISITOR = "user", "order", "visitor"
_COLUMNS: Mapping[str, str] = {
    "user_id": USER,
    "order_id": ORDER,
    "basket_id": ORDER,
    "visitor_id": VISITOR,
    "visitor_then": VISITOR,
}
"""Columns that say whose a row is. Lines name only their order, so orders are remembered too; a visit without a login
names only its visitor, and a visitor id beside somebody else's login is theirs.
"""


class Forgotten:
    """The digests of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._salt = _salt(ledger)
        self._digests: dict[str, set[bytes]] = {USER: set(), ORDER: set(), VISITOR: set()}
        for kind, digest in ledger.connection.execute("SELECT kind, digest FROM forgotten"):
            self._digests[kind].add(digest)
        self._new: set[tuple[str, bytes]] = set()

    def digest(self, identifier: str) -> bytes:
        """What stands for an id; nobody without the ledger's salt can tell whose it is."""
        return hashlib.blake2b(identifier.encode(), key=self._salt, digest_size=16).digest()

    def add(self, kind: str, identifiers: Iterable[str]) -> None:
        """Remember ids from now on; `record` makes it last."""
        digests = {self.digest(identifier) for identifier in identifiers}
        self._new |= {(kind, digest) for digest in digests - self._digests[kind]}
        self._digests[kind] |= digests

    def record(self, ledger: Ledger) -> None:
        """Enter what was added; inside a transaction."""
        ledger.connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", sorted(self._new))

    def without(self, name: str, rows: pa.Table) -> pa.Table:
        """`rows` of a canonical table without those of forgotten users."""
        if not any(self._digests.values()):
            return rows
        for column in rows.column_names:
            if column in _COLUMNS:
                theirs = self._theirs(rows[column], _COLUMNS[column])
                if _COLUMNS[column] == VISITOR:
                    theirs = pc.and_(theirs, pc.is_null(rows["user_id"]))
                if name == ORDERS.name and column == "user_id":
                    self.add(ORDER, rows.filter(theirs)["order_id"].to_pylist())
                rows = rows.filter(pc.invert(theirs))
        return rows

    def _theirs(self, identifiers: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
        known = self._digests[kind]
        found = [each for each in pc.unique(identifiers).to_pylist() if each and self.digest(each) in known]
        return pc.is_in(identifiers, value_set=pa.array(found, pa.string()))


def _salt(ledger: Ledger) -> bytes:
    """Made once per ledger."""
    ledger.connection.execute("INSERT OR IGNORE INTO salt VALUES (1, ?)", (secrets.token_bytes(16),))
    (salt,) = ledger.connection.execute("SELECT value FROM salt").fetchone()
    return bytes(salt)
