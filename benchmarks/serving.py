"""Serve the trained networks of a study with other runtimes, and judge their probabilities.

    python benchmarks/serving.py                     # of results/default, once it is finished
    python benchmarks/serving.py results/mine

Each network is exported twice: with its sigmoid, and with its raw output, whose sigmoid is then
applied outside. The table is written to <study>/serving.csv; `make numbers` collects it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import pandas as pd
from onnx import helper, numpy_helper
from pydantic import TypeAdapter
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from sigmoid_bce.comparison.diagnostics import calibration_error, exact_loss
from sigmoid_bce.study.models import Model

CELLS = "dataset~*/model~*/loss~logits/batch_size~20/seed~0"
"""The cells whose networks are served."""
IMAGES = {"uint8": onnx.TensorProto.UINT8, "float32": onnx.TensorProto.FLOAT}
OPSET = 21


# ---- ONNX, layer by layer, as a converter writes it


class Graph:
    """An ONNX graph of a Keras network, in float32 or float16."""

    def __init__(self, dtype: str):
        self.dtype, self.nodes, self.weights = np.dtype(dtype), [], []
        self.x, self.image = "inputs", False

    def add(self, kind: str, *weights, **attributes) -> None:
        """Add a node that works on the last result."""
        names = [f"w{len(self.weights) + i}" for i in range(len(weights))]
        self.weights += map(numpy_helper.from_array, map(np.asarray, weights), names)
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.x, *names], [output], **attributes))
        self.x = output

    def layer(self, layer) -> None:
        """Add the nodes of a layer."""
        kind, weights = type(layer).__name__, [w.astype(self.dtype) for w in layer.get_weights()]
        if kind == "Rescaling":
            self.add("Mul", np.asarray(layer.scale, self.dtype))
            self.add("Transpose", perm=[0, 3, 1, 2])
            self.image = True
        elif kind == "PooledConv2D":
            self.add("Conv", weights[0].transpose(3, 2, 0, 1))
            self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            self.add("Add", weights[1].reshape(1, -1, 1, 1))
            self.add("Relu")
        elif kind == "Flatten":
            if self.image:
                self.add("Transpose", perm=[0, 2, 3, 1])
            self.add("Flatten")
        elif kind == "Dense":
            self.add("MatMul", weights[0])
            self.add("Add", weights[1])
            if layer.activation.__name__ == "relu":
                self.add("Relu")
        elif kind not in ("InputLayer", "Dropout"):
            raise SystemExit(f"serving: no ONNX for a layer {kind}")


def as_onnx(network, dtype: str, sigmoid: bool) -> bytes:
    """Return a network as an ONNX file."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = Graph(dtype)
    graph.add("Cast", to=kind)
    for layer in network.layers:
        graph.layer(layer)
    if sigmoid:
        graph.add("Sigmoid")
    inputs = helper.make_tensor_value_info(
        "inputs", IMAGES[network.inputs[0].dtype], ["n", *network.input_shape[1:]]
    )
    output = helper.make_tensor_value_info(graph.x, kind, ["n", 1])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "network", [inputs], [output], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    return model.SerializeToString()


# ---- runtimes: from a network to a function from inputs to outputs


