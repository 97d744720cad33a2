"""Under which visitor ids a person was seen: what must go with a user who is erased, beside what names the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.schema import ANONYMOUS
from pipeline.sources.archive import RAW, read_partition
from pipeline.sources.matomo.tables import MATOMO_TABLES, VISITORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from pipeline.sources.ledger import Ledger
    from pipeline.workspace import Workspace


def visitors_of(user: str, orders: AbstractSet[str], ledger: Ledger, workspace: Workspace) -> set[str]:
    """Every visitor id that the archive links to a user: in a visit of theirs, before its login too, or by an order.

    A visit that names somebody else is no link: two people may use one browser.

    Raises:
        ArchiveError: a partition is damaged.
    """
    if user.startswith(ANONYMOUS):
        return {user.removeprefix(ANONYMOUS)}
    found: set[str] = set()
    ids = pa.array(sorted(orders), pa.string())
    for rows in _rows(ledger, workspace):
        theirs = pc.equal(rows["user_id"], user)
        if "order_id" in rows.column_names:
            ordered = pc.and_(pc.is_in(rows["order_id"], value_set=ids), pc.is_null(rows["user_id"]))
            theirs = pc.or_kleene(theirs, ordered)
        for name in VISITORS:
            found |= set(rows.filter(theirs)[name].to_pylist()) if name in rows.column_names else set()
    return found


def _rows(ledger: Ledger, workspace: Workspace) -> Iterator[pa.Table]:
    for name in MATOMO_TABLES:
        for day, known in ledger.partitions(RAW, name).items():
            yield read_partition(workspace, RAW, name, day, known)
