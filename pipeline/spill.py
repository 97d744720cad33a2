"""Where an engine puts what does not fit into memory: a folder for each reader, gone with it."""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import LockedError
from pipeline.locks import held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IN_USE = "in-use.lock"


@contextmanager
def spill_folder(spill: Path) -> Iterator[Path]:
    """A folder of one's own below `spill`, removed at the end; the kernel knows whether its process still lives."""
    folder = spill / uuid.uuid4().hex[:12]
    with held(folder / _IN_USE, "a spill folder"):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_spill(spill: Path) -> int:
    """Remove what killed processes left below `spill`; how many folders there were."""
    removed = 0
    for folder in sorted(spill.glob("*/")):
        try:
            with held(folder / _IN_USE, "a spill folder", 0):
                shutil.rmtree(folder)
                removed += 1
        except LockedError:
            continue
    return removed
