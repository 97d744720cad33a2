"""The demo's storefront: a Matomo database of SIMULATED visits around the real baskets, with a clock to move.

Only the baskets are real. The state (clock, late rows, open visits) lies in the database itself, in a table of the
demo's own, and is changed in the transaction that writes a day: a killed run leaves whole days.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from pipeline.atomic import write_text
from pipeline.demo.matomo_schema import RELEASES, matomo_tables
from pipeline.demo.matomo_tracker import NEWSLETTER, NEWSLETTER_WORTH, SITE, Tracker
from pipeline.demo.storefront_baskets import assortment
from pipeline.demo.storefront_truth import LABEL, Truth
from pipeline.demo.storefront_visits import visits_of
from pipeline.errors import SourceError
from pipeline.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
PREFIX = "matomo_"
SIMULATION = "vitrine_simulation"
"""The table that says what is simulated, with which truth, and how far the clock is."""
ONE_DAY = dt.timedelta(days=1)
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


@dataclass(frozen=True)
class State:
    """What the next day needs to know of the days before."""

    households: int
    clock: dt.date
    """The last day that is written."""
    truth: Truth
    late: list[dict[str, Any]]
    """Rows that will arrive on the next day."""
    open_visits: dict[str, int]
    """Overnight visits that wait for their morning."""


def storefront_url(settings: Settings) -> str:
    """Matomo's database of the demo: the one that the settings name, else the file in the work folder."""
    if settings.matomo_database_url is not None:
        return settings.matomo_database_url.get_secret_value()
    return f"sqlite:///{settings.workspace.demo_matomo}"


def make_storefront(url: str, *, households: int, first: dt.date, through: dt.date, truth: Truth) -> dict[str, int]:
    """Make Matomo's tables in the empty database at `url` and fill them from `first` to `through`; rows per table.

    Raises:
        SourceError: there are tables of these names already, or the database cannot be reached.
    """
    if through < first:
        raise SourceError(
            "demo storefront",
            expected=f"a last day not before {first}",
            found=str(through),
            remedy="Name a later day with --to, or fewer --days.",
        )
    target = sa.make_url(url)
    if target.get_backend_name() == "sqlite" and target.database:
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
    metadata = _metadata()
    with _begin(url) as connection:
        taken = sorted(set(metadata.tables) & set(sa.inspect(connection).get_table_names()))
        if taken:
            raise SourceError(
                "demo storefront",
                expected="a database without Matomo's tables",
                found=f"tables {', '.join(taken)} in {target.render_as_string(hide_password=True)}",
                remedy="Move the clock with `vitrine demo advance`, or name another database; nothing is overwritten.",
            )
        metadata.create_all(connection)
        _describe(connection, metadata)
        _save(connection, metadata, State(households, first - ONE_DAY, truth, [], {}))
    return advance(url, through)


def advance(url: str, through: dt.date) -> dict[str, int]:
    """Move the clock to the end of `through`, day by day; returns the rows that there are then, per table.

    Raises:
        SourceError: there is no storefront, or its clock is beyond that day already.
    """
    metadata = _metadata()
    state = _state_at(url)
    if through < state.clock:
        raise SourceError(
            "demo storefront",
            expected=f"a day from {state.clock} on, where its clock is",
            found=str(through),
            remedy="Time does not run backwards: make another storefront to begin again.",
        )
    shop = assortment(state.households)
    days = [state.clock + (number + 1) * ONE_DAY for number in range((through - state.clock).days)]
    for day in track(days, "simulating visits"):
        with _begin(url) as connection:
            tracker = Tracker(connection, metadata, PREFIX)
            visits = visits_of(day, shop, state.truth)
            # The evening half of a visit that began before the storefront's first day is not in the log.
            known = [visit for visit in visits if not visit.continues or visit.name in state.open_visits]
            late, still_open = tracker.write(known, state.late, state.open_visits, shop, state.truth)
            state = State(state.households, day, state.truth, late, still_open)
            _save(connection, metadata, state)
    log.info("storefront advanced", extra={"through": str(through), "days": len(days)})
    return _counts(url, metadata)


def write_truth(path: Path, url: str) -> None:
    """What is true of the storefront, beside it, for people and for tests."""
    state = _state_at(url)
    told = {"clock": str(state.clock), **state.truth.told()}
    write_text(path, json.dumps(told, indent=2) + "\n")


