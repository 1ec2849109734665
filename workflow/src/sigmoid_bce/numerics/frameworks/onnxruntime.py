"""ONNX Runtime on the CPU: its Sigmoid and Softplus, and graphs as exporters write them."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.frameworks import _runtimes as runtimes

TITLE = "ONNX Runtime"
PACKAGES = ("onnxruntime", "onnx")
INSTEAD = runtimes.INSTEAD.format("session.run(None, inputs)[0]")
OPSET = 21
ALL, HALF = ("float16", "float32", "float64"), ("float16", "float32")
NOTE = "float16: computed in float32"
"""ONNX Runtime puts a Cast before and after each group of operations."""
LOGISTIC = "onnxruntime/core/mlas/lib/logistic.cpp, 1.32"
ACTIVATIONS = "onnxruntime/core/providers/cpu/activation/activations.h, 1.32"
SIGMOID = (
    "float32: a rational approximation of sigmoid(x) - 0.5 up to |x| = 18, to which 0.5 is added: "
    "p is a multiple of 3e-8, 0 and 1 here and there from 15.7 on, and above 1 at 17.80789; "
    "float64: below 0, 1 - 1 / (1 + exp(-|x|))"
)
SOFTPLUS = "log(1 + exp(-|x|)) without log1p is 0 where exp(-|x|) is below half an ulp of 1"
EXPORTED = f"no clip, and 0 * log(0) is nan; {SIGMOID}"
PROGRAMS = (
    (runtimes.SIGMOID, ALL, LOGISTIC, SIGMOID),
    (runtimes.SOFTPLUS, HALF, ACTIVATIONS, SOFTPLUS),
    (
        runtimes.LOG_SIGMOID,
        ALL,
        "torch/onnx/_internal/torchscript_exporter/symbolic_opset9.py, 2.13",
        f"the exporter writes Log(Sigmoid); {SIGMOID}",
    ),
    (runtimes.FROM_LOGITS, ALL, "Relu, Abs, Exp, Log of opset 21", SOFTPLUS),
    (runtimes.CLIPPED, ALL, LOGISTIC, ""),
    (
        runtimes.TORCH,
        ALL,
        "torch/onnx/_internal/torchscript_exporter/symbolic_opset12.py, 2.13",
        EXPORTED,
    ),
)
"""Each program, its precisions, its source, and why it goes wrong."""


class _Nodes:
    """The nodes of an ONNX graph. Each operation adds one and returns the name of its result."""

    def __init__(self, dtype):
        self.dtype, self.nodes = DTYPES[dtype], []

    def __getattr__(self, name):
        return lambda *inputs: self._node(name.capitalize(), [self._name(i) for i in inputs])

    def log_sigmoid(self, x):
        return self.log(self.sigmoid(x))

    def _node(self, kind, inputs, **attributes):
        from onnx import helper

        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _name(self, value):
        from onnx import numpy_helper

        if isinstance(value, str):
            return value
        return self._node("Constant", [], value=numpy_helper.from_array(self.dtype.type(value)))


def _session(graph, dtype):
    """Return a session that runs a graph on raw outputs x and labels y."""
    import onnxruntime
    from onnx import helper

    nodes, kind = _Nodes(dtype), helper.np_dtype_to_tensor_dtype(DTYPES[dtype])
    result = graph(nodes, "x", "y")
    x, y, output = (
        helper.make_tensor_value_info(name, kind, [LENGTH]) for name in ("x", "y", result)
    )
    model = helper.make_model(
        helper.make_graph(nodes.nodes, "loss", [x, y], [output]),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors: no warning that the sigmoid's graph needs no label
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def implementations() -> list[Implementation]:
    """Return each graph."""

    def run(graph, dtypes):
        sessions = {dtype: _session(graph, dtype) for dtype in dtypes}
        return lambda x, y: np.asarray(sessions[x.dtype.name].run(None, {"x": x, "y": y})[0])

    return [
        program.measured(run(program.graph, dtypes), dtypes, note=NOTE, source=source, cause=cause)
        for program, dtypes, source, cause in PROGRAMS
    ]
