"""Real requests over HTTP, then the audit of what they were answered with."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import httpx
import numpy as np
import pyarrow as pa
import pytest

from feature_store.history import History
from feature_store.made_from import MADE_FROM
from feature_store.online.connect import open_writer
from feature_store.online.recent import Event
from feature_store.online.store import Version
from feature_store.registry import feature_set_id, ranker_features, stored_features
from feature_store.schema import LEVELS
from feature_store.snapshot import read_history, read_snapshot, write_history, write_snapshot
from pipeline.audits.results import kept_facts
from pipeline.audits.skew import audit_skew
from pipeline.errors import EmptyDayError, SkewError
from pipeline.exposures import exposure_days, exposures, forget_exposures
from pipeline.knowledge import record_of
from pipeline.stages.sync import sync, version_name
from serving.app import create_app
from tests.feature_store.online.stores import Store
from tests.serving.releases import AS_OF, BASKETS, ITEMS, publish

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

DAY = dt.date(2017, 11, 5)
HOUR = 3_600
ASKED = dt.datetime.fromtimestamp(AS_OF + 9 * HOUR, dt.UTC)
"""In the morning after the snapshot."""


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


def write_features(folder: Path, bounds: dict[str, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)

    def table(entity: str, keys: dict[str, list]) -> pa.Table:
        rows = len(next(iter(keys.values())))
        values = {f.name: generator.random(rows).astype(np.float32) for f in stored_features(entity)}
        return pa.table(keys | values)

    tables = {
        "user": table("user", {"user_id": sorted(BASKETS)}),
        "item": table(
            "item",
            {"item_id": list(ITEMS), "title": list(ITEMS), **{level: ["even", "odd"] * 4 for level in LEVELS}}
            | {"available": [True] * len(ITEMS)},
        ),
        "category": table("category", {"category": ["even", "odd"]}),
        "brand": table("brand", {"brand": ["even", "odd"]}),
    }
    write_snapshot(folder, tables, DAY)
    (folder / MADE_FROM).write_text("{}")
    snapshot = read_snapshot(folder)
    bought = [
        snapshot.item_side.catalog.rows_of_ids([ITEMS[at] for at in reversed(basket)]) for basket in BASKETS.values()
    ]
    ones = np.ones(8, np.float32)
    times = np.tile(AS_OF - 86_400 * np.arange(4, 0, -1), 2)
    history = History(np.array([0, 4, 8]), np.concatenate(bought), times, np.zeros(8, np.uint8), ones, ones)
    write_history(folder, history.latest(bounds), snapshot.item_side)


def serve(shop: Settings, *bodies: dict) -> dt.date:
    """Ask for lists over HTTP; the day under which the log has them."""

    @asynccontextmanager
    async def started():
        app = create_app(shop)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            with anyio.fail_after(30):
                while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110 - asked as a caller does
                    await anyio.sleep(0.01)
            yield client

    async def ask() -> None:
        async with started() as client:
            for body in bodies:
                answer = await client.post("/api/v1/recommend", json={"time": ASKED.isoformat(), **body})
                assert answer.status_code == 200

    asyncio.run(ask())
    return dt.date.fromisoformat(exposure_days(shop)[-1])


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
    history = read_history(folder, snapshot)
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


def test_a_store_that_did_not_answer_is_no_skew(shop: Settings) -> None:
    for file in shop.workspace.root.glob("feature_store.db*"):
        file.unlink()
    day = serve(shop, {"user_id": "anna"})
    assert not audit_skew(day, shop).differs


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
