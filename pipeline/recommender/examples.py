"""Training examples: what recall would have offered at a moment, and which of it the user then bought."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    targets: other things that happened (`click`, `cart`, `gmv`: money paid), (n,) float32 each
    position: (n,) float32 from 1, where the row was shown, NaN where nobody knows; None: it is known of no row
    offered_by: recall source -> (n,) whether it offered the row; for measuring what each adds
    """

    matrix: NDArray[np.float32]
    label: NDArray[np.int8]
    group: NDArray[np.int32]
    targets: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    position: NDArray[np.float32] | None = None
    offered_by: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def asker(self) -> NDArray[np.int64]:
        """(n,) number of each row's asker."""
        return np.repeat(np.arange(len(self.group)), self.group)


@dataclass(frozen=True)
class Outcome:
    """What one user then did. items: (k,) int32 rows of the catalog, ascending; amounts: (k,) float32 of each"""

    items: NDArray[np.int32]
    amounts: NDArray[np.float32]


def join(parts: Sequence[Examples]) -> Examples:
    """The rows of all parts; a target that one of them lacks did not happen there."""
    names = sorted({name for part in parts for name in part.targets})
    nothing = [np.zeros(len(part.label), np.float32) for part in parts]
    positions = [
        np.full(len(part.label), np.nan, np.float32) if part.position is None else part.position for part in parts
    ]
    return Examples(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.group for part in parts]),
        {
            name: np.concatenate([part.targets.get(name, none) for part, none in zip(parts, nothing, strict=True)])
            for name in names
        },
        np.concatenate(positions) if any(part.position is not None for part in parts) else None,
        {
            name: np.concatenate(
                [part.offered_by.get(name, none > 0) for part, none in zip(parts, nothing, strict=True)]
            )
            for name in sorted({name for part in parts for name in part.offered_by})
        },
    )


def sample(
    offered: Offer,
    bought: NDArray[np.int32],
    negatives: int,
    generator: np.random.Generator,
    liked: NDArray[np.int32] | None = None,
) -> tuple[Offer, NDArray[np.int8]]:
    """Every offered item that was bought (or is among the items `liked`), and at most `negatives` of the others, drawn
    evenly; with their labels.

    Items that recall did not offer are no examples: serving could not have shown them either.
    """
    label = np.isin(offered.items, bought).astype(np.int8)
    positive = label == 1 if liked is None else (label == 1) | np.isin(offered.items, liked)
    others = np.flatnonzero(~positive)
    if len(others) > negatives:
        others = generator.choice(others, negatives, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(positive), others]))
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
    outcomes: Mapping[str, Mapping[int, Outcome]] | None = None,
    everybody: bool = False,
) -> Examples:
    """Examples of one moment. `askers`: (user row, item rows the user bought afterwards); those who bought nothing
    that recall offered, or everything, teach nothing about order and are left out, unless `everybody` is asked for.
    `context`: of one asker, and so of all; None: UTC, no scene, no device.
    `outcomes`: target -> user row -> what else happened, of which the examples tell in `targets`.
    """
    offers, labels, users = [], [], []
    for user, bought in askers:
        offered = offer(recall, scene, Asker(history.of(user), asked_at))
        liked = _liked(outcomes, user) if outcomes else None
        kept, label = sample(offered, bought, negatives, generator, liked)
        positive = label if liked is None else np.isin(kept.items, liked) | (label == 1)
        if everybody or 0 < positive.sum() < len(label):
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
    targets = {
        name: np.concatenate([_happened(of.get(user), o.items) for user, o in zip(users, offers, strict=True)])
        for name, of in (outcomes or {}).items()
        if offers
    }
    offered_by = {name: ~np.isnan(scores) for name, scores in rows.recall.items()}
    label = np.concatenate(labels) if labels else np.empty(0, np.int8)
    return Examples(matrix, label, group, targets, offered_by=offered_by)


def _liked(outcomes: Mapping[str, Mapping[int, Outcome]], user: int) -> NDArray[np.int32]:
    """Everything that the user did something with."""
    return np.concatenate([np.empty(0, np.int32), *(of[user].items for of in outcomes.values() if user in of)])


def _happened(outcome: Outcome | None, items: NDArray[np.int32]) -> NDArray[np.float32]:
    """(n,) how much of it happened to each of `items` (n,)."""
    if outcome is None or not len(outcome.items):
        return np.zeros(len(items), np.float32)
    at = np.minimum(np.searchsorted(outcome.items, items), len(outcome.items) - 1)
    return np.where(outcome.items[at] == items, outcome.amounts[at], 0).astype(np.float32)
