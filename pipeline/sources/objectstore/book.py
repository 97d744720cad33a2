"""What a copy of the archive consists of: `archive.json` names every object of it, and is written last.

Objects of a copy are never changed: a partition that changed is another object, so that at any moment the book names a
whole archive, of one moment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from pipeline.errors import ObjectStoreError
from pipeline.sources.archive import CLEAN, RAW
from pipeline.sources.objectstore.store import holds

if TYPE_CHECKING:
    from pipeline.sources.ledger import Ledger
    from pipeline.sources.objectstore.store import ObjectStore

T = TypeVar("T", bound=BaseModel)
BOOK = "archive.json"
MARKS = "forgotten.json"
"""Who must not come back: written before anything else, so that no restore is behind it."""
_PLACE = rf"(?:{RAW}|{CLEAN})/[A-Za-z0-9_]+/day=\d{{4}}-\d\d-\d\d"
_CHECKSUM, _RECEIPT = "[0-9a-f]{64}", r"forget-[0-9a-f]{32}\.json"
_OBJECT = re.compile(
    rf"{_PLACE}/(?:{_CHECKSUM}|part)\.parquet|ledger/{_CHECKSUM}\.db|receipts/{_CHECKSUM}/{_RECEIPT}|receipts/{_RECEIPT}"
)
"""`part.parquet` is of the first format, which wrote over its objects."""
Place = Annotated[str, StringConstraints(pattern=f"^{_PLACE}$")]
Checksum = Annotated[str, StringConstraints(pattern=f"^{_CHECKSUM}$")]
Receipt = Annotated[str, StringConstraints(pattern=f"^{_RECEIPT}$")]


class Book(BaseModel):
    """One copy. partitions: `raw/orders/day=2017-11-05` -> SHA-256; receipts of erasures: name -> SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    lineage: str
    """Which ledger it was made of; copies of different ones never mix."""
    writer: str | None = None
    """Which work folder made it, begun anew at each restore; none: a version that did not know."""
    ledger: Checksum
    partitions: dict[Place, Checksum]
    receipts: dict[Receipt, Checksum]


class Marks(BaseModel):
    """Who was forgotten, as digests (hexadecimal) under the salt of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lineage: str
    digests: dict[str, list[str]]


def partition_key(place: str, checksum: str) -> str:
    return f"{place}/{checksum}.parquet"


def ledger_key(checksum: str) -> str:
    return f"ledger/{checksum}.db"


def receipt_key(name: str, checksum: str) -> str:
    return f"receipts/{checksum}/{name}"


def is_copy(key: str) -> bool:
    """Whether a key, relative to the prefix, can only be a piece of a copy."""
    return _OBJECT.fullmatch(key) is not None


def parsed(place: str) -> tuple[str, str, dt.date]:
    """Layer, table and day of a place."""
    layer, name, day = place.split("/")
    return layer, name, dt.date.fromisoformat(day.removeprefix("day="))


def partitions_of(ledger: Ledger) -> dict[str, str]:
    """Every partition that a ledger knows: place -> SHA-256."""
    query = "SELECT layer, table_name, day, checksum FROM partitions ORDER BY layer, table_name, day"
    found = ledger.connection.execute(query)
    return {f"{layer}/{name}/day={day}": checksum for layer, name, day, checksum in found}


def lineage_of(ledger: Ledger) -> str | None:
    """What tells ledgers apart, none before the first extraction; nobody can tell the salt from it."""
    found = ledger.connection.execute("SELECT value FROM salt").fetchone()
    return None if found is None else hashlib.sha256(b"lineage" + found[0]).hexdigest()[:16]


def marks_of(ledger: Ledger) -> Marks | None:
    """Whom a ledger has forgotten; none before the first extraction."""
    lineage = lineage_of(ledger)
    if lineage is None:
        return None
    digests: dict[str, list[str]] = {}
    for kind, digest in ledger.connection.execute("SELECT kind, digest FROM forgotten ORDER BY kind, digest"):
        digests.setdefault(kind, []).append(digest.hex())
    return Marks(lineage=lineage, digests=digests)


def ledger_bytes(ledger: Ledger) -> bytes:
    """The ledger of one moment as a SQLite file, without what was deleted from it and still lies in its pages."""
    with closing(sqlite3.connect(":memory:")) as copy:
        ledger.connection.backup(copy)
        copy.execute("VACUUM")
        return copy.serialize()


def read_book(store: ObjectStore, prefix: str) -> Book | None:
    """What a copy holds; none before the first.

    Raises:
        ObjectStoreError: it is not a book of this code.
    """
    found = _read(store, prefix, BOOK)
    return None if found is None else _parsed(Book, found, prefix + BOOK)


def read_marks(store: ObjectStore, prefix: str) -> Marks | None:
    """The newest marks beside a copy; none before the first.

    Raises:
        ObjectStoreError: they are not marks of this code.
    """
    found = _read(store, prefix, MARKS)
    return None if found is None else _parsed(Marks, found, prefix + MARKS)


def _read(store: ObjectStore, prefix: str, name: str) -> bytes | None:
    return store.get(prefix + name) if holds(store, prefix + name) else None


def _parsed(kind: type[T], content: bytes, key: str) -> T:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ObjectStoreError(
            key,
            expected="JSON as this version of Vitrine writes it",
            found=error.errors()[0]["msg"],
            remedy="Name another prefix, or delete it: the next run copies the whole archive again.",
        ) from error
