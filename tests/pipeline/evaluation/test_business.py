"""Business metrics of slots: known answers by hand, and the simulated storefront's truth found again."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from feature_store.schema import EVENTS
from pipeline.demo.storefront import make_storefront
from pipeline.demo.storefront_truth import Truth
from pipeline.evaluation.business import business
from pipeline.evaluation.exposures import shown_items
from pipeline.evaluation.off_policy import Log, ips, snips
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.matomo.behaviour import canonical_events
from pipeline.sources.matomo.mapping import MatomoMapping
from pipeline.sources.matomo.reader import open_matomo

DAY = dt.date(2017, 1, 10)
NOON = dt.datetime(2017, 1, 10, 12, tzinfo=dt.UTC)
TRUTH = Truth(seed=7)


def event(number, kind, user="u", item="milk", minutes=0, value=0.0, **more):
    time = NOON + dt.timedelta(minutes=minutes)
    told = {"slot": "home", "position": 1, "request_id": "r1"} if kind in ("impression", "click") else {}
    row = dict.fromkeys(EVENTS.columns) | {"basket_id": "b", "quantity": 1.0, "discount": 0.0, "updated_at": time}
    return row | {
        "event_id": str(number), "kind": kind, "time": time, "user_id": user, "item_id": item, "value": value,
    } | told | more  # fmt: skip


def archive(settings, rows, days=(DAY,)):
    """Clean events, each in the partition of the day on which it was told."""
    for day in days:
        folder = settings.workspace.clean / "events" / f"day={day}"
        folder.mkdir(parents=True)
        of_day = [row for row in rows if row["updated_at"].date() == day]
        pq.write_table(pa.Table.from_pylist(of_day, arrow_schema(EVENTS)), folder / "part.parquet")
    return settings


def found(settings, first=DAY, last=DAY, **more):
    return business(first, last, settings, **more)


def test_a_purchase_belongs_to_the_last_click_before_it(settings):
    rows = [
        event(1, "impression"),
        event(2, "impression", request_id="r2", minutes=60, position=2),
        event(3, "click"),
        event(4, "click", request_id="r2", minutes=61, position=2),
        event(5, "purchase", minutes=90, value=12.0),
    ]
    report = found(archive(settings(), rows))
    assert report["all"]["clicks"] == 2
    assert report["all"]["gmv"] == 12
    assert report["by"]["position"]["1"]["gmv"] == 0
    assert report["by"]["position"]["2"]["gmv_per_thousand"][0] == 12_000
    assert report["all"]["cvr"][0] == 0.5


@pytest.mark.parametrize(
    "purchase",
    [
        {"minutes": -1},
        {"minutes": 24 * 60 + 2},
        {"user": "other"},
        {"item": "bread"},
    ],
)
def test_what_no_click_led_to_is_not_its_money(settings, purchase):
    rows = [event(1, "impression"), event(2, "click", minutes=1), event(3, "purchase", value=5.0, **purchase)]
    assert found(archive(settings(), rows, (DAY, DAY + dt.timedelta(days=1))))["all"]["gmv"] == 0


def test_a_cart_after_an_impression_counts_without_a_click_and_money_does_not(settings):
    rows = [
        event(1, "impression"),
        event(2, "cart", minutes=5),
        event(3, "impression", item="bread", position=2),
        event(4, "purchase", item="bread", minutes=9, value=3.0),
        event(5, "impression", item="soap", position=3),
        event(6, "cart", item="soap", minutes=-5),
    ]
    everything = found(archive(settings(), rows))["all"]
    assert everything["cart_rate"][0] == pytest.approx(2 / 3, abs=1e-6)
    assert (everything["gmv"], everything["clicks"]) == (0, 0)
    assert "cvr" not in everything, "nothing was clicked"


def test_a_row_told_twice_and_an_item_shown_twice_in_a_request_count_once(settings):
    later = NOON + dt.timedelta(days=1)
    rows = [event(1, "impression"), event(1, "impression", updated_at=later), event(2, "impression", position=4)]
    shown = shown_items(DAY, DAY, archive(settings(), rows, (DAY, later.date())))
    assert shown["position"].tolist() == [1]


def test_without_a_request_id_the_visit_tells(settings):
    rows = [event(1, "impression", request_id=None), event(2, "click", request_id=None, minutes=1)]
    rows += [event(3, "impression", request_id=None, basket_id="other visit")]
    everything = found(archive(settings(), rows))["all"]
    assert (everything["impressions"], everything["clicks"]) == (2, 1)


def test_before_and_after_a_release(settings):
    """One click of two before, three of six after. Shown at noon and midnight: number 0 is of the first day alone."""
    day_after = 24 * 60
    rows = [event(f"{u}{n}", "impression", u, str(n), request_id=f"{u}{n}", minutes=n * day_after // 2)
            for u in "ab" for n in range(4)]  # fmt: skip
    for user, number in (("a", 0), ("a", 2), ("a", 3), ("b", 2)):
        rows.append(event(f"c{user}{number}", "click", user, str(number), request_id=f"{user}{number}",
                          minutes=number * day_after // 2))  # fmt: skip
    days = tuple(DAY + dt.timedelta(days=number) for number in range(3))
    report = found(archive(settings(), rows, days), last=days[-1], release_day=days[0])["release"]
    assert report["before"]["ctr"][0] == 0.5
    assert report["after"]["ctr"][0] == 0.5
    value, low, high = report["difference"]["ctr"]
    assert value == 0
    assert low <= 0 <= high


def test_a_shop_without_slots_has_no_business_metrics(settings):
    assert set(found(settings())) == {"from", "to", "attribution_hours"}
    assert set(found(archive(settings(), [event(1, "purchase")]))) == {"from", "to", "attribution_hours"}


def test_what_serving_logged_tells_variants_and_sources_apart(settings):
    rows = [event(1, "impression"), event(2, "click", minutes=1), event(3, "impression", item="bread", position=2)]
    rows += [event(4, "impression", request_id="from elsewhere")]
    made = archive(settings(), rows)
    folder = made.exposures_folder / f"day={DAY}"
    folder.mkdir(parents=True)
    same = {"request_id": "r1", "scene": "home", "variant": "b", "release": "20170109-aaaaaaaa", "degrade_level": 0}
    served = [
        {**same, "item_id": "milk", "sources": "personal,popular", "position": 1, "propensity": 1.0},
        {**same, "item_id": "bread", "sources": "popular", "position": 2, "propensity": 1.0},
    ]
    pq.write_table(pa.Table.from_pylist(served), folder / "1.parquet")
    report = found(made)
    assert report["all"]["impressions"] == 3
    by = report["by"]
    assert by["variant"]["b"]["ctr"][0] == 0.5
    assert {source: part["impressions"] for source, part in by["source"].items()} == {"personal": 1, "popular": 2}
    assert by["source"]["personal"]["clicks"] == by["source"]["popular"]["clicks"] == 1
    assert list(by["release"]) == ["20170109-aaaaaaaa"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Clean events of three weeks of the storefront; orders as Matomo tells them."""
    from pipeline.configuration import load_settings

    folder = tmp_path_factory.mktemp("simulated")
    url = f"sqlite:///{folder / 'matomo.db'}"
    first, last = dt.date(2017, 1, 1), dt.date(2017, 1, 21)
    make_storefront(url, households=40, first=first, through=last, truth=TRUTH)
    settings, mapping = (
        load_settings(arguments={"work_dir": folder / "work"}),
        MatomoMapping(sites=(1,), orders="matomo_where_missing"),
    )
    told = {}
    with open_matomo(sa.make_url(url), mapping, settings.extract) as source:
        start, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (first, last + dt.timedelta(days=1)))
        for table, page in source.read(start, end):
            told.setdefault(table.name, []).append(page)
    rows, _ = canonical_events(
        *(pa.concat_tables(told[f"matomo_{name}"]) for name in ("events", "facts")), mapping, frozenset()
    )
    path = settings.workspace.clean / "events" / f"day={last}" / "part.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(rows, path)
    return settings, first, last


