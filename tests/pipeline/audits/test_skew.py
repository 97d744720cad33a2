"""Real requests over HTTP, then the audit of what they were answered with."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from feature_store.history_files import read_history
from feature_store.made_from import MADE_FROM
from feature_store.online.connect import open_writer
from feature_store.online.packed import packed_size
from feature_store.online.recent import Event
from feature_store.online.room import bytes_needed
from feature_store.online.store import Version
from feature_store.registry import feature_set_id, ranker_features, stored_features
from feature_store.snapshot import read_snapshot
from pipeline.audits.results import keep_result, kept_facts
from pipeline.audits.skew import audit_skew
from pipeline.errors import EmptyDayError, SkewError
from pipeline.exposures import exposures, forget_exposures
from pipeline.knowledge import record_of
from pipeline.online_records import records_of
from pipeline.stages.audit import audit
from pipeline.stages.sync import sync, version_name
from tests.feature_store.online.stores import Store
from tests.pipeline.asked_shop import DAY, HOUR, serve, write_features
from tests.serving.releases import AS_OF, BASKETS, publish

if TYPE_CHECKING:
    from pipeline.settings import Settings


@pytest.fixture
def shop(settings) -> Settings:
    """A release, the snapshot of its day with values of every feature, and the online store filled from it."""
    made = settings(
        serving={"online_timeout_ms": 2_000},
        online_history={"purchase": 3, "view": 2},
        exposures={"vector_share": 1.0},
    )
    publish(made.releases, "first", made)
    write_features(made.workspace.features(DAY), made.online_history.bounds())
    sync(DAY, made)
    return made


EVERYBODY = [{"user_id": user, "device": device} for user in (*BASKETS, "new", "nobody") for device in ("app", None)]


def do_something(shop: Settings) -> None:
    """What users did since the snapshot: before, in the visit that goes on, and after the moment of asking."""
    events = [
        Event(f"{user} {number}", user, kind, item, AS_OF + when, 2.0, 3.0)
        for user in ("anna", "new")
        for number, (kind, item, when) in enumerate(
            [
                *(("view", "item-6", HOUR), ("view", "item-1", 9 * HOUR - 120), ("view", "item-2", 9 * HOUR - 60)),
                *(
                    ("purchase", "item-3", 9 * HOUR - 30),
                    ("purchase", "unheard of", 2),
                    ("view", "item-5", 9 * HOUR + 5),
                ),
            ]
        )
    ]
    store = Store(shop.online_url, shop.online_prefix)
    assert store.append(*events, bounds=shop.online_history.bounds()) == 12


def test_what_was_served_is_what_training_makes_to_the_bit(shop: Settings) -> None:
    do_something(shop)
    day = serve(shop, *EVERYBODY, {"user_id": "anna", "size": 2, "exclude": ["item-0"]})
    found = audit_skew(day, shop)
    assert found.rows == len(exposures(day, shop))
    assert not found.differs
    assert not found.aside
    assert kept_facts(shop) == {"skew_share": 0.0}
    rows = np.stack([np.frombuffer(row, np.float32) for row in exposures(day, shop)["vector"].to_pylist()])
    for name in ("session_event_count", "user_item_basket_count", stored_features("user")[0].name):
        assert len(np.unique(rows[:, ranker_features().index(name)])) > 1, name  # else equality would say little


def test_another_vector_in_the_store_is_named(shop: Settings) -> None:
    folder = shop.workspace.features(DAY)
    snapshot = read_snapshot(folder)
    history = read_history(folder)
    broken = stored_features("user")[2].name
    records = []
    for row, user in enumerate(snapshot.users):
        record = record_of(snapshot, history, row)
        values = record.values.copy()
        values[2] += 1
        records.append((str(user), replace(record, values=values)))
    version = Version(feature_set_id(), version_name(DAY, folder), AS_OF, len(records))
    open_writer(shop.online_url, shop.online_prefix).write(version, records)
    day = serve(shop, *EVERYBODY)
    with pytest.raises(SkewError, match=rf"{broken} in \d") as caught:
        audit_skew(day, shop)
    assert stored_features("user")[3].name not in str(caught.value)
    tolerant = shop.model_copy(update={"exposures": shop.exposures.model_copy(update={"largest_skew": 1.0})})
    assert broken in audit_skew(day, tolerant).differs
    assert kept_facts(shop)["skew_share"] > 0


def test_a_run_measures_what_was_served_on_its_day_and_goes_on(shop: Settings) -> None:
    """A skew is told to the gate and to Prometheus; features and a sync, which may mend it, still come."""
    keep_result("leaks", DAY, {"leaks": 0.0}, shop)
    assert audit(DAY, shop).counts == {"leaks": 0, "looked_for_leaks": 0, "vectors": 0}  # nobody was served on it
    folder = shop.workspace.features(DAY)
    snapshot, history = read_snapshot(folder), read_history(folder)
    day = serve(shop, *EVERYBODY)
    counts = audit(day, shop).counts
    assert (counts["skew_share"], counts["vectors"]) == (0, len(exposures(day, shop)))

    records = [(str(user), record_of(snapshot, history, row)) for row, user in enumerate(snapshot.users)]
    wrong = [(user, replace(record, values=record.values + np.float32(1))) for user, record in records]
    version = Version(feature_set_id(), version_name(DAY, folder), AS_OF, len(wrong))
    open_writer(shop.online_url, shop.online_prefix).write(version, wrong)
    day = serve(shop, *EVERYBODY)
    assert audit(day, shop).counts["skew_share"] > 0
    assert kept_facts(shop)["skew_share"] > 0

    (folder / MADE_FROM).write_text('{"events/2017-11-05": "told late"}')
    counts = audit(day, shop).counts
    assert counts["vectors"] == 0
    assert counts["skew_share"] > 0, "what was last found holds until something else is"


def test_a_store_that_did_not_answer_is_no_skew(shop: Settings) -> None:
    for file in shop.workspace.root.glob("feature_store.db*"):
        file.unlink()
    day = serve(shop, {"user_id": "anna"})
    assert not audit_skew(day, shop).differs


def test_who_is_left_out_of_the_store_is_served_by_the_defaults_and_is_no_skew(shop: Settings) -> None:
    folder = shop.workspace.features(DAY)
    packed = packed_size(len(stored_features("user")), 3)
    tight = shop.model_copy(update={"online_memory_budget_mb": bytes_needed(np.array([packed])) / 1e6})
    synced = sync(DAY, tight)
    assert (synced.rows, synced.counts["users left out"]) == (1, 1)
    assert [record is None for record in records_of([*BASKETS], version_name(DAY, folder), tight)] == [False, True]
    do_something(tight)
    viewed = Event("bert 1", "bert", "view", "item-1", AS_OF + HOUR, 1.0, 0.0)
    assert Store(shop.online_url, shop.online_prefix).append(viewed, bounds=shop.online_history.bounds()) == 1
    day = serve(tight, *EVERYBODY)
    assert not audit_skew(day, tight).differs
    first = stored_features("user")[0]
    served = {
        row["user_id"]: np.frombuffer(row["vector"], np.float32)[ranker_features().index(first.name)]
        for row in exposures(day, tight).to_pylist()
        if row["vector"]
    }
    assert served["bert"] == np.float32(first.default) != served["anna"]


def test_what_cannot_be_computed_again_is_said(shop: Settings) -> None:
    day = serve(shop, {"user_id": "anna"})
    (shop.workspace.features(DAY) / MADE_FROM).write_text('{"events/2017-11-05": "told late"}')
    with pytest.raises(EmptyDayError, match=r"1 requests: the snapshot of 20171105-.* was made again since"):
        audit_skew(day, shop)
    with pytest.raises(EmptyDayError, match="found none"):
        audit_skew(day - dt.timedelta(days=1), shop)


def test_a_sample_is_enough(shop: Settings) -> None:
    day = serve(shop, *EVERYBODY)
    assert audit_skew(day, shop, 2).rows < len(exposures(day, shop))


def test_who_is_forgotten_is_taken_out_of_the_log(shop: Settings) -> None:
    day = serve(shop, *EVERYBODY)
    theirs = exposures(day, shop)["user_id"].to_pylist().count("anna")
    assert sum(forget_exposures("anna", shop).values()) == theirs > 0
    assert set(exposures(day, shop)["user_id"].to_pylist()) == {"bert", "new", "nobody"}
    assert not audit_skew(day, shop).differs
    assert forget_exposures("anna", shop) == {}
