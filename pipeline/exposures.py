"""The exposure log as the pipeline reads it: what serving showed, a folder a day (`serving/exposures.py` writes it)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings import Settings


def exposure_days(settings: Settings) -> list[str]:
    """The days, as text, of which there is a log; ascending."""
    return sorted(path.name.removeprefix("day=") for path in settings.exposures_folder.glob("day=*"))


def exposures(day: dt.date, settings: Settings) -> pa.Table | None:
    """What was shown on `day`, one row an item, the rows of a request together; None where nothing was."""
    tables = [pq.ParquetFile(path).read() for path in _files(settings.exposures_folder, f"day={day}")]
    return pa.concat_tables(tables, promote_options="default") if tables else None


def first_rows(first: dt.date, last: dt.date, settings: Settings) -> Iterator[dict[str, Any]]:
    """Of every answer of the days `first` to `last`, and of the day before, the row of its first item, vectors left
    out: a page may be looked at after midnight.
    """
    days = (first + dt.timedelta(days=number) for number in range(-1, (last - first).days + 1))
    for path in (path for day in days for path in _files(settings.exposures_folder, f"day={day}")):
        file = pq.ParquetFile(path)
        rows = file.read([name for name in file.schema_arrow.names if name != "vector"])
        yield from rows.filter(pc.equal(rows["position"], 1)).to_pylist()


def forget_exposures(user: str, settings: Settings) -> dict[str, int]:
    """Take what was shown to a user out of the log: file -> rows that were theirs."""
    removed = {}
    for path in _files(settings.exposures_folder, "day=*"):
        rows = pq.ParquetFile(path).read()
        kept = rows.filter(pc.not_equal(rows["user_id"], user))
        if len(kept) < len(rows):
            with atomic_file(path) as aside:
                pq.write_table(kept, aside, compression="gzip")
            removed[str(path.relative_to(settings.exposures_folder))] = len(rows) - len(kept)
    return removed


def _files(folder: Path, day: str) -> list[Path]:
    return sorted(folder.glob(f"{day}/[!.]*.parquet"))
