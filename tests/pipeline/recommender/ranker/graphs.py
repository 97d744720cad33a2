"""ONNX graphs that a reader can follow."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def first_column(columns: int) -> bytes:
    """A ranker whose score is the first of so many features."""
    weights = np.zeros((columns, 1), np.float32)
    weights[0] = 1
    matrix = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [None, columns])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])
    node = helper.make_node("MatMul", ["matrix", "weights"], ["scores"])
    graph = helper.make_graph([node], "ranker", [matrix], [scores], [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))
