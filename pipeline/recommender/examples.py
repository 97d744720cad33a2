"""Training examples: what recall would have offered at a moment, and which of it the user then bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import context_of
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.registry import registry
from pipeline.recommender.recall.source import Asker, RecallSource
from pipeline.recommender.recommend import Offer, offer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from feature_store.context import Context
    from feature_store.history import History
    from pipeline.settings import Scene


@dataclass(frozen=True)
class Examples:
    """Rows of several askers, one after the other.

    matrix: (n, features) float32; label: (n,) 1 bought, 0 not; group: (askers,) rows of each
    """

    matrix: NDArray[np.float32]
    label: NDArray[np.int8]
    group: NDArray[np.int32]


def join(parts: Sequence[Examples]) -> Examples:
    return Examples(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.group for part in parts]),
    )


def sample(
    offered: Offer, bought: NDArray[np.int32], negatives: int, generator: np.random.Generator
) -> tuple[Offer, NDArray[np.int8]]:
    """Every offered item that was bought, and at most `negatives` of the others, drawn evenly; with their labels.

    Items that recall did not offer are no examples: serving could not have shown them either.
    """
    label = np.isin(offered.items, bought).astype(np.int8)
    others = np.flatnonzero(label == 0)
    if len(others) > negatives:
        others = generator.choice(others, negatives, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(label), others]))
    return Offer(offered.items[kept], {name: column[kept] for name, column in offered.scores.items()}), label[kept]


def make_examples(
    askers: Sequence[tuple[int, NDArray[np.int32]]],
    *,
    history: History,
    user_values: NDArray[np.float32],
    item_side: ItemSide,
    recall: Mapping[str, RecallSource],
    scene: Scene,
    asked_at: int,
    features: Sequence[str],
    negatives: int,
    generator: np.random.Generator,
    context: Context | None = None,
) -> Examples:
    """Examples of one moment. `askers`: (user row, item rows the user bought afterwards); those who bought nothing
    that recall offered, or everything, teach nothing about order and are left out.
    `context`: of one asker, and so of all; None: UTC, no scene, no device.
    """
    offers, labels, users = [], [], []
    for user, bought in askers:
        offered = offer(recall, scene, Asker(history.of(user), asked_at))
        kept, label = sample(offered, bought, negatives, generator)
        if 0 < label.sum() < len(label):
            offers.append(kept)
            labels.append(label)
            users.append(user)
    group = np.array([len(label) for label in labels], np.int32)
    people = np.array(users, np.int64)
    rows = Rows(
        np.repeat(np.arange(len(users), dtype=np.int32), group),
        np.concatenate([o.items for o in offers]) if offers else np.empty(0, np.int32),
        {name: np.concatenate([o.scores[name] for o in offers]) for name in (offers[0].scores if offers else ())},
    )
    moment = np.array([asked_at], np.int64)
    where = (context or context_of(moment)).of_each(len(users))
    side = UserSide(user_values[people], history.take(people), np.repeat(moment, len(users)), where)
    matrix = assemble(features, registry(), item_side, side, rows)
    return Examples(matrix, np.concatenate(labels) if labels else np.empty(0, np.int8), group)
