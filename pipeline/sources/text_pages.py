"""MySQL's fast road: the server writes a page of rows as one CSV text, and Arrow reads it, with no Python per row.

PyMySQL builds every value of every row in Python, which bounds reading to some 20,000 rows a second. Here one value a
page crosses that road. It is taken only where every column is of a kind whose text means the same as its value.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlalchemy as sa

from pipeline.errors import SourceError
from pipeline.sources.mapping import Constant, Expression
from pipeline.sources.paging import from_position
from pipeline.sources.selection import DELETED, from_clause, source_columns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from feature_store.schema import Table
    from pipeline.sources.mapping import TableMapping
    from pipeline.sources.paging import Order, Position, Session
    from pipeline.sources.source import Shape

_WHOLE, _NUMBERS, _TIMES, _TEXT = "whole numbers", "numbers", "times", "text"
Columns = dict[str, pa.Array]


def is_plain_text(session: Session, mapping: TableMapping, table: Table, shape: Shape, names: Iterable[str]) -> bool:
    """Whether the server's text of every wanted column can stand for its value."""
    if session.connection.dialect.name not in {"mysql", "mariadb"} or not session.settings.text_pages:
        return False
    return all(_kind(mapping, table, shape, name) is not None for name in names)


def _kind(mapping: TableMapping, table: Table, shape: Shape, name: str) -> str | None:
    """The kind of a selected column, none where text would not do: expressions of any type, bytes, FLOAT as an id."""
    source = mapping.columns.get(name)
    if isinstance(source, Expression):
        return None
    if (name != DELETED and source is None) or isinstance(source, Constant):
        return _TEXT
    reference = mapping.deleted if name == DELETED else mapping.reference(name)
    kind = shape.get(".".join(mapping.origin(reference or "")))
    if kind == _NUMBERS and (name == DELETED or table.columns[name].type not in {"real", "integer"}):
        return None
    return kind if kind in {_WHOLE, _NUMBERS, _TIMES, _TEXT} else None


def text_pages(
    session: Session,
    mapping: TableMapping,
    table: Table,
    shape: Shape,
    wanted: Sequence[str],
    where: Sequence[sa.ColumnElement[bool]],
    order: Order,
    page_rows: int,
) -> Iterator[Columns]:
    """Pages of text columns, with the promises of `paging.pages`."""
    kinds = {name: _kind(mapping, table, shape, name) for name in wanted}
    selected = {column.name: column.element for column in source_columns(mapping, table) if column.name in kinds}
    line = sa.func.concat_ws(",", *(_field(column, kinds[name] == _TEXT) for name, column in selected.items()))
    rows = sa.select(line.label("line"), *(column.label(f"o{i}") for i, column in enumerate(order.columns)))
    rows = rows.select_from(from_clause(mapping)).where(*where).order_by(*order.columns)
    after: Position | None = None
    while True:
        page = (rows if after is None else rows.where(from_position(order, after))).limit(page_rows)
        text, count, size = tuple(session.rows(_joined(page, len(order.columns)))[0])
        if not count:
            return
        content = text.encode()
        if len(content) != int(size) + count - 1:  # cut by max_allowed_packet
            if page_rows == 1:
                raise _too_long(table, int(size))
            page_rows = max(min(count, page_rows) // 2, 1)
            continue
        columns = _parsed(content, list(selected))
        if count < page_rows:
            yield columns
            return
        last = [columns[name][-1].as_py() for name in order.names]
        whole = _rows_before(columns, order.names, last)
        if whole:
            yield {name: values.slice(0, whole) for name, values in columns.items()}
            after = tuple(_value(value, kinds[name]) for name, value in zip(order.names, last, strict=True))
        else:
            page_rows *= 2


def ahead(pages: Iterator[Columns]) -> Generator[Columns]:
    """The same pages, the next one always under way, so that the server writes while this side does.

    Closing it waits for the page under way: a connection answers one question at a time.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


def _field(column: sa.ColumnElement[Any], quoted: bool) -> sa.ColumnElement[Any]:
    """A CSV field; null is empty, and an empty text is a pair of quotes."""
    text: sa.ColumnElement[Any] = sa.cast(column, sa.CHAR)
    if quoted:
        text = sa.func.concat('"', sa.func.replace(text, '"', '""'), '"')
    return sa.func.ifnull(text, "")


def _joined(page: sa.Select[Any], orders: int) -> sa.Select[Any]:
    """The lines of a page as one text in their order, how many they are, and how long they are together."""
    inner = page.subquery("page")
    by = ", ".join(f"page.o{i}" for i in range(orders))
    joined: sa.ColumnElement[str] = sa.literal_column(f"GROUP_CONCAT(page.line ORDER BY {by} SEPARATOR '\\n')")
    told: list[sa.ColumnElement[Any]] = [joined, sa.func.count(), sa.func.sum(sa.func.octet_length(inner.c.line))]
    return sa.select(*told).select_from(inner)


def _parsed(content: bytes, names: list[str]) -> Columns:
    table = pa_csv.read_csv(
        io.BytesIO(content),
        pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return {name: table[name].combine_chunks() for name in names}


def _rows_before(columns: Columns, names: Sequence[str], last: Sequence[str | None]) -> int:
    """How many rows come before the run that has the position of the last one."""
    other = np.zeros(len(columns[names[0]]), bool)
    for name, value in zip(names, last, strict=True):
        differs = (
            pc.is_valid(columns[name]) if value is None else pc.fill_null(pc.not_equal(columns[name], value), True)
        )
        other |= differs.to_numpy(zero_copy_only=False)
    found = np.flatnonzero(other)
    return int(found[-1]) + 1 if len(found) else 0


def _value(text: str | None, kind: str | None) -> Any:  # noqa: ANN401 -- of the column's type
    """A value that the server compares as the column's own type; times are compared well as text."""
    if text is None:
        return None
    return int(text) if kind == _WHOLE else Decimal(text) if kind == _NUMBERS else text


def _too_long(table: Table, size: int) -> SourceError:
    return SourceError(
        f"canonical table `{table.name}`",
        expected="rows that the server may send",
        found=f"one of {size:,} bytes",
        remedy="Raise the server's max_allowed_packet, or set `extract.text_pages: false`.",
    )
