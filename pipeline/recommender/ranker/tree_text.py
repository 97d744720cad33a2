"""LightGBM's text file as the arrays that `trees.TreeRanker` scores with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pipeline.recommender.ranker.trees import TreeRanker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_LEAVES = 32
"""A leaf is a bit of a number. With 64, ONNX Runtime takes a third of the time (decision 11)."""
_ZERO = np.float32(1e-35)
"""What is not further from zero than this is zero to LightGBM (`kZeroThreshold`)."""
_CATEGORICAL, _DEFAULT_LEFT, _MISSING = 1, 2, 12
"""Bits of a `decision_type`."""
_NEVER, _IS_NAN = 0, 8
"""Values of the bits `_MISSING`: NaN counts as 0, or goes where the split says."""


def read_trees(text: str) -> TreeRanker | None:
    """None where the file has what a `TreeRanker` cannot: more leaves, categories, zeros that count as missing, lines
    in leaves, or means and classes instead of one sum.
    """
    head, *blocks = re.split(r"\nTree=\d+\n", text.partition("\nend of trees")[0])
    told, trees = _fields(head), [_fields(block) for block in blocks]
    one_sum = told["num_class"] == told["num_tree_per_iteration"] == "1" and "\naverage_output" not in head
    if not (one_sum and trees and all(map(_can_be_read, trees))):
        return None
    leaves = max(int(tree["num_leaves"]) for tree in trees)
    bits = next(kind for kind in (np.uint16, np.uint32) if leaves <= np.iinfo(kind).bits)
    shape = (leaves - 1, len(trees))
    used, threshold, lost = np.zeros(shape, np.intp), np.full(shape, np.inf, np.float32), np.zeros(shape, bits)
    value = np.zeros((len(trees), leaves))
    places: dict[tuple[int, float], int] = {(0, 0.0): 0}
    for number, tree in enumerate(trees):
        bounds, (order, below) = _bounds(tree), _leaves(tree)
        value[number, : len(order)] = _numbers(tree, "leaf_value")[order]
        threshold[: len(bounds), number] = bounds
        lost[: len(below), number] = below
        for split, column in enumerate(_columns(tree)):
            used[split, number] = places.setdefault(column, len(places))
    feature, filling = zip(*places, strict=True)
    return TreeRanker(
        int(told["max_feature_idx"]) + 1,
        np.array(feature, np.intp),
        np.array(filling, np.float32),
        used,
        threshold,
        lost,
        value,
    )


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _numbers(tree: Mapping[str, str], name: str) -> NDArray[np.float64]:
    return np.array(tree.get(name, "").split(), np.float64)


def _can_be_read(tree: Mapping[str, str]) -> bool:
    kinds = _numbers(tree, "decision_type").astype(int)
    missing = kinds & _MISSING
    return (
        int(tree["num_leaves"]) <= MOST_LEAVES
        and tree.get("is_linear", "0") == "0"
        and not (kinds & _CATEGORICAL).any()
        and bool(((missing == _NEVER) | (missing == _IS_NAN)).all())
    )


def _columns(tree: Mapping[str, str]) -> list[tuple[int, float]]:
    """Of each split the column, and the value that goes where NaN goes."""
    found = []
    for column, kind in zip(tree.get("split_feature", "").split(), tree.get("decision_type", "").split(), strict=True):
        sent = -np.inf if int(kind) & _DEFAULT_LEFT else np.inf
        found.append((int(column), 0.0 if int(kind) & _MISSING == _NEVER else sent))
    return found


def _bounds(tree: Mapping[str, str]) -> NDArray[np.float32]:
    """The greatest float32 of each split that goes left, which says the same of every float32 as LightGBM's double."""
    told = _numbers(tree, "threshold")
    with np.errstate(over="ignore"):
        bounds = told.astype(np.float32)
    down = np.float32(-np.inf)
    bounds = np.where(bounds > told, np.nextafter(bounds, down), bounds)
    zeros = np.abs(bounds) <= _ZERO
    return np.where(zeros, np.where(told < 0, np.nextafter(-_ZERO, down), _ZERO), bounds)


def _leaves(tree: Mapping[str, str]) -> tuple[list[int], list[int]]:
    """Leaves from left to right, and of each split the bits of those on its left side."""
    left, right = (_numbers(tree, f"{side}_child").astype(int) for side in ("left", "right"))
    order: list[int] = []
    below = [0] * len(left)

    def walk(node: int) -> int:
        """The bits of the leaves below a node; a negative one is a leaf."""
        if node < 0:
            order.append(~node)
            return 1 << (len(order) - 1)
        below[node] = walk(left[node])
        return below[node] | walk(right[node])

    walk(0 if len(left) else ~0)
    return order, below
