"""Training examples from the impression log: lists that were really shown, each with what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import context_of
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.registry import registry
from pipeline.recommender.examples import Examples, join
from pipeline.recommender.recall.source import Asker, RecallSource
from pipeline.recommender.recommend import offer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from feature_store.history import History
    from pipeline.settings import Scene

_AT_ONCE = 500
"""Lists whose histories are held together."""


@dataclass(frozen=True)
class ShownLists:
    """Lists one after the other, the items of each by their place.

    user: (lists,) int64 rows; asked_at: (lists,) int64 seconds since 1970 UTC, when the first item was shown;
    group: (lists,) int32 items of each; item: (n,) int32 rows of the catalog; position: (n,) float32 from 1
    """

    user: NDArray[np.int64]
    asked_at: NDArray[np.int64]
    group: NDArray[np.int32]
    item: NDArray[np.int32]
    position: NDArray[np.float32]

    @property
    def list_of(self) -> NDArray[np.int64]:
        """(n,) the list of each row."""
        return np.repeat(np.arange(len(self.group)), self.group)

    def take(self, chosen: NDArray[np.int64]) -> ShownLists:
        """Some lists, `chosen` ascending."""
        kept = np.isin(self.list_of, chosen)
        return ShownLists(
            self.user[chosen], self.asked_at[chosen], self.group[chosen], self.item[kept], self.position[kept]
        )


def lists_shown(
    user: NDArray[np.int64],
    item: NDArray[np.int32],
    seconds: NDArray[np.int64],
    position: NDArray[np.float32],
    request: NDArray[np.int64],
) -> ShownLists:
    """The lists of impressions (n,) each; `request`: equal numbers belong to one list of one user, rows below 0 of
    user or item are unknown and left out. An item shown twice in a list counts where it stood first.
    """
    known = (user >= 0) & (item >= 0)
    order = np.lexsort((item[known], position[known], user[known], request[known]))
    rows = np.flatnonzero(known)[order]
    _, first = np.unique(np.stack([request[rows], user[rows], item[rows]]), axis=1, return_index=True)
    rows = rows[np.sort(first)]
    opens = np.ones(len(rows), bool)
    opens[1:] = (np.diff(request[rows]) != 0) | (np.diff(user[rows]) != 0)
    starts = np.flatnonzero(opens)
    group = np.diff(np.r_[starts, len(rows)]).astype(np.int32)
    asked_at = np.minimum.reduceat(seconds[rows], starts) if len(starts) else np.empty(0, np.int64)
    return ShownLists(user[rows][starts], asked_at, group, item[rows], position[rows])


def came_of(lists: ShownLists, events: History, seconds: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(n,) how many of `events` each shown item had from its user within so many seconds of being shown, and the money
    paid in them.
    """
    if not len(lists.item) or not len(events.item):
        return np.zeros(len(lists.item), np.int64), np.zeros(len(lists.item), np.float32)
    first = int(lists.asked_at.min())
    span = int(lists.asked_at.max()) + seconds + 1 - first
    inside = (events.time >= first) & (events.time < first + span)
    items = int(max(events.item.max(), lists.item.max())) + 1

    def key(user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.int64]) -> NDArray[np.int64]:
        return (user.astype(np.int64) * items + item) * (span + 1) + (time - first)

    keys = key(events.user[inside], events.item[inside], events.time[inside])
    order = np.argsort(keys, kind="stable")
    paid = np.r_[0.0, np.cumsum(events.value[inside][order], dtype=np.float64)]
    user, asked_at = lists.user[lists.list_of], lists.asked_at[lists.list_of]
    start = np.searchsorted(keys[order], key(user, lists.item, asked_at))
    end = np.searchsorted(keys[order], key(user, lists.item, np.minimum(asked_at + seconds, first + span)), "right")
    return end - start, (paid[end] - paid[start]).astype(np.float32)


def make_shown_examples(
    lists: ShownLists,
    targets: Mapping[str, NDArray[np.float32]],
    label: NDArray[np.int8],
    *,
    history: History,
    bounds: Mapping[str, int],
    user_values: NDArray[np.float32],
    item_side: ItemSide,
    recall: Mapping[str, RecallSource],
    scene: Scene,
    scene_name: str,
    scenes: Sequence[str],
    timezone: str,
    features: Sequence[str],
) -> Examples:
    """Each list described at the moment when it was shown: `history` (everybody's, however late) is cut there and
    bounded as online, recall is asked with it. Stored values are those given, so at most as old as the week is long.
    """
    parts = []
    for start in range(0, len(lists.group), _AT_ONCE):
        chosen = np.arange(start, min(start + _AT_ONCE, len(lists.group)))
        part, mine = lists.take(chosen), np.isin(lists.list_of, chosen)
        whole = history.take(part.user)
        past = whole.select(whole.time < part.asked_at[whole.user]).latest(bounds)
        offers = [offer(recall, scene, Asker(past.of(at), int(moment))) for at, moment in enumerate(part.asked_at)]
        ends = np.cumsum(part.group)[:-1]
        scores = {
            name: np.concatenate(
                [
                    _found(each.items, each.scores[name], items)
                    for each, items in zip(offers, np.split(part.item, ends), strict=True)
                ]
            )
            for name in scene.recall
        }
        context = context_of(part.asked_at, timezone=timezone, scene=scene_name, scenes=scenes)
        side = UserSide(user_values[part.user], past, part.asked_at, context)
        rows = Rows(part.list_of.astype(np.int32), part.item, scores)
        matrix = assemble(features, registry(), item_side, side, rows)
        own = {name: values[mine] for name, values in targets.items()}
        parts.append(Examples(matrix, label[mine], part.group, own, part.position))
    return join(parts)


def _found(offered: NDArray[np.int32], scores: NDArray[np.float32], items: NDArray[np.int32]) -> NDArray[np.float32]:
    """(k,) the scores of `items` (k,) where they were offered, else NaN."""
    if not len(offered):
        return np.full(len(items), np.nan, np.float32)
    at = np.minimum(np.searchsorted(offered, items), len(offered) - 1)
    return np.where(offered[at] == items, scores[at], np.float32(np.nan)).astype(np.float32)
