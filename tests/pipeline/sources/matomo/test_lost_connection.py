"""Matomo's database goes away while a day is read: it is read again, of one moment, and nothing is half entered."""

from __future__ import annotations

import pytest

from pipeline.errors import UnreachableError
from pipeline.settings import Extract
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.extraction import extract_matomo
from pipeline.sources.matomo.reader import MatomoSource, open_matomo
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.workspace import Workspace
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived


class Struck(MatomoSource):
    """Before the second table of a day is asked for, something happens; as often as `fates` has something."""

    fates = ()

    def _actions(self, *window):
        if self.fates:
            self.fates.pop(0)()
        yield from super()._actions(*window)


@pytest.fixture
def matomo(mysql_database):
    made = Installation(mysql_database)
    visit = made.visit("09:00", "09:30", user="anna")
    made.view(visit, "A", "09:01")
    made.order(visit, "o1", {"A": (1, 2.5)})
    return made


def extract(matomo, workspace, fates, attempts=2):
    limits = Extract(attempts=attempts, retry_seconds=0)
    with (
        open_matomo(matomo.url, matomo.mapping(), limits) as opened,
        open_ledger(workspace.ledger) as ledger,
    ):
        source = Struck(**vars(opened))
        object.__setattr__(source, "fates", [lambda fate=fate: fate(source) for fate in fates])
        extract_matomo(source, ledger, workspace, DAY, DAY)
        return opened.session.reopened


def killed(matomo):
    def fate(source):
        (number,) = source.connection.exec_driver_sql("SELECT CONNECTION_ID()").one()
        matomo.run(f"KILL {number}")

    return fate


def test_a_killed_connection_costs_one_day_which_is_read_again_of_one_moment(matomo, tmp_path):
    def killed_after_a_change(source):
        matomo.run("UPDATE {p}log_visit SET user_id = 'berta'")
        matomo.view(1, "B", "09:25")
        killed(matomo)(source)

    workspace = Workspace(tmp_path / "work")
    assert extract(matomo, workspace, [killed_after_a_change]) == 1
    assert {row["item_id"] for row in archived(workspace)} == {"A", "B"}
    for name in MATOMO_TABLES:
        assert {row["user_id"] for row in archived(workspace, name)} <= {"berta"}
    assert matomo.reconcile(workspace) == [], "what is entered as held is of the moment of the rows"
    with open_ledger(workspace.ledger) as ledger:
        (entry,) = [each for each in ledger.extractions("matomo_events") if each.kind == "new"]
    assert (entry.kind, entry.rows, entry.inserted, entry.updated, entry.deleted) == ("new", 3, 3, 0, 0)
    assert entry.checksum
    assert entry.seconds > 0


def test_what_is_written_meanwhile_is_not_half_read(matomo, tmp_path):
    """The snapshot is Vitrine's own wish: a server whose default is READ COMMITTED would show half of this."""

    def renamed(_source):
        matomo.run("UPDATE {p}log_visit SET user_id = 'berta'")
        matomo.view(1, "B", "09:25")

    workspace = Workspace(tmp_path / "work")
    careless = {"init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}
    matomo.url = matomo.url.update_query_dict(careless)
    assert extract(matomo, workspace, [renamed]) == 0
    assert {(row["item_id"], row["user_id"]) for row in archived(workspace)} == {("A", "anna")}


def test_a_matomo_that_stays_away_is_told_and_nothing_is_entered(matomo, tmp_path):
    workspace = Workspace(tmp_path / "work")
    with pytest.raises(UnreachableError, match="expected an answer"):
        extract(matomo, workspace, [killed(matomo)] * 3, attempts=2)
    assert archived(workspace) == []
    with open_ledger(workspace.ledger) as ledger:
        assert ledger.extractions("matomo_events") == []
