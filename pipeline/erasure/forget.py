"""A user who asked to be erased: out of everything that a run leaves, never read again, with a receipt."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.online.forget import forget_user
from feature_store.schema import ANONYMOUS, EVENTS, ORDERS
from pipeline.atomic import atomic_file, write_text
from pipeline.erasure.features import days_with, from_runs
from pipeline.erasure.releases import releases_with
from pipeline.errors import SettingsError
from pipeline.evaluation.reporting import forget_examples
from pipeline.exposures import forget_exposures
from pipeline.sources.archive import CLEAN, RAW, archive_lock, read_partition
from pipeline.sources.damaged import forget_damaged
from pipeline.sources.forgotten import ORDER, USER, VISITOR, Forgotten
from pipeline.sources.ledger import Ledger, open_ledger
from pipeline.sources.matomo.identity import visitors_of
from pipeline.sources.matomo.tables import VISITORS
from pipeline.sources.objectstore.copy import copy_archive
from pipeline.sources.rewriting import archived_tables, take_out
from pipeline.spill import sweep_spill

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

_AGGREGATES = {
    "train, tuning, mlflow": "trees, whose thresholds are taken from everybody at once",
    "evaluation, metrics": "means over all judged users",
    "reports": "counts; ids of users are withheld where rows are shown",
    "recall without UserCF": "sums and shares over the users of an item",
    "ledger": "counts and checksums; of whoever is forgotten, salted digests",
}
"""What was computed of everybody and holds no row and no id of anybody: it stays (docs/decisions)."""
_OF_ORDER = ("order_id", "basket_id")


@dataclasses.dataclass(frozen=True)
class _Person:
    """The ids that name one person."""

    user: str
    orders: set[str]
    visitors: set[str]
    """Of Matomo, linked to the user; in rows without a login they name nobody else."""


def forget(user: str, settings: Settings) -> Path:
    """Erase a user everywhere; the receipt says place by place what was removed and what remains until when.

    First the id is marked, so that whatever is read from now on leaves it out; a run that dies is simply run again.
    The receipt names the user by a salted digest; a second request adds to it. The copy of the archive follows last.

    Raises:
        ArchiveError: a partition is damaged; extract or clean mends it.
        LockedError: a day is being run.
        OnlineStoreError: an online store cannot be reached.
        ObjectStoreError: the user is erased here, and the copy in the object store is not replaced yet.
    """
    if not user:
        raise SettingsError("--user", expected="an id", found="an empty one", remedy="Name the user to erase.")
    receipt = _erase(user, settings)
    copy_archive(settings)
    return receipt


def _erase(user: str, settings: Settings) -> Path:
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        orders = _orders_of(user, ledger, settings)
        person = _Person(user, orders, visitors_of(user, orders, ledger, settings.workspace))
        aliases = _aliases(person, ledger, settings)
        forgotten = Forgotten(ledger)
        forgotten.add(USER, [user])
        forgotten.add(ORDER, orders)
        forgotten.add(VISITOR, person.visitors)
        with ledger.transaction():
            forgotten.record(ledger)
            ledger.unearth("user_id", [user])
            ledger.unearth("order_id", orders)
        digest = forgotten.digest(user).hex()
    for alias in aliases:  # before the rows go that link them to the user
        _erase(alias, settings)
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        removed = {layer: _from_layer(layer, person, ledger, settings) for layer in (RAW, CLEAN)}
    path = settings.workspace.receipts / f"forget-{digest}.json"
    earlier = _earlier(path)
    receipt: dict[str, Any] = {
        "user": digest,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "finished": False,
        "removed": {**removed, "quarantine": _from_quarantine(person, settings)},
        "remains": _remains(releases_with(user, days_with(user, settings), earlier, settings), settings),
    }
    # Which releases hold the row is known by the snapshots alone: written down before those lose it.
    _write(path, [*earlier, receipt])
    receipt["removed"] |= from_runs(user, settings)
    receipt["removed"] |= {"reports": forget_examples(settings)}
    receipt["removed"] |= {"exposures": forget_exposures(user, settings)}
    receipt["removed"] |= {"damaged": forget_damaged(settings.workspace)}
    receipt["removed"] |= {"online": _from_stores(user, settings), "spill": sweep_spill(settings.workspace.spill)}
    _write(path, [*earlier, receipt | {"finished": True}])
    return path


def _earlier(path: Path) -> list[dict[str, Any]]:
    """All receipts of one user: asked again, what was removed the first time is not forgotten."""
    receipts: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return receipts


def _write(path: Path, receipts: list[dict[str, Any]]) -> None:
    write_text(path, json.dumps(receipts, indent=2) + "\n")


def _orders_of(user: str, ledger: Ledger, settings: Settings) -> set[str]:
    found: set[str] = set()
    for day, partition in ledger.partitions(RAW, ORDERS.name).items():
        rows = read_partition(settings.workspace, RAW, ORDERS.name, day, partition, ["order_id", "user_id"])
        found |= set(rows.filter(pc.equal(rows["user_id"], user))["order_id"].to_pylist())
    return found


def _aliases(person: _Person, ledger: Ledger, settings: Settings) -> list[str]:
    """Users that the person was, and is to be forgotten as, where visitors without a login count as users."""
    names = {ANONYMOUS + visitor for visitor in person.visitors} - {person.user}
    found: set[str] = set()
    for day, partition in ledger.partitions(RAW, EVENTS.name).items() if names else ():
        rows = read_partition(settings.workspace, RAW, EVENTS.name, day, partition, ["user_id"])
        found |= names & set(pc.unique(rows["user_id"]).to_pylist())
    return sorted(found)


def _from_layer(layer: str, person: _Person, ledger: Ledger, settings: Settings) -> dict[str, Any]:
    """Rows removed and days whose partitions were rewritten, by table."""
    removed: dict[str, Any] = {}
    for name in [name for found, name in archived_tables(ledger) if found == layer]:
        if gone := take_out(layer, name, lambda rows: _without(rows, person), ledger, settings.workspace):
            removed[name] = {"rows": sum(gone.values()), "days": [str(day) for day in gone]}
    return removed


def _without(rows: pa.Table, person: _Person) -> pa.Table:
    for name in rows.column_names:
        if name == "user_id":
            theirs = _is_in(rows[name], {person.user})
        elif name in _OF_ORDER:
            theirs = _is_in(rows[name], person.orders)
        elif name in VISITORS:
            theirs = pc.and_(_is_in(rows[name], person.visitors), pc.is_null(rows["user_id"]))
        else:
            continue
        rows = rows.filter(pc.invert(theirs))
    return rows


def _is_in(column: pa.ChunkedArray, ids: set[str]) -> pa.ChunkedArray:
    return pc.is_in(column.cast(pa.string()), value_set=pa.array(sorted(ids), pa.string()))


def _from_quarantine(person: _Person, settings: Settings) -> dict[str, int]:
    removed = {}
    for path in sorted(settings.workspace.quarantine.rglob("*.parquet")):
        held = pq.ParquetFile(path).read()
        kept = _without(held, person)
        if len(kept) < len(held):
            with atomic_file(path) as aside:
                pq.write_table(kept, aside, compression="zstd")
            removed[str(path.relative_to(settings.workspace.quarantine))] = len(held) - len(kept)
    return removed


def _from_stores(user: str, settings: Settings) -> dict[str, int]:
    urls = {"sqlite": settings.online_file_url, settings.online_url.partition(":")[0]: settings.online_url}
    return {name: forget_user(url, settings.online_prefix, user) for name, url in urls.items()}


def _remains(releases: dict[str, dict[str, str]], settings: Settings) -> dict[str, Any]:
    """What is still there, place by place, and until when."""
    copies = {"releases": settings.releases_url, "archive": settings.archive_url}
    until = {
        "releases": "as those here",
        "archive": "replaced at the end of this request, or by the next publish where the bucket was out of reach then;"
        " old versions, where the bucket keeps them, are the bucket's to remove",
    }
    return {
        "releases": releases,
        "object_store": {name: {"at": url, "until": until[name]} for name, url in copies.items() if url is not None},
        "exposures": f"what was answered in the {settings.exposures.flush_seconds:g} s before may still be written;"
        " ask again afterwards",
        "aggregates": _AGGREGATES,
    }
