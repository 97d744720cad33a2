"""ONNX graphs: the parts that several rankers are exported with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

from pipeline.recommender.ranker.position import SCORED_AT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import NodeProto

OPSET = 15
"""The newest ONNX operator set that both the converter and the runtimes of the last years know."""
_TREES = "ai.onnx.ml"
_IR_VERSION = 8
INPUT, OUTPUT = "features", "scores"


def write(model: ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


def model_of(
    nodes: Sequence[NodeProto], constants: Mapping[str, NDArray[Any]], *, columns: int, outputs: int = 1
) -> ModelProto:
    """A graph from `features` (n, columns) to `scores` (n, outputs)."""
    graph = helper.make_graph(
        nodes,
        "vitrine",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_TREES, 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


def squeezing(given: str, made: str) -> list[NodeProto]:
    """Nodes of `logistic.squeeze` and `logistic.standard`; constants `mean`, `scale` and `unit` go with them."""
    return [
        helper.make_node("Abs", [given], ["sizes"]),
        helper.make_node("Add", ["sizes", "unit"], ["sizes_and_one"]),
        helper.make_node("Log", ["sizes_and_one"], ["logarithms"]),
        helper.make_node("Sign", [given], ["signs"]),
        helper.make_node("Mul", ["signs", "logarithms"], ["squeezed"]),
        helper.make_node("IsNaN", [given], ["unknown"]),
        helper.make_node("Where", ["unknown", "mean", "squeezed"], ["known"]),
        helper.make_node("Sub", ["known", "mean"], ["distance"]),
        helper.make_node("Div", ["distance", "scale"], [made]),
    ]


def layers(given: str, made: str, count: int) -> list[NodeProto]:
    """Nodes of `layered.through_layers` from rows to (n, 1); constants `layer…` and `shift…` go with them."""
    nodes, hidden = [], given
    for layer in range(count):
        last = layer == count - 1
        shifted = made if last else f"shifted{layer}"
        nodes += [
            helper.make_node("MatMul", [hidden, f"layer{layer}"], [f"product{layer}"]),
            helper.make_node("Add", [f"product{layer}", f"shift{layer}"], [shifted]),
        ]
        if not last:
            hidden = f"hidden{layer}"
            nodes.append(helper.make_node("Relu", [shifted], [hidden]))
    return nodes


def added_up(weights: Mapping[Path, float]) -> ModelProto:
    """The scores of several models (n, 1), all asked the same, each times its weight, as one model."""
    nodes, constants, weighted, columns = [], [], [], 0
    for at, (path, weight) in enumerate(weights.items()):
        model = compose.add_prefix(onnx.load(path), f"part{at}_")
        graph = model.graph
        columns = graph.input[0].type.tensor_type.shape.dim[1].dim_value
        nodes += [helper.make_node("Identity", [INPUT], [graph.input[0].name]), *graph.node]
        nodes.append(helper.make_node("Mul", [graph.output[0].name, f"weight{at}"], [f"weighted{at}"]))
        constants += [*graph.initializer, numpy_helper.from_array(np.array(weight, np.float32), f"weight{at}")]
        weighted.append(f"weighted{at}")
    nodes.append(helper.make_node("Sum", weighted, [OUTPUT]))
    made = model_of(nodes, {}, columns=columns)
    made.graph.initializer.extend(constants)
    return made


def at_first_position(model: ModelProto, columns: int) -> ModelProto:
    """The model of `columns` columns, the last of them the position, as one that is asked without it."""
    graph, inner = model.graph, model.graph.input[0].name
    nodes = [
        helper.make_node("Shape", ["asked"], ["asked_shape"]),
        helper.make_node("Slice", ["asked_shape", "zero", "one"], ["asked_rows"]),
        helper.make_node("Concat", ["asked_rows", "one"], ["position_shape"], axis=0),
        helper.make_node("Expand", ["scored_at", "position_shape"], ["asked_position"]),
        helper.make_node("Concat", ["asked", "asked_position"], [inner], axis=1),
    ]
    for node in reversed(nodes):
        graph.node.insert(0, node)
    constants = {"zero": np.array([0]), "one": np.array([1]), "scored_at": np.array([[SCORED_AT]], np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("asked", TensorProto.FLOAT, [None, columns - 1]))
    trees = [opset for opset in model.opset_import if opset.domain]
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", OPSET), *trees])
    return model
