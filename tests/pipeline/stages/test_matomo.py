"""Matomo in the pass: extract, clean and validate of a shop with a storefront."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from scipy.stats import binom

from pipeline.demo.storefront import advance, make_storefront
from pipeline.demo.storefront_truth import Truth
from pipeline.errors import DayOutsideDataError, SettingsError, SourceError
from pipeline.sources.archive import CLEAN, RAW, partition_file
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.extraction import bring_up_matomo
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.stages.validate import validate
from pipeline.upkeep import backfill, reconcile
from pipeline.workspace import partition_days
from tests.pipeline.stages.archives import DAY

LAST = DAY + dt.timedelta(days=2)
TRUTH = Truth(seed=5)


def events(made, layer=CLEAN):
    folder = made.workspace.clean if layer == CLEAN else made.workspace.raw
    days = partition_days(folder, "events")
    tables = [pq.ParquetFile(partition_file(made.workspace, layer, "events", day)).read() for day in days]
    return pa.concat_tables(tables).to_pylist()


def storefront(made, through=LAST, **truth):
    url = f"sqlite:///{made.workspace.demo_matomo}"
    make_storefront(url, households=20, first=DAY - dt.timedelta(days=3), through=through, truth=Truth(seed=5, **truth))
    return url


def run(made, day=DAY):
    for stage in (extract, clean, validate):
        stage(day, made)


def test_what_was_seen_and_clicked_joins_what_was_bought(archive):
    before = events(archive)
    storefront(archive)
    run(archive)
    after = events(archive)
    kinds = {kind: [event for event in after if event["kind"] == kind] for kind in {event["kind"] for event in after}}
    assert set(kinds) == {"purchase", "view", "impression", "click", "cart"}
    assert sorted(event["event_id"] for event in kinds["purchase"]) == sorted(event["event_id"] for event in before)
    households = {event["user_id"] for event in kinds["purchase"]}
    assert {event["user_id"] for event in after} <= households


def test_no_bot_and_no_anonymous_visitor_reaches_the_events_and_each_is_counted(archive):
    storefront(archive)
    extract(DAY, archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        counts = [partition.counts for partition in ledger.partitions(RAW, "events").values()]
    assert sum(count["matomo_bots"] for count in counts) == TRUTH.bot_pages * len(counts)
    assert all(count["matomo_anonymous"] > 0 and count["matomo_shop_orders"] > 0 for count in counts)
    assert all(len(event["user_id"]) < 16 for event in events(archive, RAW))


def test_running_again_changes_nothing(archive):
    storefront(archive)
    run(archive)
    before = {path: path.read_bytes() for path in sorted(archive.workspace.root.rglob("part.parquet"))}
    run(archive)
    assert {path: path.read_bytes() for path in sorted(archive.workspace.root.rglob("part.parquet"))} == before


@pytest.mark.slow
def test_extracting_day_by_day_ends_where_one_extraction_does(archive, tmp_path, short):
    """Carts that become orders overnight, logins in the morning, and late rows are all caught up with."""
    url = storefront(archive, through=DAY - dt.timedelta(days=3), overnight=1.0, late=0.1)
    with sa.create_engine(url, poolclass=sa.pool.NullPool).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM matomo_log_conversion WHERE idgoal = -1").scalar()
    for number in range(6):
        advance(url, DAY + dt.timedelta(days=number - 3))
        with open_ledger(archive.workspace.ledger) as ledger:
            bring_up_matomo(archive, _Shop(), ledger, DAY, LAST)
    whole = short(work_dir=tmp_path / "whole", matomo_database_url=url)
    with open_ledger(whole.workspace.ledger) as ledger:
        bring_up_matomo(whole, _Shop(), ledger, DAY, LAST)
    for name in ("matomo_events", "matomo_facts", "matomo_baskets", "matomo_visits", "events"):
        for day in partition_days(whole.workspace.raw, name):
            paths = [partition_file(made.workspace, RAW, name, day) for made in (archive, whole)]
            assert paths[0].read_bytes() == paths[1].read_bytes(), f"{name} {day}"


class _Shop:
    name, tables = "demo", ()


def test_a_login_that_the_shop_does_not_know_waits_and_is_counted(archive):
    url = storefront(archive)
    user = _ask(url, "SELECT min(user_id) FROM matomo_log_visit")
    _do(url, f"UPDATE matomo_log_visit SET user_id = 'newcomer' WHERE user_id = '{user}'")
    run(archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        known = ledger.partitions(CLEAN, "events").values()
    assert sum(partition.counts.get("unknown_users", 0) for partition in known) > 0
    assert "newcomer" in {event["user_id"] for event in events(archive, RAW)}
    assert "newcomer" not in {event["user_id"] for event in events(archive)}


def test_click_rates_by_slot_and_position_from_clean_events_are_the_truths(archive):
    """After the whole pass, of the people whom the shop knows: bots, strangers and double rows would show here.

    Whether a visit buys moves its click rates, so both kinds are measured apart; a visit buys when its request says so.
    """
    storefront(archive)
    run(archive)
    shown = [event for event in events(archive) if event["kind"] == "impression"]
    clicks = {(e["slot"], e["position"], e["request_id"]) for e in events(archive) if e["kind"] == "click"}
    assert {event["slot"] for event in shown} == {TRUTH.slot}
    assert clicks <= {(event["slot"], event["position"], event["request_id"]) for event in shown}
    for buying in (True, False):
        of_kind = [event for event in shown if event["request_id"].startswith("order-") == buying]
        for position in range(1, TRUTH.positions + 1):
            at = [e for e in of_kind if e["position"] == position]
            clicked = sum((e["slot"], e["position"], e["request_id"]) in clicks for e in at)
            low, high = binom.interval(0.9999, len(at), TRUTH.click(position, buying=buying))
            assert len(at) > 10
            assert low <= clicked <= high, f"position {position}: {clicked} of {len(at)}"
        total = binom.interval(0.9999, len(of_kind), _mean_click(buying=buying))
        clicked = sum((e["slot"], e["position"], e["request_id"]) in clicks for e in of_kind)
        assert total[0] <= clicked <= total[1]


def _mean_click(*, buying):
    positions = range(1, TRUTH.positions + 1)
    return sum(TRUTH.click(position, buying=buying) for position in positions) / TRUTH.positions


def test_backfill_and_reconcile_reach_matomo_and_the_events_made_of_it(archive):
    url = storefront(archive)
    extract(DAY, archive)
    _do(url, f"DELETE FROM matomo_log_link_visit_action WHERE server_time LIKE '{DAY}%'")
    told = {each.table: each for each in reconcile(None, None, archive)}["matomo"]
    assert {difference.day for difference in told.differences} == {DAY}
    assert told.written == [DAY - dt.timedelta(days=1), DAY], "with the eve, on which some visit of the day began"
    assert told.deleted > 0
    assert DAY not in {event["time"].date() for event in events(archive, RAW) if event["kind"] == "view"}
    _do(url, f"UPDATE matomo_log_visit SET user_id = 'other' WHERE visit_last_action_time LIKE '{LAST}%'")
    taken = backfill(LAST, LAST, archive)
    assert list(taken["matomo_visits"].written) == [LAST]
    assert taken["matomo_visits"].updated > 0
    assert {event["user_id"] for event in events(archive, RAW) if event["time"].date() == LAST} == {"other"}
    with pytest.raises(DayOutsideDataError, match="stage extract"):
        backfill(LAST, LAST + dt.timedelta(days=1), archive)


def _ask(url, query):
    with sa.create_engine(url, poolclass=sa.pool.NullPool).connect() as connection:
        return connection.exec_driver_sql(query).scalar()


def _do(url, statement):
    with sa.create_engine(url, poolclass=sa.pool.NullPool).begin() as connection:
        connection.exec_driver_sql(statement)


def test_events_have_one_source(archive):
    storefront(archive)
    shop = _Shop()
    shop.tables = ("events",)
    with open_ledger(archive.workspace.ledger) as ledger, pytest.raises(SettingsError, match="one source of events"):
        bring_up_matomo(archive, shop, ledger, DAY, LAST)


def test_a_matomo_that_is_down_fails_the_run_by_name(archive):
    dead = archive.model_copy(update={"matomo_database_url": _secret("mysql+pymysql://reader:hush@127.0.0.1:1/matomo")})
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1/matomo") as caught:
        extract(DAY, dead)
    assert "hush" not in str(caught.value)


def _secret(value):
    from pydantic import SecretStr

    return SecretStr(value)
