"""The only path from a user and a moment to a list. Evaluation and serving both call `recommend`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import context_of
from feature_store.history import History, build_history, empty_history
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.online.recent import default_values
from feature_store.registry import registry
from pipeline.recommender import policy
from pipeline.recommender.fusion import fused
from pipeline.recommender.recall.source import Asker, RecallSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from feature_store.context import Device
    from feature_store.online.store import UserRecord
    from pipeline.recommender.release import Release
    from pipeline.settings import Scene


@dataclass(frozen=True)
class Request:
    """One question. `asked_at`: seconds since 1970 UTC; `exclude`: item ids the answer must not hold;
    `device`: what the list is looked at with, None when nobody says; `request_id`: what a scene that explores draws by,
    empty: the list is the best one.
    """

    user_id: str
    asked_at: int
    size: int = 20
    scene: str = "home"
    exclude: tuple[str, ...] = ()
    device: Device | None = None
    request_id: str = ""


@dataclass(frozen=True)
class Choice:
    """One item of an answer: `sources` proposed it, `score` ranked it (comparable within this answer only);
    `probability` that the user buys it within the horizon, None where the release cannot say.
    """

    item_id: str
    title: str
    score: float
    sources: tuple[str, ...]
    probability: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Everything that a list was chosen from: items (n,) int32 of the catalog, ascending; scores (n,) float32."""

    items: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """A list, best first, and how far it fell short of a full answer (0: personal with everything)."""

    items: tuple[Choice, ...]
    degrade_level: int = 0
    degrade_reason: str = ""
    ranking: Ranking | None = field(default=None, compare=False, repr=False)
    """What it was chosen from; none where nothing was ranked."""
    vectors: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """(items, features): what the ranker was told of each item shown; none where nothing was ranked."""
    propensity: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """(items,) how likely each was to stand where it does; none where the scene does not explore."""


@dataclass(frozen=True)
class Offer:
    """What the recall sources of a scene offer to one asker.

    items: (n,) int32, distinct, ascending; scores: source -> (n,) float32, NaN where the source did not offer the item
    """

    items: NDArray[np.int32]
    scores: Mapping[str, NDArray[np.float32]]


def offer(sources: Mapping[str, RecallSource], scene: Scene, asker: Asker) -> Offer:
    """Ask every source of the scene for its quota and merge the answers, or of them `most_ranked`.

    Training and recommending both call it.
    """
    found = {name: sources[name].candidates(asker, quota.quota) for name, quota in scene.recall.items()}
    if scene.most_ranked is not None and found:
        found = fused(found, {name: each.weight for name, each in scene.recall.items()}, scene.most_ranked)
    items = np.unique(np.concatenate([c.items for c in found.values()])) if found else np.empty(0, np.int32)
    scores = {}
    for name, candidates in found.items():
        scores[name] = np.full(len(items), np.nan, np.float32)
        scores[name][np.searchsorted(items, candidates.items)] = candidates.scores
    return Offer(items.astype(np.int32), scores)


def history_of(record: UserRecord, item_side: ItemSide) -> History:
    """The record's events in rows of the release's catalog; events with items it does not hold are left out."""
    rows = item_side.catalog.rows(record.item)
    known = rows >= 0
    nobody = np.zeros(int(known.sum()), np.int32)
    return build_history(
        nobody,
        rows[known],
        record.time[known],
        record.kind[known],
        record.quantity[known],
        record.value[known],
        users=1,
    )


def recommend(request: Request, release: Release, record: UserRecord | None) -> Answer:
    """The list for one request, from what the online store knows of the user (None: nothing).

    Raises:
        KeyError: the release has no such scene.
    """
    scene = release.scenes[request.scene]
    history = history_of(record, release.item_side).before(request.asked_at) if record else empty_history()
    offered = offer(release.recall, scene, Asker(history, request.asked_at))
    kept = policy.allowed(offered.items, release.item_side.catalog, history, scene, request.exclude)
    items = offered.items[kept]
    scores = {name: column[kept] for name, column in offered.scores.items()}
    matrix = describe(request, release, record.values if record else default_values(), history, items, scores)
    rank = release.ranker.score(matrix, scene.worth)
    catalog = release.item_side.catalog
    draw = f"{request.scene} {request.request_id}" if request.request_id else ""
    arranged = policy.arrange(items, rank, catalog, scene, request.size, draw)
    order = arranged.order
    probability = release.probabilities(scene, rank[order])
    return Answer(
        tuple(
            Choice(
                str(catalog.ids[items[at]]),
                str(catalog.titles[items[at]]),
                float(rank[at]),
                tuple(name for name, column in scores.items() if not np.isnan(column[at])),
                None if probability is None else float(probability[place]),
            )
            for place, at in enumerate(order)
        ),
        ranking=Ranking(items, rank),
        vectors=matrix[order],
        propensity=arranged.propensity,
    )


def describe(
    request: Request,
    release: Release,
    values: NDArray[np.float32],
    history: History,
    items: NDArray[np.int32],
    recall: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The ranker's matrix (n, features) of `items` (n,) for one request."""
    asked_at, manifest = np.array([request.asked_at], np.int64), release.manifest
    context = context_of(
        asked_at, timezone=manifest.timezone, scene=request.scene, scenes=tuple(manifest.scenes), device=request.device
    )
    user_side = UserSide(values[None, :], history, asked_at, context)
    rows = Rows(np.zeros(len(items), np.int32), items, recall)
    return assemble(manifest.features, registry(), release.item_side, user_side, rows)
