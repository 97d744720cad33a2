"""How good lists are against what users then did; binary relevance, every user counts the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    PerUser = NDArray[np.float64]

PADDING = -1
"""Fills a list that is shorter than its row; it is never a match."""


@dataclass(frozen=True)
class Judged:
    """Lists beside the truth.

    matches: (users, k) bool, whether the user took the item at this place, best place first
    wanted:  (users,) int64, distinct items the user took, at least 1
    """

    matches: NDArray[np.bool_]
    wanted: NDArray[np.int64]


def judge(lists: NDArray[np.integer], truth: Sequence[NDArray[np.integer]]) -> Judged:
    """The `lists` (users, k) of item numbers, padded with -1, against the items that each user took.

    Rows or keys serve as numbers. An item that no list can hold (sold for the first time) still counts as wanted:
    give it any number of its own below -1.

    Raises:
        ValueError: a user took nothing (no list is good or bad then: leave the user out), or the lengths differ.
    """
    taken = [np.unique(items) for items in truth]
    wanted = np.array([len(items) for items in taken], np.int64)
    if len(taken) != len(lists) or not wanted.all():
        raise ValueError(f"expected one non-empty truth for each of {len(lists)} lists, found sizes {wanted.tolist()}")
    matches = np.zeros(lists.shape, bool)
    for user, items in enumerate(taken):
        matches[user] = np.isin(lists[user], items) & (lists[user] != PADDING)
    return Judged(matches, wanted)


def recall(judged: Judged, k: int) -> PerUser:
    """Share of the user's items that the first `k` places hold: hits / |truth|, shape (users,), range [0, 1]."""
    return np.asarray(judged.matches[:, :k].sum(axis=1) / judged.wanted, np.float64)


def ndcg(judged: Judged, k: int) -> PerUser:
    """Normalised discounted cumulative gain of the first `k` places, shape (users,), range [0, 1].

    A hit at place i (from 1) gains 1 / log2(i + 1); divided by the gain of min(k, |truth|) hits from the top.
    K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002.
    """
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gain)[np.minimum(judged.wanted, k) - 1]
    places = min(k, judged.matches.shape[1])
    # One sum per user, not a matrix product, whose rounding depends on how many users stand beside.
    return np.asarray((judged.matches[:, :places] * gain[:places]).sum(axis=1) / ideal, np.float64)


def hit(judged: Judged, k: int) -> PerUser:
    """1 where the first `k` places hold at least one of the user's items, else 0; shape (users,)."""
    return np.asarray(judged.matches[:, :k].any(axis=1), np.float64)


def mrr(judged: Judged) -> PerUser:
    """Reciprocal rank: 1 / place of the first hit, 0 without one; shape (users,); its mean is the MRR.

    E. Voorhees, "The TREC-8 question answering track report", 1999.
    """
    found = judged.matches.any(axis=1)
    return np.asarray(found / (1 + judged.matches.argmax(axis=1)), np.float64)


def average_precision(judged: Judged, k: int) -> PerUser:
    """Mean over the user's min(k, |truth|) items of the precision at each hit's place, shape (users,), range [0, 1].

    Its mean is the MAP. D. Harman, "Overview of the first TREC conference", 1993.
    """
    matches = judged.matches[:, :k]
    precision = np.cumsum(matches, axis=1) / np.arange(1, matches.shape[1] + 1)
    return np.asarray((precision * matches).sum(axis=1) / np.minimum(judged.wanted, k), np.float64)


def means(judged: Judged, sizes: Sequence[int] = (10, 20)) -> dict[str, float]:
    """Every metric's mean over the users, as `recall@10`, `ndcg@10`, `hit@10`, … and `mrr`.

    >>> one_hit_of_two = judge(np.array([[7, 5, 3]]), [np.array([5, 8])])
    >>> means(one_hit_of_two, sizes=[2])
    {'recall@2': 0.5, 'ndcg@2': 0.38685280723454163, 'hit@2': 1.0, 'map@2': 0.25, 'mrr': 0.5}
    """
    return {name: float(values.mean()) for name, values in per_user(judged, sizes).items()}


def per_user(judged: Judged, sizes: Sequence[int] = (10, 20)) -> dict[str, PerUser]:
    """Every metric of every user, under the names of `means`."""
    named = {"recall": recall, "ndcg": ndcg, "hit": hit, "map": average_precision}
    return {f"{name}@{k}": metric(judged, k) for k in sizes for name, metric in named.items()} | {"mrr": mrr(judged)}