def clock(url: str) -> dt.date:
    """The last day that is in the log.

    Raises:
        SourceError: there is no storefront.
    """
    return _state_at(url).clock


def _metadata() -> sa.MetaData:
    metadata = matomo_tables(5, PREFIX)
    sa.Table(SIMULATION, metadata, sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", _TEXT))
    return metadata


def _state_at(url: str) -> State:
    """The state of the storefront at `url`. SQLite would make an empty file where none is, so the file must exist."""
    target = sa.make_url(url)
    if target.get_backend_name() == "sqlite" and not Path(target.database or "").is_file():
        raise _no_storefront(url)
    with _begin(url) as connection:
        return _state(connection, _metadata(), url)


@contextmanager
def _begin(url: str) -> Iterator[sa.Connection]:
    """A transaction on the database at `url`."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise SourceError(
            "demo storefront",
            expected=f"a database at {sa.make_url(url).render_as_string(hide_password=True)} that can be written",
            found=f"{type(error.orig).__name__}: {error.orig}",
            remedy="Check host, port, user, password and grants, or name another database.",
        ) from None
    finally:
        engine.dispose()


def _describe(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """The rows that an administrator would have made: one site, its goal, the dimensions of recommendation slots."""
    site = {"name": LABEL, "main_url": "https://shop.example", "timezone": "UTC", "currency": "USD", "ecommerce": 1}
    connection.execute(sa.insert(metadata.tables[f"{PREFIX}site"]), [{"idsite": SITE, **site}])
    option = {"option_name": "version_core", "option_value": RELEASES[5]}
    connection.execute(sa.insert(metadata.tables[f"{PREFIX}option"]), [option])
    goal = {"idsite": SITE, "idgoal": NEWSLETTER, "name": "Newsletter", "revenue": NEWSLETTER_WORTH}
    connection.execute(sa.insert(metadata.tables[f"{PREFIX}goal"]), [goal])
    dimensions = [
        {"idcustomdimension": n, "idsite": SITE, "name": name, "index": n, "scope": "action", "active": 1}
        for n, name in enumerate(("rec_position", "rec_request_id"), start=1)
    ]
    connection.execute(sa.insert(metadata.tables[f"{PREFIX}custom_dimensions"]), dimensions)


def _save(connection: sa.Connection, metadata: sa.MetaData, state: State) -> None:
    table = metadata.tables[SIMULATION]
    rows = {
        "label": LABEL,
        "households": state.households,
        "clock": str(state.clock),
        "truth": asdict(state.truth),
        "late": [_packed(row) for row in state.late],
        "open_visits": state.open_visits,
    }
    connection.execute(sa.delete(table))
    connection.execute(sa.insert(table), [{"name": name, "value": json.dumps(value)} for name, value in rows.items()])


def _state(connection: sa.Connection, metadata: sa.MetaData, url: str) -> State:
    if not sa.inspect(connection).has_table(SIMULATION):
        raise _no_storefront(url)
    found = {name: json.loads(value) for name, value in connection.execute(sa.select(metadata.tables[SIMULATION]))}
    return State(
        found["households"],
        dt.date.fromisoformat(found["clock"]),
        Truth(**found["truth"]),
        [_unpacked(row) for row in found["late"]],
        found["open_visits"],
    )


def _no_storefront(url: str) -> SourceError:
    return SourceError(
        "demo storefront",
        expected="a simulated storefront",
        found=f"none in {sa.make_url(url).render_as_string(hide_password=True)}",
        remedy="Make one with `vitrine demo shop`; a real Matomo is never written.",
    )


def _packed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "server_time": row["server_time"].isoformat(),
        "idvisitor": base64.b64encode(row["idvisitor"]).decode(),
    }


def _unpacked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "server_time": dt.datetime.fromisoformat(row["server_time"]),
        "idvisitor": base64.b64decode(row["idvisitor"]),
    }


def _counts(url: str, metadata: sa.MetaData) -> dict[str, int]:
    with _begin(url) as connection:
        return {
            name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() or 0)
            for name, table in metadata.tables.items()
            if name.startswith(f"{PREFIX}log_")
        }
