"""Files of ONNX, which onnxruntime and many other programs compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from prunescope.errors import InputError, first_line
from prunescope.export.exported import Exported
from prunescope.model import FloatArray
from prunescope.network.plain import AffineMap, Centre, NormLayer, Part

OPSET, IR_VERSION = 13, 7  # of 2021, which every runtime in use reads
LARGEST = 2_000_000_000  # bytes of a file: a message of protobuf has less than 2^31


def onnx_package() -> Any:
    """Import the package onnx and return it; raise InputError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            f"onnx: its package is not installed ({first_line(error)}): pip install 'prunescope[onnx]'"
        ) from None
    return onnx


def onnx_bytes(exported: Exported) -> bytes:
    """Return the network as an ONNX model, from ``pixels`` float32 [N, …] to ``logits`` float32 [N, classes].

    Raises InputError for a network of more than 2 GB, which the format cannot hold.
    """
    onnx = onnx_package()
    parts = exported.network.parts
    arrays = {name: array for part in parts for name, array in _arrays(part, parts[part]).items()}
    if sum(array.nbytes for array in arrays.values()) > LARGEST:
        raise InputError(
            "the network has more than 2 GB, which a file of ONNX cannot hold: use safetensors or npz"
        )
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Flatten", ["pixels"], ["flatten"], name="flatten", axis=1)]
    before = "flatten"
    for number, (name, part) in enumerate(parts.items(), 1):
        after = "logits" if number == len(parts) else f"{name}.out"
        nodes.append(_node(helper, name, part, before, after))
        before = after
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", floats, ["N", *exported.shape])],
        [helper.make_tensor_value_info("logits", floats, ["N", exported.network.sizes[-1]])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="prunescope",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, exported.notes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _arrays(name: str, part: Part) -> dict[str, FloatArray]:
    """Return the arrays of a part by the names that the model gives them."""
    if isinstance(part, AffineMap):
        return {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    if isinstance(part, NormLayer):
        fields = {"weight": part.gain, "bias": part.shift, "mean": part.mean, "var": part.variance}
        return {f"{name}.{field}": array for field, array in fields.items()}
    if isinstance(part, Centre):
        return {f"{name}.mean": part.mean}
    return {}


def _node(helper: Any, name: str, part: Part, before: str, after: str) -> Any:
    """Return the node that computes a part."""
    inputs, options = [before, *_arrays(name, part)], dict[str, float]()
    if isinstance(part, AffineMap):
        kind, options = "Gemm", {"transB": 1}
    elif isinstance(part, NormLayer):
        kind, options = "BatchNormalization", {"epsilon": part.epsilon}
    else:
        kind = "Sub" if isinstance(part, Centre) else "Relu"
    return helper.make_node(kind, inputs, [after], name=name, **options)
