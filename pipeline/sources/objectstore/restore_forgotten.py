"""Whoever was forgotten after a copy was made, taken out of what came back from it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.sources.forgotten import Forgotten
from pipeline.sources.rewriting import archived_tables, take_out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.settings import Settings
    from pipeline.sources.ledger import Ledger
    from pipeline.sources.objectstore.book import Marks


def without_forgotten(ledger: Ledger, marks: Iterable[Marks], settings: Settings) -> int:
    """Enter the marks in a ledger that came back, and take their rows out of its partitions; how many rows."""
    told = {(kind, bytes.fromhex(each)) for mark in marks for kind, known in mark.digests.items() for each in known}
    if told <= set(ledger.connection.execute("SELECT kind, digest FROM forgotten")):
        return 0
    with ledger.transaction():
        ledger.connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", sorted(told))
    forgotten, erased = Forgotten(ledger), 0
    for layer, name in archived_tables(ledger):
        gone = take_out(layer, name, partial(forgotten.without, name), ledger, settings.workspace)
        erased += sum(gone.values())
    with ledger.transaction():
        forgotten.record(ledger)
        for column in ("user_id", "order_id"):
            ledger.unearth(column, _buried(ledger, forgotten, column, {digest for _, digest in told}))
    ledger.connection.execute("VACUUM")
    return erased


def _buried(ledger: Ledger, forgotten: Forgotten, column: str, digests: set[bytes]) -> list[str]:
    """Forgotten ids that tombstones name."""
    found = ledger.connection.execute("SELECT DISTINCT json_extract(ids, ?) FROM tombstones", (f"$.{column}",))
    return [each for (each,) in found.fetchall() if each is not None and forgotten.digest(each) in digests]
