"""A forgotten user's clicks and baskets are gone from the archive, and no later reading brings them back."""

from __future__ import annotations

import datetime as dt

from pipeline.forget import forget
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.joining import join_events
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived

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
