import datetime as dt
import json
import math
from collections import Counter
from itertools import pairwise

import pytest
import sqlalchemy as sa

from pipeline.demo.journey import journey_tables
from pipeline.demo.storefront import SIMULATION, advance, clock, make_storefront, write_truth
from pipeline.demo.storefront_truth import Truth
from pipeline.errors import SourceError
from pipeline.settings import Extract
from pipeline.sources.matomo.mapping import MatomoMapping
from pipeline.sources.matomo.reader import open_matomo

FIRST, LAST = dt.date(2017, 1, 1), dt.date(2017, 1, 21)
HOUSEHOLDS = 40
TRUTH = Truth(seed=7)


def make(url, first=FIRST, through=LAST, households=HOUSEHOLDS, truth=TRUTH):
    return make_storefront(url, households=households, first=first, through=through, truth=truth)


def rows(url, query):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def everything(url):
    """Every row of every table of the log, and the simulation's state."""
    names = ["action", "visit", "link_visit_action", "conversion", "conversion_item"]
    tables = [f"matomo_log_{name}" for name in names] + [SIMULATION]
    return {table: sorted(map(repr, rows(url, f"SELECT * FROM {table}"))) for table in tables}


def told(url, first=FIRST, through=LAST):
    """The storefront as the reader sees it: table name -> rows."""
    start, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (first, through + dt.timedelta(days=1)))
    found = {}
    with open_matomo(sa.make_url(url), MatomoMapping(sites=(1,)), Extract()) as source:
        for table, page in source.read(start, end):
            found.setdefault(table.name, []).extend(page.to_pylist())
    return found


@pytest.fixture(scope="module")
def storefront(tmp_path_factory):
    """Three weeks of 40 households; never write into it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('storefront') / 'matomo.db'}"
    make(url)
    return url


@pytest.fixture(scope="module")
def found(storefront):
    return told(storefront)


@pytest.fixture(scope="module")
def real_lines():
    return journey_tables(HOUSEHOLDS, only=("order_items",))["order_items"]


def near(count, expected, n):
    """Within four standard deviations of a share: a true simulation fails once in 16,000 seeds."""
    return abs(count / n - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


@pytest.fixture(scope="module")
def slots(found):
    """(position, clicked, bought, buying) of every list shown, one row per item shown."""
    bought = {}
    for event in found["matomo_events"]:
        if event["kind"] == "purchase":
            bought.setdefault(event["visit_id"], set()).add(event["item_id"])
    clicked = {(e["request_id"], e["item_id"]) for e in found["matomo_events"] if e["kind"] == "click"}
    return [
        (
            event["position"],
            (event["request_id"], event["item_id"]) in clicked,
            event["item_id"] in bought.get(event["visit_id"], ()),
            event["request_id"].startswith("order-") and event["visit_id"] in bought,
        )
        for event in found["matomo_events"]
        if event["kind"] == "impression"
    ]


def test_clicks_by_position_are_as_the_truth_says(slots):
    for position in range(1, TRUTH.positions + 1):
        for buying in (True, False):
            shown = [clicked for at, clicked, _, in_buying in slots if at == position and in_buying == buying]
            assert len(shown) > 300
            if buying:
                assert near(sum(shown), TRUTH.click(position, buying=True), len(shown))


def test_purchases_of_what_was_shown_and_clicked_are_as_the_truth_says(slots):
    buying = [(clicked, bought) for _, clicked, bought, in_buying in slots if in_buying]
    assert near(sum(bought for _, bought in buying), TRUTH.purchase_given_shown, len(buying))
    clicked = [bought for was_clicked, bought in buying if was_clicked]
    assert len(clicked) > 200
    assert near(sum(clicked), TRUTH.purchase_given_click, len(clicked))


def test_every_order_is_a_real_basket_line_by_line(found, real_lines):
    sold = real_lines[(real_lines["quantity"] > 0) & (real_lines["sales_value"] > 0)]
    expected = sold.groupby(["basket_id", "product_id"])["sales_value"].sum().round(2)
    purchases = [event for event in found["matomo_events"] if event["kind"] == "purchase"]
    assert len(purchases) > 1000
    for event in purchases:
        money = event["price"] * event["quantity"]
        assert money == pytest.approx(expected[int(event["order_id"]), int(event["item_id"])], abs=0.01)


def test_there_are_bots_logins_midway_open_carts_dropped_lines_and_anonymous_visitors(storefront, found):
    baskets = found["matomo_baskets"]
    assert sum(basket["kind"] == "cart" for basket in baskets) > 20
    assert sum(basket["dropped_lines"] for basket in baskets) > 20
    users = Counter(visit["user_id"] is None for visit in found["matomo_visits"])
    assert users[True] > 50
    assert users[False] > 300
    views = Counter(event["visit_id"] for event in found["matomo_events"] if event["kind"] == "view")
    assert sum(count >= TRUTH.bot_pages for count in views.values()) == (LAST - FIRST).days + 1
    midway = "SELECT count(*) FROM (SELECT 1 FROM matomo_log_link_visit_action GROUP BY idvisit"
    assert rows(storefront, f"{midway} HAVING count(DISTINCT idvisitor) > 1) t")[0][0] > 100


def test_goals_are_reached_as_often_as_the_truth_says(found):
    views = Counter(event["visit_id"] for event in found["matomo_events"] if event["kind"] == "view")
    people = [visit["visit_id"] for visit in found["matomo_visits"] if views[visit["visit_id"]] < TRUTH.bot_pages]
    goals = [fact for fact in found["matomo_facts"] if fact["kind"] == "goal"]
    assert {(fact["text"], fact["revenue"]) for fact in goals} == {("Newsletter", 1.5)}
    assert near(len(goals), TRUTH.newsletter, len(people))


def test_late_rows_have_later_ids_and_earlier_times(storefront):
    query = "SELECT idlink_va, server_time FROM matomo_log_link_visit_action ORDER BY idlink_va"
    times = [str(time) for _, time in rows(storefront, query)]
    behind = sum(later[:10] < earlier[:10] for earlier, later in pairwise(times))
    assert behind > 5


def test_views_come_before_the_purchase(found):
    bought = {(e["visit_id"], e["item_id"]): e["time"] for e in found["matomo_events"] if e["kind"] == "purchase"}
    seen = [(e, bought.get((e["visit_id"], e["item_id"]))) for e in found["matomo_events"] if e["kind"] == "view"]
    before = [event["time"] <= time for event, time in seen if time is not None]
    assert len(before) > 1000
    assert all(before)


def test_the_same_seed_makes_the_same_rows_and_another_seed_others(tmp_path):
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "same", "other")]
    for url, seed in zip(urls, (1, 1, 2), strict=True):
        make(url, through=FIRST + dt.timedelta(days=2), households=5, truth=Truth(seed=seed))
    one, same, other = map(everything, urls)
    assert one == same
    assert one != other


@pytest.mark.slow
def test_moving_the_clock_day_by_day_equals_one_jump(tmp_path):
    jump, steps = (f"sqlite:///{tmp_path / name}.db" for name in ("jump", "steps"))
    last = FIRST + dt.timedelta(days=6)
    make(jump, through=last, households=10)
    make(steps, through=FIRST, households=10)
    for number in range(1, 7):
        advance(steps, FIRST + dt.timedelta(days=number))
    assert clock(jump) == clock(steps) == last
    assert everything(jump) == everything(steps)


def test_a_cart_of_the_evening_becomes_the_order_of_the_morning(tmp_path):
    """Both tables' primary keys change between two days of the clock."""
    url = f"sqlite:///{tmp_path / 'matomo.db'}"
    truth = Truth(seed=3, overnight=1.0)
    make(url, through=FIRST, households=20, truth=truth)
    overnight = f"SELECT idvisit FROM matomo_log_conversion WHERE idgoal = -1 AND server_time >= '{FIRST} 23:55'"
    carts = {visit for (visit,) in rows(url, overnight)}
    assert carts
    advance(url, FIRST + dt.timedelta(days=1))
    visits = ", ".join(map(str, carts))
    after = rows(url, f"SELECT idgoal, idorder FROM matomo_log_conversion WHERE idgoal <= 0 AND idvisit IN ({visits})")
    assert all(goal == 0 and order for goal, order in after)
    lines = rows(url, f"SELECT DISTINCT idorder FROM matomo_log_conversion_item WHERE idvisit IN ({visits})")
    assert {order for (order,) in lines} == {order for _, order in after}
    started = told(url, FIRST, FIRST)["matomo_events"]
    assert not [event for event in started if event["kind"] == "cart" and event["visit_id"] in carts]


