"""Scores with the ranker's ONNX file: what evaluation judges and serving runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class OnnxRanker:
    """One thread per request: with more, sums over trees would depend on how rows are shared out."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, features) float32 -> (n,) float32."""
        if not len(matrix):
            return np.empty(0, np.float32)
        (scores,) = self._session.run(None, {self._input: matrix})
        return np.asarray(scores, np.float32).reshape(-1)
