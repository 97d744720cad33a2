from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from feature_store.online.store import Version
from feature_store.registry import feature_set_id
from pipeline.recommender.recommend import Request, recommend
from pipeline.recommender.release import load_release
from tests.serving.releases import AS_OF, BASKETS, ITEMS, record_of, sync

if TYPE_CHECKING:
    from pipeline.settings import Settings

pytestmark = pytest.mark.anyio
PATH = "/api/v1/recommend"


async def test_a_known_user_gets_a_personal_list(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        answer = await client.post(PATH, json={"user_id": "anna", "size": 3})
    body = answer.json()
    assert answer.status_code == 200
    assert [item["item_id"] for item in body["items"]] == ["item-0", "item-1", "item-2"]
    assert body["items"][0]["title"] == "Title of item-0"
    assert "personal" in body["items"][0]["sources"]
    assert {name: body[name] for name in ("release", "user_id", "scene", "degrade_level", "degrade_reason")} == {
        "release": "first",
        "user_id": "anna",
        "scene": "home",
        "degrade_level": 0,
        "degrade_reason": "",
    }


async def test_serving_gives_what_recommend_gives(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        served = (await client.post(PATH, json={"user_id": "bert", "size": 8})).json()["items"]
    expected = recommend(Request("bert", AS_OF, 8), load_release(shop.releases / "first"), record_of(BASKETS["bert"]))
    assert [(item["item_id"], np.float32(item["score"]), tuple(item["sources"])) for item in served] == [
        (choice.item_id, np.float32(choice.score), choice.sources) for choice in expected.items
    ]


async def test_a_score_comes_with_the_probability_that_training_found_for_it(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        before = (await client.post(PATH, json={"user_id": "anna", "size": 2})).json()["items"]
    scores = [item["score"] for item in before]
    table = {"scores": scores[::-1], "probabilities": [0.125, 0.5]}
    (shop.releases / "first" / "ranker" / "schema.json").write_text(json.dumps({"calibration": table}))
    async with serve(shop) as client:
        items = (await client.post(PATH, json={"user_id": "anna", "size": 2})).json()["items"]
    assert [item["probability"] for item in before] == [None, None]
    assert [item["probability"] for item in items] == pytest.approx([0.5, 0.125], abs=1e-6)
    assert [item["score"] for item in items] == scores


async def test_an_unknown_user_gets_a_list(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        body = (await client.post(PATH, json={"user_id": "nobody"})).json()
    assert {item["item_id"] for item in body["items"]} == set(ITEMS[:6])
    assert body["degrade_level"] == 0


async def test_excluded_items_are_not_in_the_list(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        body = (await client.post(PATH, json={"user_id": "anna", "exclude": ["item-0", "unheard of"]})).json()
    assert "item-0" not in {item["item_id"] for item in body["items"]}
    assert body["items"]


async def test_the_list_is_not_empty_while_an_item_is_left(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        body = (await client.post(PATH, json={"user_id": "nobody", "exclude": list(ITEMS[:7])})).json()
    assert [item["item_id"] for item in body["items"]] == ["item-7"]
    assert (body["degrade_level"], body["degrade_reason"]) == (2, "nothing to recommend")


async def test_the_moment_of_asking_can_be_given(shop: Settings, serve) -> None:
    """Before the events of the record, the user has done nothing yet."""
    async with serve(shop) as client:
        asked = {"user_id": "anna", "time": "2017-10-01T12:00:00+02:00"}
        body = (await client.post(PATH, json=asked)).json()
    assert all("personal" not in item["sources"] for item in body["items"])


async def test_the_callers_request_id_is_kept(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        kept = await client.post(PATH, json={"user_id": "anna"}, headers={"X-Request-ID": "abc-1"})
        made = await client.post(PATH, json={"user_id": "anna"}, headers={"X-Request-ID": "a b\x7f"})
    assert kept.json()["request_id"] == kept.headers["X-Request-ID"] == "abc-1"
    assert len(made.json()["request_id"]) == 32


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "user_id", "is missing"),
        ({"user_id": 7}, "user_id", "must be a valid string"),
        ({"user_id": ""}, "user_id", "must have at least 1 character"),
        ({"user_id": "a", "size": 0}, "size", "must be greater than or equal to 1"),
        ({"user_id": "a", "size": 201}, "size", "must be less than or equal to 200"),
        ({"user_id": "a", "exclude": ["b", 3]}, "exclude.1", "must be a valid string"),
        ({"user_id": "a", "time": "2017-11-05T00:00:00"}, "time", "must have timezone info"),
        ({"user_id": "a", "tiem": 1}, "tiem", "is not a field of this request"),
        ({"user_id": "a", "scene": "cellar"}, "scene", "must be one of home, not cellar"),
        ([1], "body", "must be a valid dictionary or object to extract fields from"),
    ],
)
async def test_bad_input_names_the_field_and_the_reason(shop: Settings, serve, body, field: str, reason: str) -> None:
    async with serve(shop) as client:
        answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json() == {"error": "InvalidRequest", "fields": [{"field": field, "reason": reason}]}


@pytest.mark.parametrize("content", ["{not json", "", b"\xff\xfe"])
async def test_a_body_that_is_no_json_names_the_body(shop: Settings, serve, content) -> None:
    async with serve(shop) as client:
        answer = await client.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"] == "body"


async def test_the_store_being_down_costs_the_history_not_the_answer(shop: Settings, serve) -> None:
    async with serve(shop) as client:
        for file in shop.workspace.online_store.parent.glob("feature_store.db*"):
            file.unlink()
        lost = (await client.post(PATH, json={"user_id": "anna"})).json()
        sync(shop)
        back = (await client.post(PATH, json={"user_id": "anna", "size": 1})).json()
    assert lost["items"]
    assert (lost["degrade_level"], lost["degrade_reason"]) == (1, "online store failed: default vector, no history")
    assert (back["degrade_level"], back["items"][0]["item_id"]) == (0, "item-0")


async def test_redis_being_down_falls_back_to_the_file(shop: Settings, serve) -> None:
    redis_down = type(shop).model_validate({**shop.model_dump(), "online_store_url": "redis://127.0.0.1:1/0"})
    async with serve(redis_down) as client:
        body = (await client.post(PATH, json={"user_id": "anna", "size": 1})).json()
    assert (body["degrade_level"], body["degrade_reason"]) == (1, "online store failed: the fallback answered")
    assert body["items"][0]["item_id"] == "item-0"


async def test_redis_serves(shop: Settings, serve, redis_prefix: tuple[str, str]) -> None:
    url, prefix = redis_prefix
    on_redis = type(shop).model_validate({**shop.model_dump(), "online_store_url": url, "online_prefix": prefix})
    sync(on_redis)
    shop.workspace.online_store.unlink()
    async with serve(on_redis) as client:
        body = (await client.post(PATH, json={"user_id": "anna", "size": 1})).json()
    assert (body["degrade_level"], body["items"][0]["item_id"]) == (0, "item-0")


async def test_a_record_that_cannot_be_ranked_costs_the_order_not_the_answer(shop: Settings, serve) -> None:
    """A vector of the wrong length makes recommending fail."""
    from dataclasses import replace

    from feature_store.online.connect import open_writer

    broken = replace(record_of(BASKETS["anna"]), values=np.zeros(1, np.float32))
    open_writer(shop.online_url, "").write(Version(feature_set_id(), "broken", AS_OF, 1), [("anna", broken)])
    async with serve(shop) as client:
        answer = await client.post(PATH, json={"user_id": "anna", "exclude": ["item-2"]})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["degrade_level"], body["degrade_reason"]) == (2, "recommending failed: ValueError")
    assert all(item["sources"] == ["popular"] for item in body["items"])
    assert "item-2" not in {item["item_id"] for item in body["items"]}
