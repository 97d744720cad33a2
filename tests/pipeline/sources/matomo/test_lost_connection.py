"""Matomo's database goes away while a day is read: reading goes on at its page, and nothing is half entered."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from pipeline.errors import SourceError, UnreachableError
from pipeline.settings import Extract
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.extraction import extract_matomo
from pipeline.sources.matomo.reader import MatomoSource, open_matomo
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.workspace import Workspace
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived
from tests.servers import fresh_database, mortal_server

VIEWS, PAGE = 20, 4
MIDDLE = 3
"""The page of actions within which something happens."""


class Struck(MatomoSource):
    """Pages are short, and within one in the middle of a day's actions something happens; `asked` counts them."""

    fates, asked = (), 0

    def read(self, start, end):
        return super().read(start, end, PAGE)

    def _names(self, ids):
        vars(self)["asked"] = self.asked + 1
        if self.asked == MIDDLE and self.fates:
            self.fates.pop(0)()
        return super()._names(ids)


@pytest.fixture
def matomo(mysql_database):
    return filled(mysql_database)


def filled(url):
    """A day of some pages: what was looked at, and an order."""
    made = Installation(url)
    visit = made.visit("09:00", "09:30", user="anna")
    for number in range(VIEWS):
        made.view(visit, f"A{number}", f"09:{number:02}")
    made.order(visit, "o1", {"A1": (1, 2.5)})
    return made


@pytest.fixture
def server():
    """One that may be killed; it runs again afterwards."""
    found = mortal_server()
    yield found
    found.kill()
    found.start()


@pytest.fixture
def on_its_own(server):
    with fresh_database(server.url) as url:
        yield filled(url)


@contextmanager
def struck(matomo, *fates, **limits):
    """The source, whose fates come one after the other."""
    patience = Extract(**{"attempts": 2, "retry_seconds": 0, "lock_wait_seconds": 1} | limits)
    with open_matomo(matomo.url, matomo.mapping(), patience) as opened:
        source = Struck(**vars(opened))
        vars(source)["fates"] = [lambda fate=fate: fate(source) for fate in fates]
        yield source


def extract(matomo, workspace, *fates, **limits):
    """Read the day; how often the connection was opened again, and how many pages of actions and orders came."""
    with struck(matomo, *fates, **limits) as source, open_ledger(workspace.ledger) as ledger:
        extract_matomo(source, ledger, workspace, DAY, DAY)
        return source.session.reopened, source.asked


def killed(matomo):
    def fate(source):
        (number,) = source.connection.exec_driver_sql("SELECT CONNECTION_ID()").one()
        matomo.run(f"KILL {number}")

    return fate


def restarted(server, end):
    def fate(_source):
        getattr(server, end)()
        server.start()

    return fate


def test_a_killed_connection_costs_one_page(matomo, tmp_path):
    assert_resumes(matomo, tmp_path, killed(matomo))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_restarts_within_a_day_costs_one_page(on_its_own, server, tmp_path, end):
    assert_resumes(on_its_own, tmp_path, restarted(server, end))


def assert_resumes(matomo, folder, fate):
    """No page is asked for twice but the one that was lost, and what is archived is what the day holds."""
    undisturbed, workspace = Workspace(folder / "undisturbed"), Workspace(folder / "work")
    _, pages = extract(matomo, undisturbed)
    assert pages == VIEWS // PAGE + 1, "those of actions, and one of orders"
    assert extract(matomo, workspace, fate) == (1, pages)
    for name in MATOMO_TABLES:
        assert archived(workspace, name) == archived(undisturbed, name)
    assert matomo.reconcile(workspace) == []


def test_a_day_that_changed_meanwhile_is_read_from_its_beginning_of_one_moment(matomo, tmp_path):
    def killed_after_a_change(source):
        matomo.run("UPDATE {p}log_visit SET user_id = 'berta'")
        matomo.view(1, "B", "09:25")
        killed(matomo)(source)

    workspace = Workspace(tmp_path / "work")
    assert extract(matomo, workspace, killed_after_a_change) == (1, 2 * (VIEWS // PAGE + 2))
    assert {row["item_id"] for row in archived(workspace)} == {"B", *(f"A{number}" for number in range(VIEWS))}
    for name in MATOMO_TABLES:
        assert {row["user_id"] for row in archived(workspace, name)} <= {"berta"}
    assert matomo.reconcile(workspace) == [], "what is entered as held is of the moment of the rows"
    with open_ledger(workspace.ledger) as ledger:
        (entry,) = [each for each in ledger.extractions("matomo_events") if each.kind == "new"]
    assert (entry.rows, entry.inserted, entry.updated, entry.deleted) == (VIEWS + 2, VIEWS + 2, 0, 0)
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
    assert extract(matomo, workspace, renamed)[0] == 0
    found = archived(workspace)
    assert {row["user_id"] for row in found} == {"anna"}
    assert "B" not in {row["item_id"] for row in found}


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_stays_away_is_told_and_nothing_is_entered(on_its_own, server, tmp_path, end):
    workspace = Workspace(tmp_path / "work")
    with pytest.raises(UnreachableError, match="expected an answer"):
        extract(on_its_own, workspace, lambda _source: getattr(server, end)())
    assert_nothing(workspace)
    server.start()
    extract(on_its_own, workspace)
    assert len(archived(workspace)) == VIEWS + 1


def test_a_locked_table_is_told_and_the_next_run_goes_on(matomo, tmp_path):
    workspace = Workspace(tmp_path / "work")
    with matomo.engine.connect() as locker:
        locker.exec_driver_sql(f"LOCK TABLES {matomo.prefix}log_conversion WRITE")
        with pytest.raises(SourceError, match="locked") as told:
            extract(matomo, workspace)
    assert "lock_wait_seconds" in told.value.remedy
    assert_nothing(workspace)
    extract(matomo, workspace)
    assert len(archived(workspace)) == VIEWS + 1


def test_a_wrong_password_is_told_without_showing_it(matomo, tmp_path):
    matomo.url = matomo.url.set(username="nobody", password="s3cret")
    with pytest.raises(SourceError, match="Access denied") as told:
        extract(matomo, Workspace(tmp_path / "work"))
    assert "s3cret" not in str(told.value)


def assert_nothing(workspace):
    assert archived(workspace) == []
    with open_ledger(workspace.ledger) as ledger:
        assert ledger.extractions("matomo_events") == []
