"""Partition files of `raw` and `clean`: written whole, known by their checksum, read only when they still match it."""

from __future__ import annotations

import hashlib
import io
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.errors import ArchiveError
from feature_store.schema import MAPPABLE_TABLES
from pipeline.atomic import atomic_files, sweep
from pipeline.locks import held
from pipeline.sources.canonical import ARROW_TYPES
from pipeline.sources.ledger import Ledger, Partition
from pipeline.workspace import Workspace, partition_days

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from pipeline.atomic import FilesAside
    from pipeline.settings import Settings

log = logging.getLogger(__name__)
RAW, CLEAN = "raw", "clean"
_WRITERS, _WAITING_BYTES = 4, 1 << 26
"""Files on their way to the disk at once, of long days as many bytes as fit. Eight gained nothing over a million rows
and needed 40 MB more: each writing thread keeps a heap."""
_REMEDY = {
    RAW: "Run `vitrine stage extract` for this day: it reads damaged partitions again.",
    CLEAN: "Run `vitrine stage clean` for this day: it makes damaged partitions again.",
}


@contextmanager
def archive_lock(settings: Settings) -> Iterator[None]:
    """Only one run at a time writes the archive, whatever its day; others wait. What killed runs left is removed."""
    with held(settings.workspace.locks / "archive.lock", "the archive"):
        for layer in (RAW, CLEAN):
            sweep(_folder(settings.workspace, layer))
        yield


def write_partitions(
    workspace: Workspace, layer: str, name: str, days: Iterable[tuple[dt.date, pa.Table]]
) -> dict[dt.date, Partition]:
    """Put many days in place, none before all are written: an error on the way leaves the archive as it was.

    A few are written at once, for most of a small file's time is spent waiting for the disk.
    """
    written: dict[dt.date, Partition] = {}
    waiting: deque[tuple[dt.date, int, Future[Partition]]] = deque()

    def settle(most_bytes: int) -> None:
        while waiting and (len(waiting) >= _WRITERS or sum(size for _, size, _ in waiting) > most_bytes):
            day, _, partition = waiting.popleft()
            written[day] = partition.result()

    with atomic_files() as files, ThreadPoolExecutor(_WRITERS) as pool:
        for day, table in days:
            target = partition_file(workspace, layer, name, day)
            waiting.append((day, table.nbytes, pool.submit(_write_aside, files, target, table)))
            settle(_WAITING_BYTES)
        settle(-1)
        files.place(pool)
    return written


def _write_aside(files: FilesAside, target: Path, table: pa.Table) -> Partition:
    """Write the rows of one day; the same rows make the same bytes."""
    buffer = io.BytesIO()
    one_group = max(len(table), 1)
    # Without dictionaries a file is no larger, is written in three quarters of the time and read in the same.
    pq.write_table(table.combine_chunks(), buffer, compression="zstd", row_group_size=one_group, use_dictionary=False)
    content = buffer.getbuffer()
    files.write(target, content)
    return Partition(rows=len(table), checksum=hashlib.sha256(content).hexdigest())


def read_partition(
    workspace: Workspace, layer: str, name: str, day: dt.date, known: Partition, columns: list[str] | None = None
) -> pa.Table:
    """The rows of one day.

    Raises:
        ArchiveError: the file is missing, differs from what the ledger knows, or is no Parquet; names file and remedy.
    """
    content = partition_bytes(workspace, layer, name, day, known)
    try:
        rows = pq.ParquetFile(pa.BufferReader(content)).read(columns, use_threads=False)
        return _with_later_columns(name, rows, columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(layer, partition_file(workspace, layer, name, day), str(error)) from error


def _with_later_columns(name: str, rows: pa.Table, columns: list[str] | None) -> pa.Table:
    """Columns that the canonical table has got since the partition was written are empty in it."""
    if name not in MAPPABLE_TABLES:
        return rows
    known = MAPPABLE_TABLES[name].columns
    wanted = [column for column in known if columns is None or column in columns]
    later = [column for column in wanted if column not in rows.column_names and known[column].nullable]
    for column in later:
        rows = rows.append_column(column, pa.nulls(len(rows), ARROW_TYPES[known[column].type]))
    return rows.select([*wanted, *(each for each in rows.column_names if each not in wanted)]) if later else rows


def partition_bytes(workspace: Workspace, layer: str, name: str, day: dt.date, known: Partition) -> bytes:
    """The file of one day, whole.

    Raises:
        ArchiveError: it is missing, or differs from what the ledger knows.
    """
    path = partition_file(workspace, layer, name, day)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _damaged(layer, path, "no file") from None
    if hashlib.sha256(content).hexdigest() != known.checksum:
        raise _damaged(layer, path, "a file with another checksum")
    return content


def damaged_days(workspace: Workspace, layer: str, name: str, known: Mapping[dt.date, Partition]) -> list[dt.date]:
    """Days whose file is missing or is not the one that the ledger knows."""
    return [day for day, partition in known.items() if _checksum(workspace, layer, name, day) != partition.checksum]


def remove_unknown(workspace: Workspace, layer: str, name: str, known: Mapping[dt.date, Partition]) -> None:
    """Take away files that a killed run put in place but never entered in the ledger."""
    for day in set(partition_days(_folder(workspace, layer), name)) - set(known):
        partition_file(workspace, layer, name, day).unlink()


def require_partitions(ledger: Ledger, layer: str, name: str, day: dt.date) -> dict[dt.date, Partition]:
    """The partitions of a table up to `day`, as the ledger has them.

    Raises:
        ArchiveError: there are none.
    """
    known = {each: partition for each, partition in ledger.partitions(layer, name).items() if each <= day}
    if not known:
        raise ArchiveError(
            f"archive, {layer} table `{name}`",
            expected=f"partitions up to {day}",
            found="none",
            remedy="Run `vitrine stage extract`, then `vitrine stage clean`, for this day.",
        )
    return known


def partition_file(workspace: Workspace, layer: str, name: str, day: dt.date) -> Path:
    return workspace.partition(_folder(workspace, layer), name, day)


def _folder(workspace: Workspace, layer: str) -> Path:
    return workspace.raw if layer == RAW else workspace.clean


def _checksum(workspace: Workspace, layer: str, name: str, day: dt.date) -> str | None:
    try:
        return hashlib.sha256(partition_file(workspace, layer, name, day).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _damaged(layer: str, path: Path, found: str) -> ArchiveError:
    return ArchiveError(str(path), expected="the partition that the ledger knows", found=found, remedy=_REMEDY[layer])
