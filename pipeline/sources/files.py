"""Files of a shop: which belong to a table, and their rows. CSV, JSON Lines and Parquet, also gzipped."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.sources.canonical import plain_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_KINDS = ("csv", "tsv", "jsonl", "ndjson", "parquet")
_NAME = re.compile(rf"^(?P<stem>.+?)(?:[-_.](?P<day>\d{{4}}-?\d\d-?\d\d))?\.(?P<kind>{'|'.join(_KINDS)})(?P<gz>\.gz)?$")
_NULLS = ["", "NULL", "null", "\\N"]
"""What exports write where there is nothing."""
_DELIMITERS = ",;\t|"


class Folder(Protocol):
    """Where files lie: a folder of this machine, or a prefix of an object store."""

    def names(self) -> Iterable[str]:
        """Every file below, relative, with `/` between folders."""

    def read(self, name: str) -> bytes:
        """The content of one."""

    def shown(self, name: str) -> str:
        """Where a person finds it."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def names(self) -> Iterator[str]:
        """Every file below, relative.

        Raises:
            SourceError: there is no such folder.
        """
        if not self.path.is_dir():
            raise SourceError(
                "the mapping's `files`",
                expected="a folder",
                found=f"none at {self.path}",
                remedy="Write an absolute path, or one relative to the mapping's own folder.",
            )
        yield from (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise _broken(self.shown(name), "a file that can be read", str(error)) from error

    def shown(self, name: str) -> str:
        return str(self.path / name)


def tables_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Table -> its files, the oldest day first: `orders.csv`, `orders-2017-05-01.csv`, or anything below `orders/`."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        match = _NAME.match(parts[-1])
        if match and not any(part.startswith((".", "_")) for part in parts):
            found.setdefault(parts[0] if len(parts) > 1 else match["stem"], []).append(name)
    return {table: sorted(files) for table, files in found.items()}


def read_rows(name: str, content: bytes, shown: str) -> pa.Table:
    """The rows of one file. CSV gives texts (so that 007 stays 007), the others what their writer meant.

    Raises:
        SourceError: a file or a line that cannot be read; names both.
    """
    match = _NAME.match(name.rsplit("/", 1)[-1])
    kind = match["kind"] if match else "csv"
    try:
        plain = gzip.decompress(content) if name.endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(shown, "a whole gzip file", str(error)) from error
    readers: dict[str, Callable[[bytes, str], pa.Table]] = {
        "parquet": _parquet,
        "jsonl": _json_lines,
        "ndjson": _json_lines,
    }
    return readers.get(kind, _csv)(plain, shown)


def place_of(name: str, row: int) -> str:
    """What a person calls a row of this file, counted from 0. In CSV the names are row 1, as a spreadsheet shows them:
    a quoted value may hold several lines.
    """
    kind = name.removesuffix(".gz").rsplit(".", 1)[-1]
    if kind in {"csv", "tsv"}:
        return f"row {row + 2}"
    return f"row {row + 1}" if kind == "parquet" else f"line {row + 1}"


def _csv(content: bytes, shown: str) -> pa.Table:
    if not content.strip():
        raise _broken(shown, "a line of column names", "an empty file")
    names, delimiter = _header(content, shown)
    bad: list[pc_csv.InvalidRow] = []

    def refuse(row: pc_csv.InvalidRow) -> str:
        bad.append(row)
        return "error"

    try:
        return pc_csv.read_csv(
            pa.BufferReader(content),
            read_options=pc_csv.ReadOptions(use_threads=False),
            parse_options=pc_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pc_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=_NULLS,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if bad:
            found = f"{bad[0].actual_columns} at row {bad[0].number}: {bad[0].text[:80]}"
            raise _broken(shown, f"{bad[0].expected_columns} columns", found) from None
        raise _broken(shown, "CSV with a line of column names", str(error)) from error


def _header(content: bytes, shown: str) -> tuple[list[str], str]:
    """Column names and the sign between them, after making sure that the file is UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _broken(shown, "UTF-8", f"another byte at line {line}") from None
    first = content.decode("utf-8-sig").splitlines()[0]
    delimiter = max(_DELIMITERS, key=first.count)
    names = [name.strip('"') for name in first.split(delimiter)]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise _broken(shown, "one column of each name", f"several called {repeated[0]}")
    return names, delimiter


def _json_lines(content: bytes, shown: str) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _broken(shown, "one JSON object a line", f"{error} at line {number}") from None
        if not isinstance(row, dict):
            raise _broken(shown, "one JSON object a line", f"a {type(row).__name__} at line {number}")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: plain_array([_scalar(row.get(name)) for row in rows]) for name in names})


def _scalar(value: Any) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Objects and lists stay JSON."""
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _parquet(content: bytes, shown: str) -> pa.Table:
    try:
        return pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(shown, "a whole Parquet file", str(error)) from error


def _broken(shown: str, expected: str, found: str) -> SourceError:
    return SourceError(
        f"file {shown}", expected=expected, found=found, remedy="Export it again, or take it out of the folder."
    )
