"""LiteRT, once TensorFlow Lite: TensorFlow's operations after its converter."""

from __future__ import annotations

from types import SimpleNamespace

from sigmoid_bce.numerics.catalogue import LENGTH, Implementation
from sigmoid_bce.numerics.frameworks import _runtimes as runtimes

TITLE = "LiteRT"
PACKAGES = ("ai-edge-litert", "tensorflow")
INSTEAD = runtimes.INSTEAD.format("interpreter.get_tensor(output)")
CONVERTER = "tensorflow/compiler/mlir/lite, 2.21"
FORMULA = "log(exp(z) + 1), z = (1 - 2 y) x; hard labels"
SOFTPLUS = (
    "the converter writes log(exp(z) + 1), which is 0 where exp(z) is below half an ulp of 1; "
    "exp(z) overflows above 88.7"
)
PROGRAMS = (
    (runtimes.SIGMOID, ""),
    (runtimes.SOFTPLUS._replace(formula=FORMULA), SOFTPLUS),
    (runtimes.LOG_SIGMOID._replace(formula=FORMULA, from_sigmoid=False), SOFTPLUS),
    (runtimes.FROM_LOGITS, "the converter writes log(exp(-|x|) + 1) for log1p(exp(-|x|))"),
    (runtimes.CLIPPED, ""),
)
"""Each program, and why it goes wrong."""


def _converted(graph):
    """Return the model of a graph, converted as a network is."""
    import tensorflow as tf

    names = ("abs", "add", "exp", "log", "log_sigmoid", "sigmoid", "softplus")
    operations = SimpleNamespace(
        **{name: getattr(tf.math, name) for name in names},
        sub=tf.math.subtract,
        mul=tf.math.multiply,
        neg=tf.math.negative,
        clip=tf.clip_by_value,
    )

    def function(x, y):
        if graph is runtimes.FROM_LOGITS.graph:
            return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)
        return graph(operations, x, y)

    vector = tf.TensorSpec([LENGTH], tf.float32)
    traced = tf.function(function, [vector, vector], autograph=False)
    concrete = traced.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], traced).convert()


def implementations() -> list[Implementation]:
    """Return each graph, run by XNNPACK, which is the default, and by the built-in kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    modes = {
        "XNNPACK": OpResolverType.AUTO,
        "built-in kernels": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }

    def run(model, kernels):
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_op_resolver_type=kernels
        )
        interpreter.allocate_tensors()
        inputs = {tensor["name"]: tensor["index"] for tensor in interpreter.get_input_details()}
        output = interpreter.get_output_details()[0]["index"]

        def function(x, y):
            interpreter.set_tensor(inputs["x"], x)
            interpreter.set_tensor(inputs["y"], y)
            interpreter.invoke()
            return interpreter.get_tensor(output)

        return function

    return [
        program.measured(
            run(model, kernels),
            ("float32",),  # no float64; float16 of weights only
            mode=mode,
            source=CONVERTER,
            cause=cause,
        )
        for program, cause in PROGRAMS
        for model in [_converted(program.graph)]
        for mode, kernels in modes.items()
    ]
