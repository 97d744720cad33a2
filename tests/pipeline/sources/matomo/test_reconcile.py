import datetime as dt

import pytest

from pipeline.sources.ledger import open_ledger
from tests.pipeline.sources.matomo.installation import DAY, archived, at, visitor

NEXT, LATER = DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=9)


@pytest.fixture
def workspace(settings):
    return settings().workspace


@pytest.fixture
def filled(matomo, workspace):
    """An oldest day, which a purge would take first; the day that changes; and one that moves the overlap away."""
    matomo.view(matomo.visit(day=DAY - dt.timedelta(days=3)), "old", day=DAY - dt.timedelta(days=3))
    matomo.first = matomo.visit(user="anna")
    matomo.second = matomo.visit(user="bert")
    matomo.view(matomo.first, "A")
    matomo.view(matomo.second, "B")
    matomo.order(matomo.second, "1001", {"B": (1, 1.0)})
    matomo.view(matomo.visit(day=LATER), "C", day=LATER)
    matomo.extract(workspace, LATER)
    return matomo


def items(workspace):
    return [(row["kind"], row["item_id"]) for row in archived(workspace) if row["time"].date() == DAY]


def test_nothing_changed_is_nothing_to_read(filled, workspace):
    assert filled.reconcile(workspace) == []


def test_a_visit_that_was_erased_vanishes_with_all_it_did(filled, workspace):
    for table in ("log_visit", "log_link_visit_action", "log_conversion", "log_conversion_item"):
        filled.run(f"DELETE FROM {{p}}{table} WHERE idvisit = ?", filled.second)
    filled.extract(workspace, LATER, overlap_ids=0, overlap_visits=0)
    assert ("view", "B") in items(workspace)  # no cursor sees a deletion
    assert filled.reconcile(workspace) == [DAY]
    assert items(workspace) == [("view", "A")]
    assert filled.reconcile(workspace) == []


def test_a_user_who_was_anonymised_is_anonymous_here_too(filled, workspace):
    """Matomo's data-subject tools rewrite old rows: as many as before, without the user."""
    filled.run("UPDATE {p}log_visit SET user_id = NULL, idvisitor = ? WHERE idvisit = ?", visitor("x"), filled.first)
    assert filled.reconcile(workspace) == [DAY]
    users = {row["item_id"]: row["user_id"] for row in archived(workspace)}
    assert (users["A"], users["B"]) == (None, "bert")


def test_who_was_anonymised_is_anonymous_on_every_day_of_the_visit(matomo, workspace):
    """Only the visit's own row changes, and that lies on its last day."""
    visit = matomo.visit("23:50", user="anna", who="anna")
    matomo.view(visit, "A", "23:50")
    matomo.view(visit, "B", "00:10", day=NEXT)
    matomo.run("UPDATE {p}log_visit SET visit_last_action_time = ? WHERE idvisit = ?", at("00:10", NEXT), visit)
    matomo.extract(workspace, NEXT)
    matomo.run("UPDATE {p}log_visit SET user_id = NULL")
    matomo.reconcile(workspace)
    assert [(row["item_id"], row["user_id"]) for row in archived(workspace)] == [("A", None), ("B", None)]
    assert matomo.reconcile(workspace) == []


def test_a_line_that_vanished_is_found(filled, workspace):
    filled.run("DELETE FROM {p}log_conversion_item")
    assert filled.reconcile(workspace) == [DAY]
    assert ("purchase", "B") not in items(workspace)


def test_values_that_were_rewritten_in_place_are_found(filled, workspace):
    """No count and no id tells of them; a comparison of keys alone would not ask for them."""
    filled.run("UPDATE {p}log_conversion_item SET price = 9 WHERE idorder = '1001'")
    assert filled.reconcile(workspace, compare="keys") == []
    (difference,) = map(str, filled.compared(workspace).differences)
    assert difference == "matomo_log_conversion_item 2026-03-02: values differ, source 1 rows, archive 1"
    assert [row["price"] for row in archived(workspace) if row["kind"] == "purchase"] == [9]
    assert filled.reconcile(workspace) == []


def test_the_site_that_differs_is_named(install, workspace):
    two = install(sites=(1, 2))
    for site in (1, 2):
        for day in (DAY - dt.timedelta(days=3), DAY):
            two.view(two.visit(site=site, day=day), "A", site=site, day=day)
    two.extract(workspace)
    two.run("UPDATE {p}log_visit SET user_id = 'anna' WHERE idsite = 2 AND visit_last_action_time >= ?", str(DAY))
    (difference,) = map(str, two.compared(workspace).differences)
    assert difference == "matomo_log_visit of site 2 2026-03-02: values differ, source 1 rows, archive 1"


def test_a_back_dated_order_of_an_old_untouched_visit_is_found_here_and_nowhere_else(filled, workspace):
    """An import writes a conversion, which no id and no visit's time tells of."""
    filled.order(filled.first, "1002", {"A": (1, 1.0)}, "11:00")
    filled.extract(workspace, LATER, overlap_ids=0, overlap_visits=0)
    assert ("purchase", "A") not in items(workspace)
    assert filled.reconcile(workspace) == [DAY]
    assert ("purchase", "A") in items(workspace)


def test_what_was_found_is_counted_told_and_entered(filled, workspace):
    filled.run("DELETE FROM {p}log_link_visit_action WHERE idvisit = ?", filled.first)
    filled.order(filled.first, "1002", {"A": (1, 1.0)}, "11:00")
    filled.run("UPDATE {p}log_conversion SET revenue = 5 WHERE idorder = '1001'")
    found = filled.compared(workspace)
    assert (found.inserted, found.updated, found.deleted) == (2, 1, 1)
    assert list(map(str, found.differences)) == [
        "matomo_log_conversion 2026-03-02: keys differ, source 2 rows, archive 1",
        "matomo_log_conversion_item 2026-03-02: keys differ, source 2 rows, archive 1",
        "matomo_log_link_visit_action 2026-03-02: keys differ, source 1 rows, archive 2",
    ]
    with open_ledger(workspace.ledger) as ledger:
        entries = ledger.extractions("matomo_events")
    assert [(entry.kind, entry.inserted, entry.deleted) for entry in entries[-2:]] == [
        ("reconcile", 1, 1),
        ("reconcile", 2, 1),
    ]
    assert entries[-1].note == "; ".join(map(str, found.differences))
    assert entries[-1].rows == found.rows > 7


def test_only_the_named_days_are_compared(filled, workspace):
    for day in (DAY, LATER):
        filled.run("DELETE FROM {p}log_link_visit_action WHERE server_time LIKE ?", f"{day}%")
    assert filled.reconcile(workspace, first=LATER) == [LATER]
    assert filled.reconcile(workspace, last=DAY) == [DAY]
    assert filled.reconcile(workspace) == []


def test_what_matomos_own_purge_took_is_kept(filled, workspace):
    """`delete_logs_enable` takes the oldest visits; the day on which it stopped is gone in part."""
    before = archived(workspace)
    for table in ("log_visit", "log_link_visit_action"):
        filled.run(f"DELETE FROM {{p}}{table} WHERE idvisit < ?", filled.second)
    assert filled.reconcile(workspace) == []
    assert archived(workspace) == before
