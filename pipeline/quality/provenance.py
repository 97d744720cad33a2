"""What a model was trained on: every clean partition up to the cut with its checksum, and one over them all."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class TrainingPartition:
    """One file of the clean archive."""

    table: str
    day: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class TrainingSet:
    """All of the clean archive that a model may have seen: the same files give the same checksum, wherever they lie."""

    through: str
    checksum: str
    partitions: tuple[TrainingPartition, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def training_set(clean: Path, through: dt.date) -> TrainingSet:
    """The partitions below the folder `clean` up to and including the day `through`, and their checksum.

    The checksum is SHA-256 over a line `table/day=…/part.parquet <sha256>` for each file, in the order of the lines.
    """
    partitions, digest = [], hashlib.sha256()
    for path in _files(clean, through):
        content = path.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        digest.update(f"{path.relative_to(clean)} {checksum}\n".encode())
        day = path.parent.name.removeprefix("day=")
        partitions.append(TrainingPartition(path.parent.parent.name, day, checksum, len(content)))
    return TrainingSet(str(through), digest.hexdigest(), tuple(partitions))


def changed_since(recorded: TrainingSet, now: TrainingSet) -> list[str]:
    """Partitions, as `table/day`, that were added, lost or rewritten between two training sets."""
    before, after = ({(each.table, each.day): each.sha256 for each in part.partitions} for part in (recorded, now))
    return sorted(
        f"{table}/{day}" for table, day in before.keys() | after.keys() if _differs(before, after, (table, day))
    )


def _differs(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str], key: tuple[str, str]) -> bool:
    return before.get(key) != after.get(key)


def _files(clean: Path, through: dt.date) -> Iterator[Path]:
    for path in sorted(clean.glob("*/day=*/part.parquet")):
        if dt.date.fromisoformat(path.parent.name.removeprefix("day=")) <= through:
            yield path
