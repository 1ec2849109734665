"""OpenVINO on the CPU: its Sigmoid and SoftPlus, and graphs as converters write them."""

from __future__ import annotations

import numpy as np

from sigmoid_bce.numerics.catalogue import DTYPES, LENGTH, Implementation
from sigmoid_bce.numerics.frameworks import _runtimes as runtimes

TITLE = "OpenVINO"
PACKAGES = ("openvino",)
INSTEAD = runtimes.INSTEAD.format("compiled_model(inputs)[0]")
DTYPES_OF_GRAPHS = ("float16", "float32", "float64")
NOTE = "computed in float32 in every precision of the graph"
ELTWISE = "oneDNN, src/cpu/x64/injectors/jit_uni_eltwise_injector.cpp, in OpenVINO 2026.4"
CONVERTER = "src/frontends/pytorch/src/op/binary_cross_entropy_with_logits.cpp, 2026.4"
SOFTPLUS = (
    "oneDNN's soft_relu is exact to some 2e-6 only, so that the loss of a correctly classified "
    "sample becomes negative or 0"
)
PROGRAMS = (
    (runtimes.SIGMOID, ELTWISE, ""),
    (runtimes.SOFTPLUS, ELTWISE, SOFTPLUS),
    (
        runtimes.LOG_SIGMOID,
        "src/frontends/pytorch/src/op/log.cpp, 2026.4",
        "the sigmoid is 1 from 16.6 on, and 0 below -88",
    ),
    (
        runtimes.FROM_LOGITS,
        CONVERTER,
        "src/common/transformations/.../softplus_fusion.cpp makes SoftPlus of log(exp(z) + 1), and "
        f"{SOFTPLUS}",
    ),
    (runtimes.CLIPPED, ELTWISE, ""),
)
"""Each program, its source, and why it goes wrong."""


NAMES = {"abs": "absolute", "mul": "multiply", "neg": "negative", "sub": "subtract"}
"""OpenVINO's names of operations, where they differ from those of `_runtimes`."""


class _Operations:
    """OpenVINO's operations, by the names of `_runtimes`; numbers become constants."""

    def __init__(self, dtype):
        self.dtype = DTYPES[dtype]

    def __getattr__(self, name):
        from openvino import opset13

        operation = getattr(opset13, NAMES.get(name, name))
        return lambda *inputs: operation(*(self._node(i) for i in inputs))

    def _node(self, value):
        from openvino import opset13

        return opset13.constant(self.dtype.type(value)) if isinstance(value, float) else value

    def clip(self, x, low, high):
        from openvino import opset13

        return opset13.clamp(x, low, high)

    def log_sigmoid(self, x):
        return self.log(self.sigmoid(x))


def _compiled(graph, dtype):
    """Return a function that runs a graph on raw outputs and labels."""
    import openvino
    from openvino import opset13

    inputs = [opset13.parameter([LENGTH], DTYPES[dtype].type, name) for name in ("x", "y")]
    model = openvino.Model([graph(_Operations(dtype), *inputs)], inputs, "loss")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda x, y: np.array(compiled([x, y])[0])


def implementations() -> list[Implementation]:
    """Return each graph."""

    def run(graph):
        compiled = {dtype: _compiled(graph, dtype) for dtype in DTYPES_OF_GRAPHS}
        return lambda x, y: compiled[x.dtype.name](x, y)

    return [
        program.measured(
            run(program.graph), DTYPES_OF_GRAPHS, note=NOTE, source=source, cause=cause
        )
        for program, source, cause in PROGRAMS
    ]
