"""A small release of two sources and a ranker that anybody can follow, and the records of its users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from feature_store.matrix import ItemSide
from feature_store.online.recent import default_values
from feature_store.online.store import UserRecord
from feature_store.registry import feature_set_id, stored_features
from feature_store.text import text_vectors
from pipeline.recommender import release as releases
from pipeline.recommender.recall.source import Candidates
from pipeline.recommender.release import Manifest, Release
from pipeline.settings import Scene
from tests.pipeline.recommender.shop import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from feature_store.catalog import Catalog
    from pipeline.recommender.recall.source import Asker, RecallSource


class Offers:
    """A source that offers the same items to everybody, the first with the highest score."""

    name = "offers"

    def __init__(self, items: Sequence[int]) -> None:
        self.items = np.array(items, np.int32)

    def candidates(self, asker: Asker, k: int) -> Candidates:  # noqa: ARG002 - the same for everybody
        return Candidates(self.items[:k], np.arange(len(self.items), 0, -1).astype(np.float32)[:k])


class ByFeature:
    """A ranker whose score is one column; it keeps the last matrix it saw."""

    def __init__(self, column: int = 0) -> None:
        self.column, self.seen = column, np.empty((0, 0), np.float32)

    def score(self, matrix: np.ndarray, worth=None) -> np.ndarray:  # noqa: ARG002 - one target
        self.seen = matrix.copy()
        return matrix[:, self.column].copy()


def defaults(catalog: Catalog) -> ItemSide:
    """A shop of which nothing is known yet."""

    def rows(entity, count: int) -> np.ndarray:
        return np.tile(np.array([f.default for f in stored_features(entity)], np.float32), (count, 1))

    categories, brands = rows("category", len(catalog.names["category"])), rows("brand", len(catalog.names["brand"]))
    return ItemSide(catalog, rows("item", len(catalog)), categories, brands, text_vectors(catalog))


def scene(quotas: Mapping[str, int], **rules) -> Scene:
    return Scene.model_validate({"recall": {name: {"quota": quota} for name, quota in quotas.items()}, **rules})


def release(
    side: ItemSide,
    recall: Mapping[str, RecallSource],
    scenes: Mapping[str, Scene],
    *,
    ranker: ByFeature | None = None,
    features: Sequence[str] = ("user_item_basket_count",),
) -> Release:
    """In memory, ranked by the first of `features`."""
    manifest = Manifest(
        release="test",
        day="2017-11-05",
        as_of=NOW,
        feature_set=feature_set_id(),
        features=tuple(features),
        scenes=dict(scenes),
        metrics={},
        data={},
        files={},
    )
    return Release(manifest, side, recall, ranker or ByFeature(), Candidates(np.empty(0, np.int32), np.empty(0)))


def record(catalog: Catalog, *events: tuple[int, float], values: np.ndarray | None = None) -> UserRecord:
    """What the online store holds of a user who did `events`, as (item row, days ago), oldest first."""
    rows = np.array([row for row, _ in events], np.int64)
    times = np.array([NOW - int(ago * DAY) for _, ago in events], np.int64)
    ones = np.ones(len(events), np.float32)
    return UserRecord(
        NOW,
        default_values() if values is None else values,
        catalog.keys[rows],
        times,
        np.zeros(len(events), np.uint8),
        ones,
        ones,
    )


def publish(folder: Path, written: Release, ranker: bytes, name: str | None = None) -> Path:
    """Write a release as the stage does: arrays, the ranker's file, then a manifest that names it all."""
    staging = folder / ".staging"
    for source, index in written.recall.items():
        releases.save_arrays(staging / "recall" / source, index.arrays())
    releases.save_items(staging / "items", written.item_side)
    releases.save_arrays(staging / "popular", {"items": written.popular.items, "scores": written.popular.scores})
    (staging / "ranker").mkdir()
    (staging / "ranker" / "model.onnx").write_bytes(ranker)
    files = {str(p.relative_to(staging)): releases.sha256(p) for p in sorted(staging.rglob("*")) if p.is_file()}
    content = written.manifest.model_dump(mode="json", exclude={"release"}) | {"files": files}
    name = name or releases.release_name(content)
    (staging / releases.MANIFEST).write_text(json.dumps({"release": name, **content}, indent=1))
    return staging.rename(folder / name)
