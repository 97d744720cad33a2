"""Files of the archive that are not what the ledger knows: named, copied aside as they were found, made again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.atomic import atomic_file, remove_folder
from pipeline.sources.archive import damaged_days, partition_file

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.sources.ledger import Partition
    from pipeline.workspace import Workspace

log = logging.getLogger(__name__)


def set_aside_damaged(workspace: Workspace, layer: str, name: str, known: Mapping[dt.date, Partition]) -> list[dt.date]:
    """The damaged days of a table; what is there of them is copied below `damaged/`, for a person to look at.

    The file itself stays until another takes its place, so that a source that fails leaves things as they were.
    """
    days = damaged_days(workspace, layer, name, known)
    for day in days:
        path = partition_file(workspace, layer, name, day)
        kept = workspace.partition(workspace.damaged / layer, name, day) if path.exists() else None
        if kept is not None:
            with atomic_file(kept) as aside:
                aside.write_bytes(path.read_bytes())
        log.warning("damaged partition, making it again", extra={"file": str(path), "kept": str(kept)})
    return days


def forget_damaged(workspace: Workspace) -> int:
    """Remove all that was set aside, because nobody can tell whose rows a damaged file holds; how many files."""
    folder: Path = workspace.damaged
    count = sum(path.is_file() for path in folder.rglob("*"))
    if folder.exists():
        remove_folder(folder)
    return count
