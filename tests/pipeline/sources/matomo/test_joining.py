import datetime as dt

import pytest

from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.joining import join_events
from tests.pipeline.sources.matomo.installation import DAY, Installation, archived, shop_order, visitor

LATER = DAY + dt.timedelta(days=4)


@pytest.fixture
def workspace(settings):
    return settings().workspace


@pytest.fixture
def matomo(tmp_path):
    return Installation(f"sqlite:///{tmp_path / 'matomo.db'}")


def joined(matomo, workspace, last_day=DAY, **mapping):
    """Extract and join; then (events, what was left out)."""
    matomo.extract(workspace, last_day, **mapping)
    with open_ledger(workspace.ledger) as ledger:
        counts = join_events(ledger, workspace, matomo.mapping(**mapping))
    return archived(workspace, "events"), counts


def test_every_kind_becomes_a_canonical_event_and_only_purchases_cost_money(matomo, workspace):
    visit = matomo.visit(user="u")
    matomo.content(visit, "home", "A", "09:00")
    matomo.content(visit, "home", "A", "09:01", clicked=True)
    matomo.view(visit, "A", "09:02", price=9.0)
    matomo.order(visit, "1001", {"A": (2, 1.5)}, "09:10")
    other = matomo.visit(user="u")
    matomo.cart(other, {"B": (3, 2.0)}, "09:20")
    events, _ = joined(matomo, workspace, orders="matomo_where_missing")
    assert [(e["kind"], e["item_id"], e["quantity"], e["value"]) for e in events] == [
        ("impression", "A", 1.0, 0.0),
        ("click", "A", 1.0, 0.0),
        ("view", "A", 1.0, 0.0),
        ("purchase", "A", 2.0, 3.0),
        ("cart", "B", 3.0, 0.0),
    ]
    assert {event["user_id"] for event in events} == {"u"}
    assert events[3]["basket_id"] == "1:order:1001"


def test_a_click_tells_its_slot_its_position_and_the_request_that_filled_it(matomo, workspace):
    """Without dimensions the content's target is the request, and there is no position; a view was shown nowhere."""
    visit = matomo.visit(user="u")
    for index, name in enumerate(("rec_position", "rec_request_id"), start=1):
        row = {"idcustomdimension": index, "idsite": 1, "name": name, "index": index, "scope": "action", "active": 1}
        matomo.add("custom_dimensions", **row)
    dimensions = {"custom_dimension_1": "3", "custom_dimension_2": "r-7"}
    matomo.content(visit, "home", "A", "09:00", target="/a", **dimensions)
    matomo.content(visit, "home", "A", "09:01", target="r-8", clicked=True)
    matomo.content(visit, "home", "A", "09:02", custom_dimension_1="first")
    matomo.view(visit, "A", "09:03", **dimensions)
    events, _ = joined(matomo, workspace)
    assert [(e["kind"], e["slot"], e["position"], e["request_id"]) for e in events] == [
        ("impression", "home", 3, "r-7"),
        ("click", "home", None, "r-8"),
        ("impression", "home", None, None),
        ("view", None, None, None),
    ]


def test_the_shops_orders_win(matomo, workspace):
    matomo.order(matomo.visit(user="u"), "1001", {"A": (2, 1.5)})
    events, counts = joined(matomo, workspace)
    assert (events, counts["matomo_shop_orders"]) == ([], 1)


def test_matomos_orders_fill_gaps_until_the_shop_tells_of_them(matomo, workspace):
    for order in ("1001", "1002"):
        matomo.order(matomo.visit(user="u"), order, {"A": (1, 1.5)})
    matomo.view(matomo.visit(day=LATER), "A", day=LATER)
    filling = {"orders": "matomo_where_missing"}
    assert len(joined(matomo, workspace, LATER, **filling)[0]) == 2
    shop_order(workspace, "1001")
    events, _ = joined(matomo, workspace, LATER, **filling)
    assert [event["basket_id"] for event in events] == ["1:order:1002"]


def test_visitors_without_login_are_left_out_and_counted_unless_they_are_wanted(matomo, workspace):
    matomo.view(matomo.visit(), "A")
    assert joined(matomo, workspace)[1]["matomo_anonymous"] == 1
    events, counts = joined(matomo, workspace, anonymous_visitors=True)
    assert (len(events), counts["matomo_anonymous"]) == (1, 0)
    assert events[0]["user_id"] == f"visitor:{visitor('anna').hex()}"


def test_only_named_slots_are_recommendation_slots(matomo, workspace):
    visit = matomo.visit(user="u")
    for slot in ("home", "banner"):
        matomo.content(visit, slot, "A")
    matomo.view(visit, "A")
    events, counts = joined(matomo, workspace, slots=("home",))
    assert sorted(event["kind"] for event in events) == ["impression", "view"]
    assert counts["matomo_other_slots"] == 1


@pytest.mark.parametrize(("seconds", "pages", "left"), [(1, 30, 0), (1, 29, 29), (3, 40, 40)])
def test_a_machine_has_many_pages_at_a_pace_at_which_nobody_reads(matomo, workspace, seconds, pages, left):
    visit = matomo.visit(user="u")
    moment = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    for number in range(pages):
        time = (moment + dt.timedelta(seconds=seconds * number)).time().isoformat()
        matomo.view(visit, f"S{number}", time)
        matomo.content(visit, "home", "A", time)  # shown things are no pages
    events, counts = joined(matomo, workspace)
    assert sum(event["kind"] == "view" for event in events) == left
    assert counts["matomo_bots"] == 2 * (pages - left)


def test_only_days_that_changed_are_made_again(matomo, workspace):
    matomo.view(matomo.visit(user="u"), "A")
    matomo.view(matomo.visit(user="u", day=LATER), "A", day=LATER)
    assert joined(matomo, workspace, LATER)[1]["matomo_rows"] == 2
    assert joined(matomo, workspace, LATER)[1] == {}
    (workspace.raw / "events" / f"day={DAY}" / "part.parquet").unlink()
    assert joined(matomo, workspace, LATER)[1]["matomo_rows"] == 1
