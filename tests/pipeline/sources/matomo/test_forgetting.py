"""A forgotten user's clicks and baskets are gone from the archive, and no later reading brings them back."""

from __future__ import annotations

import datetime as dt

from pipeline.erasure.forget import forget
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.joining import join_events
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived, shop_order, visitor

TABLES = ("matomo_events", "matomo_facts", "matomo_baskets", "matomo_visits", "events")


def users(made):
    return {name: {row["user_id"] for row in archived(made.workspace, name)} for name in TABLES}


def join(made, matomo):
    with open_ledger(made.workspace.ledger) as ledger:
        join_events(ledger, made.workspace, matomo.mapping())


def test_a_forgotten_user_stays_forgotten(tmp_path, settings):
    made, matomo = settings(), Installation(f"sqlite:///{tmp_path / 'matomo.db'}")
    for user in ("anna", "bert"):
        visit = matomo.visit(user=user)
        matomo.view(visit, "A")
        matomo.hit(visit, "09:01", idaction_product_cat=matomo.action_id("Tea", 7))
        matomo.cart(visit, {"A": (1, 1.0)})
    matomo.extract(made.workspace)
    join(made, matomo)
    assert all(found == {"anna", "bert"} for found in users(made).values())
    forget("anna", made)
    assert all(found == {"bert"} for found in users(made).values())
    matomo.view(matomo.visit("12:00", user="anna"), "B", "12:00")
    matomo.extract(made.workspace, DAY + dt.timedelta(days=1))
    matomo.reconcile(made.workspace)
    join(made, matomo)
    assert all(found == {"bert"} for found in users(made).values())


def seen(made, name="matomo_events"):
    return [(row["item_id"], row["user_id"]) for row in archived(made.workspace, name)]


def follow(made, matomo, last_day=DAY, **mapping):
    """Extract, and make the events."""
    matomo.extract(made.workspace, last_day)
    with open_ledger(made.workspace.ledger) as ledger:
        join_events(ledger, made.workspace, matomo.mapping(**mapping))


def family(matomo):
    """One browser: Anna looks before she logs in, and on another day without a login; Bert logs in on it too."""
    annas = matomo.visit(user="anna")
    matomo.view(annas, "before her login", "09:00", who="browser")
    matomo.view(annas, "after her login", "09:01", who="anna")
    matomo.view(matomo.visit("10:00", who="browser"), "without login", "10:00", who="browser")
    matomo.view(matomo.visit("11:00", user="bert"), "berts", "11:00", who="browser")
    matomo.view(matomo.visit("12:00", who="stranger"), "a strangers", "12:00", who="stranger")


LEFT = [("berts", "bert"), ("a strangers", None)]


def test_visits_without_a_login_go_with_the_user_who_logged_in_on_that_browser(matomo, settings):
    made = settings()
    family(matomo)
    follow(made, matomo)
    assert len(seen(made)) == 5
    forget("anna", made)
    assert seen(made) == LEFT
    assert {row["visitor_id"] for row in archived(made.workspace, "matomo_visits") if row["user_id"] is None} == {
        visitor("stranger").hex()
    }


def test_that_browser_is_never_read_again_unless_somebody_else_logs_in_on_it(matomo, settings):
    made = settings()
    family(matomo)
    follow(made, matomo)
    forget("anna", made)
    matomo.view(matomo.visit("13:00", who="browser"), "again without login", "13:00", who="browser")
    matomo.view(matomo.visit("14:00", user="bert"), "berts again", "14:00", who="browser")
    follow(made, matomo)
    assert seen(made) == [*LEFT, ("berts again", "bert")]
    matomo.backfill(made.workspace)
    assert seen(made) == [*LEFT, ("berts again", "bert")]


def test_visitor_ids_are_remembered_as_digests_alone(matomo, settings):
    made = settings()
    family(matomo)
    follow(made, matomo)
    forget("anna", made)
    receipts = [path.read_bytes() for path in made.workspace.receipts.iterdir()]
    for content in (made.workspace.ledger.read_bytes(), *receipts):
        assert visitor("browser") not in content
        assert visitor("browser").hex().encode() not in content


def test_an_order_without_a_login_tells_whose_browser_it_was(matomo, settings):
    made = settings()
    shop_order(made.workspace, "1001", "anna")
    ordering = matomo.visit(who="browser")
    matomo.order(ordering, "1001", {"A": (1, 1.0)})
    matomo.view(matomo.visit("12:00", who="browser"), "later", "12:00", who="browser")
    matomo.view(matomo.visit("13:00", who="stranger"), "a strangers", "13:00", who="stranger")
    follow(made, matomo)
    forget("anna", made)
    assert seen(made) == [("a strangers", None)]


def test_who_counted_as_a_visitor_is_forgotten_as_one_too(matomo, settings):
    """The events of the days without a login stand under the visitor's name, in raw and clean and in what follows."""
    made = settings()
    family(matomo)
    follow(made, matomo, anonymous_visitors=True)
    assert f"visitor:{visitor('browser').hex()}" in {row["user_id"] for row in archived(made.workspace, "events")}
    forget("anna", made)
    assert seen(made, "events") == [("berts", "bert"), ("a strangers", f"visitor:{visitor('stranger').hex()}")]
    assert len(list(made.workspace.receipts.iterdir())) == 2
    follow(made, matomo, anonymous_visitors=True)
    assert [item for item, _ in seen(made, "events")] == ["berts", "a strangers"]


def test_a_visitor_can_be_forgotten_by_that_name(matomo, settings):
    made = settings()
    family(matomo)
    follow(made, matomo)
    forget(f"visitor:{visitor('stranger').hex()}", made)
    assert ("a strangers", None) not in seen(made)
    assert len(seen(made)) == 4
