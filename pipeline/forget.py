"""A user who asked to be erased: out of archive, features and online stores, never read again, with a receipt."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.online.forget import forget_user
from feature_store.schema import ORDERS
from pipeline.atomic import atomic_file, atomic_folder, write_text
from pipeline.errors import SettingsError
from pipeline.sources.archive import CLEAN, RAW, archive_lock, read_partition, write_partitions
from pipeline.sources.forgotten import ORDER, USER, Forgotten
from pipeline.sources.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

_OF_USER, _OF_ORDER = ("user_id",), ("order_id", "basket_id")


def forget(user: str, settings: Settings) -> Path:
    """Erase a user everywhere; the receipt lists what was removed where, under a salted digest instead of the id.

    First the id is marked, so that whatever is read from now on leaves it out; a run that dies is simply run again.

    Raises:
        ArchiveError: a partition is damaged; extract or clean mends it.
        OnlineStoreError: an online store cannot be reached.
    """
    if not user:
        raise SettingsError("--user", expected="an id", found="an empty one", remedy="Name the user to erase.")
    with archive_lock(settings), open_ledger(settings.workspace.ledger) as ledger:
        orders = _orders_of(user, ledger, settings)
        forgotten = Forgotten(ledger)
        forgotten.add(USER, [user])
        forgotten.add(ORDER, orders)
        with ledger.transaction():
            forgotten.record(ledger)
            ledger.unearth("user_id", [user])
            ledger.unearth("order_id", orders)
        removed = {layer: _from_layer(layer, user, orders, ledger, settings) for layer in (RAW, CLEAN)}
        digest = forgotten.digest(user).hex()
    receipt = {
        "user": digest,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "removed": {
            **removed,
            "quarantine": _from_quarantine(user, orders, settings),
            "features": _from_features(user, settings),
            "online": _from_stores(user, settings),
        },
        "remains": _remains(user, settings),
    }
    path = settings.work_dir / "receipts" / f"forget-{digest}.json"
    write_text(path, json.dumps(_with_earlier(path, receipt), indent=2) + "\n")
    return path


def _with_earlier(path: Path, receipt: dict[str, Any]) -> list[dict[str, Any]]:
    """All receipts of one user: asked again, what was removed the first time is not forgotten."""
    return [*(json.loads(path.read_text(encoding="utf-8")) if path.exists() else []), receipt]


def _orders_of(user: str, ledger: Ledger, settings: Settings) -> set[str]:
    found: set[str] = set()
    for day, partition in ledger.partitions(RAW, ORDERS.name).items():
        rows = read_partition(settings.workspace, RAW, ORDERS.name, day, partition, ["order_id", "user_id"])
        found |= set(rows.filter(pc.equal(rows["user_id"], user))["order_id"].to_pylist())
    return found


def _from_layer(layer: str, user: str, orders: set[str], ledger: Ledger, settings: Settings) -> dict[str, Any]:
    """Rows removed and partitions rewritten, by table."""
    query = "SELECT DISTINCT table_name FROM partitions WHERE layer = ? ORDER BY table_name"
    removed: dict[str, Any] = {}
    for (name,) in ledger.connection.execute(query, (layer,)).fetchall():
        known = ledger.partitions(layer, name)
        read = ((day, read_partition(settings.workspace, layer, name, day, each)) for day, each in known.items())
        left = ((day, held, _without(held, user, orders)) for day, held in read)
        changed = ((day, kept) for day, held, kept in left if len(kept) < len(held))
        written = write_partitions(settings.workspace, layer, name, changed)
        with ledger.transaction():
            ledger.record_partitions(
                layer,
                name,
                {
                    day: dataclasses.replace(known[day], rows=new.rows, checksum=new.checksum, contract=None)
                    for day, new in written.items()
                },
            )
        if written:
            rows = sum(known[day].rows - new.rows for day, new in written.items())
            removed[name] = {"rows": rows, "days": [str(day) for day in written]}
    return removed


def _without(rows: pa.Table, user: str, orders: set[str]) -> pa.Table:
    for name in rows.column_names:
        ids = [user] if name in _OF_USER else sorted(orders) if name in _OF_ORDER else []
        if ids:
            rows = rows.filter(pc.invert(pc.is_in(rows[name].cast(pa.string()), value_set=pa.array(ids, pa.string()))))
    return rows


def _from_quarantine(user: str, orders: set[str], settings: Settings) -> dict[str, int]:
    removed = {}
    for path in sorted(settings.workspace.quarantine.rglob("*.parquet")):
        held = pq.ParquetFile(path).read()
        kept = _without(held, user, orders)
        if len(kept) < len(held):
            with atomic_file(path) as aside:
                pq.write_table(kept, aside, compression="zstd")
            removed[str(path.relative_to(settings.workspace.quarantine))] = len(held) - len(kept)
    return removed


def _from_features(user: str, settings: Settings) -> dict[str, dict[str, int]]:
    """The user's vector and events of every snapshot; histories name users by their row, so later rows move up."""
    removed = {}
    for folder in sorted((settings.work_dir / "features").glob("day=*")):
        users = pq.ParquetFile(folder / "user.parquet").read()
        row = pc.index(users["user_id"], user).as_py()
        if row < 0:
            continue
        history = pq.ParquetFile(folder / "history.parquet").read() if (folder / "history.parquet").exists() else None
        with atomic_folder(folder) as aside:
            shutil.copytree(folder, aside, dirs_exist_ok=True)
            kept = pa.concat_tables([users.slice(0, row), users.slice(row + 1)])
            pq.write_table(kept, aside / "user.parquet", compression="zstd")
            if history is not None:
                pq.write_table(_moved_up(history, row), aside / "history.parquet", compression="zstd")
        events = 0 if history is None else pc.sum(pc.equal(history["user"], row)).as_py() or 0
        removed[folder.name.removeprefix("day=")] = {"vectors": 1, "events": events}
    return removed


def _moved_up(history: pa.Table, row: int) -> pa.Table:
    left = history.filter(pc.not_equal(history["user"], row))
    users = pc.subtract(left["user"], pc.greater(left["user"], row).cast(left["user"].type))
    return left.set_column(left.column_names.index("user"), "user", users)


def _from_stores(user: str, settings: Settings) -> dict[str, int]:
    urls = {"sqlite": settings.online_file_url, settings.online_url.partition(":")[0]: settings.online_url}
    return {name: forget_user(url, settings.online_prefix, user) for name, url in urls.items()}


def _remains(user: str, settings: Settings) -> list[str]:
    """What cannot be rewritten and names the user: a person decides when it goes."""
    found = []
    for path in sorted(settings.releases.glob("*/golden_requests.jsonl")):
        asked = {str(json.loads(line)["user_id"]) for line in path.read_text(encoding="utf-8").splitlines()}
        if user in asked:
            found.append(f"release {path.parent.name}: a golden request; publish a new release and remove this one")
    return found
