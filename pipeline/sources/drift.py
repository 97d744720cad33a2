"""Whether a source table has the shape it had: a new column is noted, one of another kind stops the table."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger
    from pipeline.sources.source import Shape, Source

log = logging.getLogger(__name__)


def check_shape(ledger: Ledger, source: Source, name: str) -> str:
    """What is new about a table since it was last read, in words for the ledger; empty when nothing is.

    Raises:
        SourceError: a mapped table or column is gone, or holds another kind of values than before.
    """
    shape, known = source.shape(name), _known_shape(ledger, source.mapping.name, name)
    if known is None:
        return ""
    mapped = {".".join(origin) for origin in source.mapping.tables[name].references()}
    for column in sorted(mapped & known.keys() & shape.keys()):
        if shape[column] != known[column]:
            raise _retyped(name, column, known[column], shape[column])
    if new := sorted(shape.keys() - known.keys()):
        log.warning("new columns are ignored", extra={"table": name, "columns": ", ".join(new)})
        return f"new columns ignored: {', '.join(new)}"
    return ""


def record_shape(ledger: Ledger, source: Source, name: str) -> None:
    """Remember the shape with which a table was read; inside a transaction."""
    shape = json.dumps(source.shape(name), sort_keys=True)
    ledger.connection.execute("INSERT OR REPLACE INTO shapes VALUES (?, ?, ?)", (source.mapping.name, name, shape))


def accept_shape(ledger: Ledger, name: str) -> bool:
    """Forget the shape of a table, so that the next reading takes the table as it is; whether one was known."""
    with ledger.transaction():
        return ledger.connection.execute("DELETE FROM shapes WHERE table_name = ?", (name,)).rowcount > 0


def _known_shape(ledger: Ledger, source: str, name: str) -> Shape | None:
    query = "SELECT columns FROM shapes WHERE source = ? AND table_name = ?"
    found = ledger.connection.execute(query, (source, name)).fetchone()
    return None if found is None else dict(json.loads(found[0]))


def _retyped(name: str, column: str, before: str, now: str) -> SourceError:
    return SourceError(
        f"canonical table `{name}`, source column `{column}`",
        expected=f"{before}, as when it was last read",
        found=now,
        remedy=f"Cast it in the mapping if values must stay what they were; then `vitrine ledger --accept {name}`.",
    )