def test_mariadb_holds_the_same_storefront(mysql_database, tmp_path):
    last = FIRST + dt.timedelta(days=2)
    file = f"sqlite:///{tmp_path / 'matomo.db'}"
    for url in (file, mysql_database):
        make(url, through=last, households=5)
    here, there = told(file, through=last), told(mysql_database, through=last)
    for name, expected in here.items():
        assert len(there[name]) == len(expected)
        for row, other in zip(expected, there[name], strict=True):
            assert row == {
                key: pytest.approx(value, abs=0.06) if key == "revenue" else value for key, value in other.items()
            }


def test_it_says_that_it_is_simulated_and_what_is_true(storefront, tmp_path):
    assert "SIMULATED" in rows(storefront, "SELECT name FROM matomo_site")[0][0]
    write_truth(tmp_path / "truth.json", storefront)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert "SIMULATED" in truth["label"]
    assert truth["clock"] == str(LAST)
    assert truth["click_by_position_buying"][0] == pytest.approx(0.1 * 0.5 + 0.9 * 0.05)
    assert truth["purchase_given_click_buying"] == pytest.approx(0.05 / 0.095)


def test_nothing_is_overwritten_and_no_real_matomo_is_ever_advanced(storefront, tmp_path):
    with pytest.raises(SourceError, match="without Matomo's tables"):
        make(storefront)
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    with pytest.raises(SourceError, match="a simulated storefront"):
        advance(empty, LAST)
    with pytest.raises(SourceError, match="Time does not run backwards"):
        advance(storefront, FIRST)
    with pytest.raises(SourceError, match="fewer --days"):
        make(f"sqlite:///{tmp_path / 'none.db'}", through=FIRST - dt.timedelta(days=1))