def near(count, expected, n):
    return abs(count / n - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_the_truth_of_the_simulated_storefront_is_found_again(simulated):
    """Click rate by position, and what clicks of buying visits lead to; a visit buys when its request says so."""
    settings, first, last = simulated
    shown = shown_items(first, last, settings)
    buying = shown["request"].str.startswith("order-").to_numpy()
    assert set(shown["slot"]) == {TRUTH.slot}
    for position in range(1, TRUTH.positions + 1):
        for kind in (True, False):
            at = shown[(shown["position"] == position) & (buying == kind)]
            assert len(at) > 200
            assert near(at["clicked"].sum(), TRUTH.click(position, buying=kind), len(at))
    clicked = shown[buying & shown["clicked"]]
    assert near(clicked["bought"].sum(), TRUTH.purchase_given_click, len(clicked))
    assert near(shown[buying]["wanted"].sum(), TRUTH.purchase_given_shown, int(buying.sum()))


def test_the_report_adds_up_and_its_interval_holds_the_truth(simulated):
    settings, first, last = simulated
    report = business(first, last, settings)
    for parts in report["by"].values():
        assert sum(part["impressions"] for part in parts.values()) == report["all"]["impressions"]
        assert sum(part["gmv"] for part in parts.values()) == pytest.approx(report["all"]["gmv"], abs=1)
    shown = shown_items(first, last, settings)
    buying = shown["request"].str.startswith("order-").mean()
    true = np.mean(
        [buying * TRUTH.click(p, buying=True) + (1 - buying) * TRUTH.click(p, buying=False) for p in range(1, 9)]
    )
    value, low, high = report["all"]["ctr"]
    assert abs(value - true) < high - low, "four standard deviations"


def wanted_items(simulated):
    """Each wanted item that the slot showed: position, and whether it was clicked. The truth says: at a position drawn
    evenly, in four of five buying visits; so its propensity is known.
    """
    settings, first, last = simulated
    shown = shown_items(first, last, settings)
    bought = shown["wanted"] & shown["request"].str.startswith("order-")
    return shown[bought]


def test_what_another_order_of_the_slot_would_earn_is_estimated_from_its_log(simulated):
    """Logged: wanted items anywhere. Challengers: always first; always in the first half. The truth is known of all."""
    found = wanted_items(simulated)
    places, clicked = found["position"].to_numpy(int), found["clicked"].to_numpy(float)
    log = Log(clicked, np.full(len(found), 1 / TRUTH.positions), np.unique(found["user_id"], return_inverse=True)[1])
    for best in (1, TRUTH.positions // 2):
        target = (places <= best) / best
        true = np.mean([TRUTH.attention(place) * TRUTH.click_wanted for place in range(1, best + 1)])
        for estimate in (ips(log, target), snips(log, target)):
            assert estimate.low < true < estimate.high
            assert estimate.high - estimate.low < 0.3
        assert abs(clicked.mean() - true) > snips(log, target).high - snips(log, target).value, (
            "the log's own is another"
        )
    assert 0.7 * len(found) / TRUTH.positions < snips(log, (places == 1) * 1.0).effective_rows < len(found)