def by_onnxruntime(network, precision: str, sigmoid: bool, samples) -> Callable:
    """Run a network with ONNX Runtime; float16 is the precision of every operation's result."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        as_onnx(network, precision, sigmoid), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"inputs": x})[0]


def by_openvino(network, precision: str, sigmoid: bool, samples) -> Callable:
    """Run a network with OpenVINO; float16 is the precision of the weights in its file."""
    import openvino

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        file.write_bytes(as_onnx(network, "float32", sigmoid))
        model = core.read_model(file)
        converted = Path(folder, "network.xml")
        openvino.save_model(model, converted, compress_to_fp16=precision == "float16")
        compiled = core.compile_model(converted, "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda x: np.array(compiled([x])[0])


def by_litert(network, precision: str, sigmoid: bool, samples) -> Callable:
    """Run a network with LiteRT; float16 is the precision of weights, int8 of everything."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    spec = tf.TensorSpec([1, *network.input_shape[1:]], tf.float32)

    def served(x):
        x = network(tf.cast(x, network.inputs[0].dtype), training=False)
        return tf.sigmoid(x) if sigmoid else x

    concrete = tf.function(served, [spec], autograph=False).get_concrete_function()
    # without a network beside it the converter freezes the weights; with it, outputs are nan
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: ([x[None].astype(np.float32)] for x in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_output_type = tf.int8
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    (inputs,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(x):
        found = []
        for sample in x.astype(np.float32):
            interpreter.set_tensor(inputs["index"], sample[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(output["index"])[0])
        scale, zero = output["quantization"]
        return np.float32(scale) * (np.float32(found) - zero) if scale else np.array(found)

    return run


RUNTIMES = {
    ("ONNX Runtime", "onnxruntime", by_onnxruntime): ("float32", "float16"),
    ("OpenVINO", "openvino", by_openvino): ("float32", "float16"),
    ("LiteRT", "ai-edge-litert", by_litert): ("float32", "float16", "int8"),
}
"""Each runtime: its name, its package and how it is run; and the precisions."""


# ---- what becomes of the probabilities


def judged(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return what served probabilities are worth.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Raw outputs of the trained network.
    y : ndarray, shape (n,)
        Labels.
    p : ndarray, shape (n,)
        The probabilities that are served, in their own precision.
    """
    certain, wrong = (p == 0) | (p == 1), (x > 0) != (y == 1)
    return {
        "samples": len(x),
        "certain": int(certain.sum()),
        "certain_wrong": int((certain & wrong).sum()),
        "log_loss_exact": float(exact_loss(x[None], y[None])[0]),
        "log_loss": float(log_loss(y, p, labels=[0, 1])),
        "ece_exact": float(calibration_error(x[None], y[None])[0]),
        "ece": float(calibration_error(logit(p.astype(np.float64))[None], y[None])[0]),
        "decisions_changed": int(((p > 0.5) != (x > 0)).sum()),
        "probability_error_max": float(np.abs(p - expit(x.astype(np.float64))).max()),
    }


def served(network, inputs, x, y, calibration) -> Iterator[dict]:
    """Yield a row for each runtime, precision and output of a network."""
    for (runtime, package, run), precisions in RUNTIMES.items():
        for precision in precisions:
            for output in ("sigmoid", "raw"):
                found = run(network, precision, output == "sigmoid", calibration)(inputs)[:, 0]
                p = found if output == "sigmoid" else expit(found.astype(np.float64))
                about = {"runtime": runtime, "precision": precision, "output": output}
                row = {**about, "version": version(package), **judged(x, y, p)}
                if output == "raw":  # no probability stands between
                    row["log_loss"] = float(exact_loss(found.astype(np.float64)[None], y[None])[0])
                yield row


def networks(study: Path) -> Iterator[tuple[dict, tuple]]:
    """Yield each network's name, and what `served` needs of it, of its validation samples."""
    from sigmoid_bce.models.networks import build

    for folder in sorted(study.glob(f"train/{CELLS}")):
        run = json.loads((folder / "run.json").read_text())
        named = dict(part.split("~") for part in run["cell"].split("/"))
        model = TypeAdapter(Model).validate_python(run["model"])
        raw = pd.read_parquet(study / "raw_outputs" / run["cell"] / "full.parquet")
        size = getattr(model, "image_size", None)
        stored = f"size~{size}" if model.architecture == "convnet" else f"backbone~{named['model']}"
        (file,) = (study / f"features/dataset~{named['dataset']}").glob(f"{stored}*.npy")
        inputs = np.load(file)
        network = build(model, inputs.shape[1:])
        network.load_weights(folder / "full.weights.h5")
        held = (raw["split"] == "validation").to_numpy()
        columns = raw.loc[held, ["raw_output", "label"]]
        about = {"dataset": named["dataset"], "model": named["model"]}
        calibration = inputs[~held][:200]
        yield about, (network, inputs[held], *columns.to_numpy().T, calibration)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", type=Path, default=Path("results/default"))
    study = parser.parse_args().study
    if not any(study.glob(f"train/{CELLS}")):
        raise SystemExit(f"serving: {study} has no {CELLS}: run the study first")
    table = pd.DataFrame(
        [{**about, **row} for about, parts in networks(study) for row in served(*parts)]
    )
    table.to_csv(study / "serving.csv", index=False)
    print(table.to_string())


if __name__ == "__main__":
    main()
