"""Scores with the ranker's ONNX file: of every ranker but those that `served.py` has something better for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

TARGETS_KEY = "targets"
"""Where a file of several outputs names them, separated by commas."""
PURCHASE_ONLY: Mapping[str, float] = {"purchase": 1.0}
"""What the targets count where a scene does not say."""


class OnnxRanker:
    """One thread per request: with more, sums over trees would depend on how rows are shared out."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        told = self._session.get_modelmeta().custom_metadata_map.get(TARGETS_KEY, "")
        self.targets = tuple(told.split(",")) if told else ()

    def score(self, matrix: NDArray[np.float32], worth: Mapping[str, float] | None = None) -> NDArray[np.float32]:
        """(n, features) float32 -> (n,) float32; of several targets their sum, each times what it is worth."""
        if not len(matrix):
            return np.empty(0, np.float32)
        (scores,) = self._session.run(None, {self._input: matrix})
        found = np.asarray(scores, np.float32)
        return weighed(found, self.targets, worth) if self.targets else found.reshape(-1)


def weighed(
    values: NDArray[np.float32], targets: tuple[str, ...], worth: Mapping[str, float] | None
) -> NDArray[np.float32]:
    """(n, targets) -> (n,), summed in the order of the targets, so that a row does not depend on those around it."""
    total = np.zeros(len(values), np.float32)
    for at, target in enumerate(targets):
        total += np.float32((worth or PURCHASE_ONLY).get(target, 0.0)) * values[:, at]
    return total
