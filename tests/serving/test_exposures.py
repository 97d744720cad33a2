"""What was shown is written, by a thread that no answer waits for; what cannot be written is counted."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest

from feature_store.online.recent import RECENT, Event
from feature_store.registry import ranker_features
from pipeline.exposures import exposure_days, exposures
from pipeline.recommender.recommend import Answer, Choice, Request, recommend
from pipeline.recommender.release import load_release
from serving import exposures as log
from serving.exposures import ExposureLog
from serving.telemetry import Telemetry
from tests.feature_store.online.stores import Store
from tests.serving.releases import AS_OF, BASKETS, publish, record_of, sync

if TYPE_CHECKING:
    from pipeline.settings import Settings

PATH = "/api/v1/recommend"
CHOICES = tuple(Choice(f"item-{number}", "", 1.0 - number, ("popular", "personal")) for number in range(3))


def counts(telemetry: Telemetry) -> dict[str, float]:
    lines = [line for line in telemetry.text().decode().splitlines() if line.startswith("vitrine_exposures_total{")]
    return {line.split('"')[1]: float(line.split()[1]) for line in lines}


def today(settings: Settings) -> dt.date:
    return dt.date.fromisoformat(exposure_days(settings)[-1])


@pytest.mark.anyio
async def test_every_answer_is_in_the_log_when_the_process_has_ended(shop: Settings, serve) -> None:
    made = shop.model_copy(update={"exposures": shop.exposures.model_copy(update={"vector_share": 1.0})})
    async with serve(made) as client:
        body = {"user_id": "anna", "size": 3, "device": "tablet"}
        answer = (await client.post(PATH, json=body, headers={"X-Request-ID": "mine"})).json()
        await client.post(PATH, json={"user_id": "somebody new"})
        assert "vectors" not in str(answer)
    rows = exposures(today(made), made).to_pylist()
    mine = [row for row in rows if row["request_id"] == "mine"]
    assert [row["item_id"] for row in mine] == [item["item_id"] for item in answer["items"]]
    assert [(row["position"], row["score"], row["sources"].split(",")) for row in mine] == [
        (at + 1, item["score"], item["sources"]) for at, item in enumerate(answer["items"])
    ]
    facts = {name: mine[0][name] for name in ("asked_at", "scene", "device", "variant", "release", "online_version")}
    assert facts == {
        "asked_at": AS_OF,
        "scene": "home",
        "device": "tablet",
        "variant": "",
        "release": "first",
        "online_version": "20171105",
    }
    assert {(row["user_id"], row["degrade_level"], row["propensity"]) for row in mine} == {("anna", 0, 1.0)}
    assert all(len(row["vector"]) == 4 * len(ranker_features()) for row in rows)
    bought = np.frombuffer(mine[0]["vector"], np.float32)[ranker_features().index("user_item_basket_count")]
    assert bought == 2.0


@pytest.mark.anyio
async def test_what_users_just_did_is_kept_with_the_vectors_and_only_there(shop: Settings, serve) -> None:
    choices = {"vector_share": 1.0}
    made = shop.model_copy(update={"exposures": shop.exposures.model_copy(update=choices)})
    store = Store(made.online_url, made.online_prefix)
    async with serve(made) as client:
        await anyio.to_thread.run_sync(lambda: store.append(Event("e", "anna", "view", "item-7", AS_OF + 1)))
        await client.post(PATH, json={"user_id": "anna"})
    rows = exposures(today(made), made).to_pylist()
    assert np.frombuffer(rows[0]["recent"], RECENT)["time"].tolist() == [AS_OF + 1]
    assert {row["recent"] for row in rows[1:]} == {b""}


@pytest.mark.anyio
async def test_where_a_scene_explores_the_log_holds_what_makes_the_list_again(settings, serve) -> None:
    home = settings().scenes["home"].model_dump() | {"explore": {"share": 0.5, "candidates": 4}}
    made = settings(
        serving={"clock": "snapshot", "online_timeout_ms": 2_000}, exposures={"vector_share": 0}, scenes={"home": home}
    )
    publish(made.releases, "first", made)
    sync(made)
    async with serve(made) as client:
        for number in range(30):
            body = {"user_id": "anna", "size": 6, "exclude": ["item-3"]}
            answer = await client.post(PATH, json=body, headers={"X-Request-ID": f"r-{number}"})
            assert "propensity" not in answer.text
    rows = exposures(today(made), made).to_pylist()
    release, drawn = load_release(made.releases / "first"), 0
    for number in range(30):
        logged = [row for row in rows if row["request_id"] == f"r-{number}"]
        request = Request("anna", AS_OF, 6, "home", tuple(json.loads(logged[0]["exclude"])), None, f"r-{number}")
        again = recommend(request, release, record_of(BASKETS["anna"]))
        assert [row["item_id"] for row in logged] == [choice.item_id for choice in again.items]
        assert [row["propensity"] for row in logged] == again.propensity.tolist()
        assert {row["propensity"] for row in logged[:4]} <= {0.125, 0.625}
        assert [row["propensity"] for row in logged[4:]] == [1.0] * len(logged[4:])
        drawn += any(row["propensity"] == 0.125 for row in logged)
    assert 5 < drawn < 25


@pytest.mark.anyio
async def test_no_vector_is_kept_of_a_request_outside_the_sample(shop: Settings, serve) -> None:
    made = shop.model_copy(update={"exposures": shop.exposures.model_copy(update={"vector_share": 0.0})})
    async with serve(made) as client:
        await client.post(PATH, json={"user_id": "anna"})
    rows = exposures(today(made), made).to_pylist()
    assert {(row["recent"], row["exclude"], row["vector"]) for row in rows} == {(b"", "", b"")}


@pytest.mark.anyio
async def test_a_log_that_is_off_writes_nothing(shop: Settings, serve) -> None:
    made = shop.model_copy(update={"exposures": shop.exposures.model_copy(update={"enabled": False})})
    async with serve(made) as client:
        assert (await client.post(PATH, json={"user_id": "anna"})).status_code == 200
    assert exposure_days(made) == []


def add(exposure_log: ExposureLog, number: int) -> None:
    exposure_log.add(f"request {number}", Request("anna", AS_OF), "first", "v", b"", Answer(CHOICES))


def test_a_full_queue_costs_rows_and_never_waits(settings, tmp_path, monkeypatch) -> None:
    telemetry, go_on = Telemetry(), threading.Event()
    encode = log.encode
    monkeypatch.setattr(log, "_BATCH", 1)
    monkeypatch.setattr(log, "encode", lambda *table: (go_on.wait(10), encode(*table))[1])
    exposure_log = ExposureLog(tmp_path, settings(exposures={"queue": 5}).exposures, telemetry)
    for number in range(20):
        add(exposure_log, number)
    assert counts(telemetry)["dropped"] >= 14  # five wait, one is being written
    go_on.set()
    exposure_log.close()
    assert counts(telemetry)["dropped"] + counts(telemetry)["written"] == 20


def test_a_folder_that_cannot_be_written_is_counted_and_ends_nothing(settings, tmp_path) -> None:
    telemetry, place = Telemetry(), tmp_path / "taken"
    place.write_text("no folder")
    exposure_log = ExposureLog(place, settings().exposures, telemetry)
    add(exposure_log, 1)
    exposure_log.close()
    assert counts(telemetry) == {"failed": 1.0}


def test_batches_are_bounded(settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(log, "_BATCH", 4)
    made = settings(exposures={"folder": tmp_path})
    exposure_log = ExposureLog(tmp_path, made.exposures, Telemetry())
    for number in range(10):
        add(exposure_log, number)
    exposure_log.close()
    assert len(list(tmp_path.glob("day=*/*.parquet"))) == 3
    assert len(exposures(today(made), made)) == 30
