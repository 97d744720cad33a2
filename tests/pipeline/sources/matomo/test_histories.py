"""Random histories of a Matomo, interleaved with extractions: in the end the archive equals the source.

25 histories on SQLite and 10 on MariaDB; `VITRINE_TEST_HISTORIES=3000` tries as many new ones on each.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.workspace import Workspace
from tests.pipeline.sources.histories import PATIENT, as_many_as, killed_at
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived, at

DAYS = 5
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("visit"), st.integers(0, DAYS), st.integers(0, 23)),
        st.tuples(st.just("view"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("cart"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("buy"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("login"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("drop"), st.integers(0, 99), st.just(0)),
        st.tuples(st.just("late commit"), st.integers(0, 99), st.just(0)),
        st.tuples(st.just("extract"), st.integers(0, DAYS), st.just(0)),
        st.tuples(st.just("killed extract"), st.integers(0, DAYS), st.integers(1, 300)),
    ),
    min_size=3,
    max_size=25,
)


class History:
    """A Matomo to which the steps of a history are done; every time is of the visit's clock, hours after it began."""

    def __init__(self, matomo, workspace):
        self.matomo, self.workspace = matomo, workspace
        self.visits, self.reserved = [], []

    def do(self, step, number, hours):
        if step == "visit":
            day = DAY + dt.timedelta(days=number)
            self.visits.append((self.matomo.visit(f"{hours:02}:00", day=day), day, hours))
        elif step == "extract":
            self.matomo.extract(self.workspace, DAY + dt.timedelta(days=number))
        elif step == "killed extract":
            self._killed(DAY + dt.timedelta(days=number), hours)
        elif self.visits:
            getattr(self, "_" + step.replace(" ", "_"))(*self.visits[number % len(self.visits)], hours)

    def _touch(self, visit, day, hour, later):
        """The visit goes on, perhaps on the next day; returns (day, time)."""
        moment = dt.datetime.combine(day, dt.time(hour)) + dt.timedelta(hours=later, minutes=1)
        last = "UPDATE {p}log_visit SET visit_last_action_time = ? WHERE idvisit = ? AND visit_last_action_time < ?"
        text = at(moment.strftime("%H:%M"), moment.date())
        self.matomo.run(last, text, visit, text)
        return moment.date(), moment.strftime("%H:%M")

    def _view(self, visit, day, hour, later):
        on, time = self._touch(visit, day, hour, later)
        self.matomo.view(visit, f"S{later}", time, day=on)

    def _late_commit(self, visit, day, hour, _later):
        """The id after the next is committed first; the one that was skipped comes with the next such step."""
        on, time = self._touch(visit, day, hour, 0)
        if self.reserved:
            self.matomo.view(visit, "late", time, day=on, idlink_va=self.reserved.pop())
            return
        highest = self.matomo.ask("SELECT MAX(idlink_va) FROM {p}log_link_visit_action")[0][0] or 0
        self.reserved.append(highest + 1)
        self.matomo.view(visit, "early", time, day=on, idlink_va=highest + 2)

    def _goals(self, visit):
        return [goal for (goal,) in self.matomo.ask("SELECT idgoal FROM {p}log_conversion WHERE idvisit = ?", visit)]

    def _cart(self, visit, day, hour, later):
        if not self._goals(visit):
            on, time = self._touch(visit, day, hour, later)
            self.matomo.cart(visit, {"A": (1, 1.0), f"S{later}": (2, 2.5)}, time, day=on)

    def _buy(self, visit, day, hour, later):
        if self._goals(visit) == [-1]:
            on, time = self._touch(visit, day, hour, later)
            self.matomo.buy(visit, f"order-{visit}", time, on)

    def _login(self, visit, day, hour, later):
        self._touch(visit, day, hour, later)
        self.matomo.run("UPDATE {p}log_visit SET user_id = 'anna' WHERE idvisit = ?", visit)

    def _drop(self, visit, day, hour, _later):
        """A line is taken out of the cart: Matomo rewrites every line's time."""
        if self._goals(visit) == [-1]:
            self._touch(visit, day, hour, 0)
            self.matomo.run("UPDATE {p}log_conversion_item SET deleted = 1 WHERE idvisit = ? AND price = 1.0", visit)

    def _killed(self, last_day, point):
        """Extraction dies by SIGKILL before one of its steps towards disk: any rename, any statement to the ledger."""
        killed_at(point, lambda: self.matomo.extract(self.workspace, last_day))


def check(make, steps):
    with tempfile.TemporaryDirectory() as folder:
        matomo = make(folder)
        history = History(matomo, Workspace(Path(folder) / "work"))
        for step in steps:
            history.do(*step)
        last = DAY + dt.timedelta(days=DAYS + 1)
        matomo.extract(history.workspace, last)
        fresh = Workspace(Path(folder) / "fresh")
        matomo.extract(fresh, last)
        for name in MATOMO_TABLES:
            assert archived(history.workspace, name) == archived(fresh, name)


@PATIENT
@as_many_as(25, Phase.shrink)
@given(STEPS)
def test_the_archive_equals_the_source_after_any_history(steps):
    check(lambda folder: Installation(f"sqlite:///{folder}/matomo.db"), steps)


@pytest.mark.slow
@PATIENT
@as_many_as(10, Phase.shrink)
@given(STEPS)
def test_so_it_does_on_mariadb(mysql_database, steps):
    check(lambda _folder: Installation(mysql_database, prefix=f"h{uuid.uuid4().hex[:8]}_"), steps)
