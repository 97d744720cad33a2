"""Releases come, go and break; what answers is always one whole release."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.atomic import write_text
from pipeline.recommender.release import CURRENT, current, point_to
from tests.serving.releases import ITEMS, flip_a_byte, publish

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from pipeline.settings import Settings

pytestmark = pytest.mark.anyio
ASK = {"user_id": "anna", "size": 3}


async def release_of(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/recommend", json=ASK)
    assert answer.status_code == 200
    assert answer.json()["items"]
    return answer.json()["release"]


async def until(client: httpx.AsyncClient, path: str, accepted) -> dict:
    """What `path` answers once `accepted` says so."""
    with anyio.fail_after(30):
        while not accepted(answer := await client.get(path)):  # noqa: ASYNC110 - asked as a caller does
            await anyio.sleep(0.02)
    return answer.json()


async def test_a_reload_serves_what_the_pointer_names(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        assert await release_of(client) == "first"
        publish(shop.releases, "second", shop)
        answer = await client.post("/models/reload")
        assert answer.status_code == 200
        assert await release_of(client) == "second"
    body = answer.json()
    assert body.pop("seconds") >= 0
    assert body["new"] == "second"
    assert (body["outcome"], body["old"]) in {("swapped", "first"), ("unchanged", "second")}  # the watcher may be first


async def test_a_reload_by_name_moves_the_pointer(shop: Settings, serve) -> None:
    publish(shop.releases, "second", shop)
    async with serve(shop) as client:
        answer = await client.post("/models/reload", json={"release": "first"})
        assert (answer.json()["outcome"], answer.json()["old"], answer.json()["new"]) == ("swapped", "second", "first")
        assert await release_of(client) == "first"
    assert current(shop.releases) == "first"


async def test_a_moved_pointer_is_followed_without_being_told(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        publish(shop.releases, "second", shop)
        await until(client, "/ready", lambda answer: answer.json()["release"] == "second")
        assert await release_of(client) == "second"


async def test_the_release_in_use_is_verified_again(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        assert (await client.post("/models/reload", json={})).json()["outcome"] == "unchanged"
        flip_a_byte(shop.releases / "first" / "golden_requests.jsonl")
        assert (await client.post("/models/reload", json={})).status_code == 409
        assert await release_of(client) == "first"


@pytest.mark.parametrize("file", ["ranker/model.onnx", "items/matrix.npy", "recall/popular/items.npy", "items/ids.npy"])
async def test_a_flipped_byte_is_refused_and_the_old_release_serves_on(shop: Settings, serve, file: str) -> None:
    broken = publish(shop.releases, "second", shop, move=False)
    flip_a_byte(broken / file)
    async with serve(shop) as client:
        answer = await client.post("/models/reload", json={"release": "second"})
        body = answer.json()
        assert answer.status_code == 409
        assert body["error"] == "ReleaseError"
        assert body["where"].endswith(file)
        assert body["expected"].startswith("SHA-256")
        assert body["remedy"]
        assert await release_of(client) == "first"
        assert (await client.get("/health")).json()["problem"]["where"].endswith(file)
        assert (await client.get("/ready")).status_code == 200
    assert current(shop.releases) == "first"


async def test_a_broken_release_behind_the_pointer_is_refused_until_it_moves_back(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        broken = publish(shop.releases, "second", shop)
        flip_a_byte(broken / "ranker/model.onnx")
        assert (await client.post("/models/reload")).status_code in {200, 409}  # the watcher may have loaded it whole
        point_to(shop.releases, "first")
        health = await until(client, "/health", lambda answer: not answer.json()["problem"])
        assert health["release"] == "first"
        assert health["status"] == "ok"


async def test_a_release_of_another_feature_set_is_refused(shop: Settings, serve) -> None:
    publish(shop.releases, "second", shop, feature_set="00000000", move=False)
    async with serve(shop) as client:
        answer = await client.post("/models/reload", json={"release": "second"})
        assert answer.status_code == 409
        assert answer.json()["error"] == "FeatureSetMismatchError"
        assert await release_of(client) == "first"


async def test_a_release_that_verifies_but_cannot_answer_is_refused(shop: Settings, serve) -> None:
    """A ranker of other width than the matrix: found out by the recorded requests."""
    import onnx

    from pipeline.recommender import release as releases
    from pipeline.recommender.release import MANIFEST, Manifest

    folder = publish(shop.releases, "second", shop, move=False)
    model = onnx.load(folder / "ranker/model.onnx")
    model.graph.initializer[0].dims[0] = 1
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:4]
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(model, folder / "ranker/model.onnx")
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    manifest.files["ranker/model.onnx"] = releases.sha256(folder / "ranker/model.onnx")
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    async with serve(shop) as client:
        answer = await client.post("/models/reload", json={"release": "second"})
        assert answer.status_code == 409
        assert "answers its recorded requests" in answer.json()["expected"]
        assert await release_of(client) == "first"


@pytest.mark.parametrize("name", ["third", "../first", "current", ".."])
async def test_an_unknown_release_is_not_found(shop: Settings, serve, name: str) -> None:
    async with serve(shop) as client:
        answer = await client.post("/models/reload", json={"release": name})
        assert answer.status_code == 404
        assert answer.json()["error"] == "UnknownReleaseError"
        assert (await client.get("/health")).json()["status"] == "ok"


async def test_models_lists_every_release_and_which_is_in_use(shop: Settings, serve) -> None:
    publish(shop.releases, "second", shop, move=False)
    (publish(shop.releases, "third", shop, move=False) / "manifest.json").write_text("{")
    async with serve(shop) as client:
        body = (await client.get("/models")).json()
    assert body["current"] == "first"
    first, second, third = body["releases"]
    assert first == {
        "release": "first",
        "day": "2017-11-05",
        "in_use": True,
        "metrics": {"ndcg@20": 0.5},
        "problem": "",
    }
    assert (second["release"], second["in_use"]) == ("second", False)
    assert third["problem"]


async def test_without_any_release_it_is_alive_but_not_ready_and_says_what_to_do(settings, serve) -> None:
    empty = settings()
    async with serve(empty, wait=False) as client:
        assert (await client.get("/live")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        answer = await client.post("/api/v1/recommend", json=ASK)
        assert answer.status_code == 503
        assert answer.json()["error"] == "NothingToServeError"
        assert (await client.post("/models/reload")).status_code == 503
        assert (await client.get("/models")).json() == {"current": None, "releases": []}
        assert (await client.get("/metrics")).status_code == 200
        publish(empty.releases, "first", empty)
        await until(client, "/ready", lambda answer: answer.status_code == 200)
        assert await release_of(client) == "first"


async def test_started_with_a_broken_release_it_serves_the_one_before(shop: Settings, serve) -> None:
    flip_a_byte(publish(shop.releases, "second", shop) / "ranker/model.onnx")
    async with serve(shop) as client:
        assert await release_of(client) == "first"
        health = (await client.get("/health")).json()
    assert health["status"] == "degraded"
    assert health["problem"]["where"].endswith("second/ranker/model.onnx")


async def test_with_only_unusable_releases_it_gives_the_popular_list(shop: Settings, serve) -> None:
    """New code, old release: not ready, yet the shop's page is not empty."""
    shutil.rmtree(shop.releases)
    other = publish(shop.releases, "other", shop, feature_set="00000000", move=False)
    point_anyway(shop.releases, "other")
    async with serve(shop, wait=False) as client:
        await until(client, "/ready", lambda answer: "00000000" in answer.text)
        asked = {"user_id": "anna", "exclude": ["item-2"], "scene": "whatever"}
        body = (await client.post("/api/v1/recommend", json=asked)).json()
        assert (await client.get("/ready")).status_code == 503
    assert (body["release"], body["degrade_level"]) == (other.name, 3)
    assert body["items"]
    assert {item["item_id"] for item in body["items"]} <= set(ITEMS) - {"item-2"}


async def test_a_pointer_that_cannot_be_read_changes_nothing(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        write_text(shop.releases / CURRENT, "half a li")
        await until(client, "/health", lambda answer: answer.json()["problem"])
        assert (await client.post("/models/reload")).status_code == 409
        assert await release_of(client) == "first"


def point_anyway(folder: Path, name: str) -> None:
    """Point to a release that `point_to` would refuse."""
    write_text(folder / CURRENT, f'{{"release": "{name}"}}')
