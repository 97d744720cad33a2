"""The demo shop: The Complete Journey (dunnhumby / 84.51°, see `journey`) loaded into a business database."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from pipeline.atomic import atomic_file
from pipeline.demo.journey import journey_tables
from pipeline.demo.tables import METADATA
from pipeline.errors import SourceError
from pipeline.progress import track
from pipeline.sources.mapping import load_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
BATCH = 20_000
LOADING = "__loading"
"""Ending of the tables that a load fills; the last step renames them all at once."""


def ensure_demo_shop(settings: Settings) -> bool:
    """Whether the demo shop had to be loaded: only when no shop is named, and it is not there."""
    path = settings.workspace.demo_shop
    if settings.database_url is not None or path.exists() or load_mapping(settings).files is not None:
        return False
    load_demo_shop(f"sqlite:///{path}")
    return True


def load_demo_shop(url: str, *, households: int | None = None) -> dict[str, int]:
    """Load the shop into the empty database at `url` (SQLite or MySQL/MariaDB); returns rows per table.

    The tables appear all together when everything is loaded; a killed load leaves nothing that looks like a shop.

    Raises:
        SourceError: the database has tables of these names already, or cannot be reached.
    """
    target = sa.make_url(url)
    _refuse_taken_names(target)
    tables = journey_tables(households)
    if target.get_backend_name() == "sqlite":
        _load_sqlite(Path(target.database or ""), tables)
    else:
        _load_server(target, tables)
    counts = {name: len(frame) for name, frame in tables.items()}
    log.info("demo shop loaded", extra={"database": target.render_as_string(hide_password=True), **counts})
    return counts


def _refuse_taken_names(url: sa.URL) -> None:
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return
    engine = sa.create_engine(url)
    try:
        taken = sorted(set(METADATA.tables) & set(sa.inspect(engine).get_table_names()))
    except sa.exc.SQLAlchemyError as error:
        raise SourceError(
            "demo shop",
            expected=f"a database at {url.render_as_string(hide_password=True)}",
            found=str(getattr(error, "orig", error)),
            remedy="Check host, port, user, password and that the database exists.",
        ) from None
    finally:
        engine.dispose()
    if taken:
        raise SourceError(
            "demo shop",
            expected="an empty database",
            found=f"tables {', '.join(taken)} in {url.render_as_string(hide_password=True)}",
            remedy="Name another database or drop these tables; the demo never overwrites what is there.",
        )


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Rows of Python values: times as `YYYY-MM-DD HH:MM:SS`, missing as None."""
    return zip(*(_values(frame[name]) for name in frame.columns), strict=True)


def _values(column: pd.Series) -> Sequence[Any]:
    if column.dtype.kind == "M":
        stamps, where = np.unique(column.to_numpy("datetime64[s]"), return_inverse=True)
        texts = np.array([str(stamp).replace("T", " ") for stamp in stamps], dtype=object)
        return list(texts[where])
    if column.hasnans:
        return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    return list(column.tolist())


def _batches(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), BATCH):
        yield frame.iloc[start : start + BATCH]


def _load_sqlite(path: Path, tables: dict[str, pd.DataFrame]) -> None:
    """A new file written aside: no journal is needed, because a load that fails is thrown away whole."""
    with atomic_file(path) as aside:
        connection = sqlite3.connect(aside, isolation_level=None)
        try:
            for command in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-65536", "BEGIN"):
                connection.execute(command)
            dialect = sqlite.dialect()
            for name, table in track(METADATA.tables.items(), "loading the demo shop", total=len(tables)):
                connection.execute(str(CreateTable(table).compile(dialect=dialect)))
                connection.executemany(_insert(name, table, "?"), _rows(tables[name]))
                for index in table.indexes:
                    connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
            connection.execute("COMMIT")
        finally:
            connection.close()


def _load_server(url: sa.URL, tables: dict[str, pd.DataFrame]) -> None:
    """Multi-row inserts into tables of a passing name, which one statement renames (atomic in MySQL and MariaDB)."""
    aside = sa.MetaData()
    loading = {name: table.to_metadata(aside, name=name + LOADING) for name, table in METADATA.tables.items()}
    engine = sa.create_engine(url)
    try:
        aside.drop_all(engine)
        aside.create_all(engine)
        with engine.begin() as connection:
            for name, table in loading.items():
                batches = list(_batches(tables[name]))
                for batch in track(batches, f"loading {name}"):
                    _execute_many(connection, _insert(table.name, table, "%s"), list(_rows(batch)))
        renames = ", ".join(f"{table.name} TO {name}" for name, table in loading.items())
        with engine.begin() as connection:
            connection.exec_driver_sql(f"RENAME TABLE {renames}")
    finally:
        engine.dispose()


def _insert(name: str, table: sa.Table, mark: str) -> str:
    columns = [column.name for column in table.columns]
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"


def _execute_many(connection: sa.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)
