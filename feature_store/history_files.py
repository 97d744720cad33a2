"""Everybody's history in files: written a part at a time and mapped when read, so that memory does not grow with it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from feature_store.errors import ArchiveError
from feature_store.history import History, empty_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import DTypeLike

HISTORY = "history"
"""A folder beside a snapshot, whose users and items the histories name by their rows: one `.npy` for each array."""
_TYPES = {"item": np.int32, "time": np.int64, "kind": np.uint8, "quantity": np.float32, "value": np.float32}


def write_history(folder: Path, parts: Iterable[History]) -> None:
    """Write the histories of all users, who follow each other in `parts`, into `folder`."""
    files = folder / HISTORY
    files.mkdir()
    counts = [np.zeros(1, np.int64)]
    with ExitStack() as opened:
        columns = {name: opened.enter_context((files / f"{name}.npy").open("wb")) for name in _TYPES}
        for name, file in columns.items():
            _write_head(file, _TYPES[name], 0)
        for part in parts:
            counts.append(np.diff(part.offsets))
            for name, file in columns.items():
                getattr(part, name).tofile(file)
        offsets = np.cumsum(np.concatenate(counts))
        for name, file in columns.items():
            _write_head(file, _TYPES[name], int(offsets[-1]))
    np.save(files / "offsets.npy", offsets)


def _write_head(file: BinaryIO, kind: DTypeLike, events: int) -> None:
    """A head leaves room for any number of rows, so that it can be written again once that is known."""
    file.seek(0)
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": (events,)}
    np.lib.format.write_array_header_1_0(file, described)


def read_history(folder: Path) -> History:
    """What `write_history` wrote into `folder`, as arrays that read from disk what is looked at.

    Raises:
        ArchiveError: not there or unreadable.
    """
    try:
        return History(*(_mapped(folder / HISTORY / f"{name}.npy") for name in ("offsets", *_TYPES)))
    except (OSError, ValueError) as error:
        remedy = "Run `vitrine stage features` for this day."
        raise ArchiveError(str(folder), expected="histories", found=str(error), remedy=remedy) from error


def _mapped(path: Path) -> np.ndarray:
    # Not as `np.memmap`, of which a slice takes eight times as long.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def in_parts(
    batches: Iterable[pa.RecordBatch], users: int, bounds: Mapping[str, int] | None = None
) -> Iterator[History]:
    """The histories of all users, who follow each other, from rows of `user` and the arrays of a history in their
    order; with `bounds` at most so many latest events of each kind (`History.latest`).
    """
    first, held = 0, empty_history()
    for batch in batches:
        if not batch.num_rows:
            continue
        user = np.concatenate([np.full(len(held.item), first), batch["user"].to_numpy()]) - first
        last = int(user[-1])
        part = History(
            np.concatenate([[0], np.cumsum(np.bincount(user))]),
            *(np.concatenate([getattr(held, name), batch[name].to_numpy()]).astype(_TYPES[name]) for name in _TYPES),
        )
        part = part if bounds is None else part.latest(bounds)
        yield part.between(0, last)
        first, held = first + last, part.of(last)  # of whom the next batch may tell more
    others = np.full(max(users - first - 1, 0), len(held.item))
    yield History(np.concatenate([held.offsets[: users - first + 1], others]), *(getattr(held, n) for n in _TYPES))
