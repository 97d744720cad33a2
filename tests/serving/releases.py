"""A tiny shop with a real release: eight items, two users, five recall sources, an ONNX ranker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from feature_store.catalog import build_catalog
from feature_store.history import build_history, empty_history
from feature_store.matrix import ItemSide
from feature_store.online.connect import open_writer
from feature_store.online.recent import default_values
from feature_store.online.store import UserRecord, Version
from feature_store.registry import feature_set_id, ranker_features, stored_features
from feature_store.schema import LEVELS
from feature_store.text import text_vectors
from pipeline.recommender import release as releases
from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recall.source import Asker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.settings import Settings

ITEMS = tuple(f"item-{number}" for number in range(8))
AS_OF = 1_509_926_400
"""The end of 2017-11-05."""
DAY = 86_400
BASKETS = {"anna": (0, 0, 1, 2), "bert": (2, 3, 4, 5)}
"""Who bought which items, the latest first; nobody ever bought items 6 and 7."""


RANKED_BY = {"user_item_basket_count": 1.0, "user_item_days_since_last": -0.0001}
"""By how often the user bought the item, then by how long ago."""


def publish(
    folder: Path,
    name: str,
    settings: Settings,
    *,
    feature_set: str | None = None,
    move: bool = True,
    weights: Mapping[str, float] | None = None,
) -> Path:
    """Write a release and, unless told otherwise, point to it; `weights` of features: how it ranks."""
    target = folder / name
    catalog = build_catalog(
        ITEMS, [f"Title of {item}" for item in ITEMS], {level: ["even", "odd"] * 4 for level in LEVELS}
    )
    rows = catalog.rows_of_ids(ITEMS)
    users, items, times = [], [], []
    for user, bought in enumerate(BASKETS.values()):
        for age, item in enumerate(bought, start=1):
            users.append(user)
            items.append(rows[item])
            times.append(AS_OF - age * DAY)
    ones = np.ones(len(users))
    history = build_history(
        np.array(users), np.array(items), np.array(times), 0 * np.array(users), ones, ones, users=len(BASKETS)
    )
    for source_name, source in SOURCES.items():
        releases.save_arrays(target / "recall" / source_name, source.fit(history, catalog, AS_OF).arrays())
    groups = [defaults(level, len(catalog.names[level])) for level in ("category", "brand")]
    side = ItemSide(catalog, defaults("item", len(catalog)), *groups, text_vectors(catalog))
    releases.save_items(target / "items", side)
    everybody = releases.load_recall(target / "recall")["popular"].candidates(Asker(empty_history(), AS_OF), 5)
    releases.save_arrays(target / "popular", {"items": everybody.items, "scores": everybody.scores})
    (target / "ranker").mkdir()
    save_ranker(target / "ranker" / "model.onnx", weights or RANKED_BY)
    golden = [json.dumps({"user_id": user, "asked_at": AS_OF}) for user in BASKETS]
    (target / "golden_requests.jsonl").write_text("\n".join(golden) + "\n", encoding="utf-8")
    manifest = {
        "release": name,
        "day": "2017-11-05",
        "as_of": AS_OF,
        "feature_set": feature_set or feature_set_id(),
        "features": list(ranker_features()),
        "scenes": {scene: value.model_dump(mode="json") for scene, value in settings.scenes.items()},
        "metrics": {"ndcg@20": 0.5},
        "data": {},
        "files": {str(p.relative_to(target)): releases.sha256(p) for p in sorted(target.rglob("*")) if p.is_file()},
    }
    (target / releases.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    if move:
        releases.point_to(folder, name)
    return target


def defaults(entity: str, rows: int) -> np.ndarray:
    return np.tile(np.array([feature.default for feature in stored_features(entity)], np.float32), (rows, 1))


def save_ranker(path: Path, ranked_by: Mapping[str, float]) -> None:
    weights = np.zeros((len(ranker_features()), 1), np.float32)
    for feature, weight in ranked_by.items():
        weights[ranker_features().index(feature)] = weight
    columns = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [None, len(weights)])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])
    node = helper.make_node("MatMul", ["matrix", "weights"], ["scores"])
    graph = helper.make_graph([node], "ranker", [columns], [scores], [numpy_helper.from_array(weights, "weights")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), str(path))


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def sync(settings: Settings, url: str | None = None) -> None:
    """What both users bought, into the online store."""
    version = Version(feature_set_id(), "20171105", AS_OF, len(BASKETS))
    records = [(user, record_of(bought)) for user, bought in BASKETS.items()]
    open_writer(url or settings.online_url, settings.online_prefix).write(version, records)


def record_of(bought: tuple[int, ...]) -> UserRecord:
    from feature_store.schema import item_keys

    events = len(bought)
    times = AS_OF - DAY * np.arange(events, 0, -1)
    ones = np.ones(events, np.float32)
    items = item_keys(ITEMS[item] for item in reversed(bought))
    return UserRecord(AS_OF, default_values(), items, times, np.zeros(events, np.uint8), ones, ones)
