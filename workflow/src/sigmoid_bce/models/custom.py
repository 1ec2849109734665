"""The user's own network: made by a function of theirs, and ending in a raw output."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from sigmoid_bce.study.models import Custom

PASSING = {"Reshape", "Flatten", "Dropout", "Identity", "Squeeze", "ActivityRegularization"}
"""Operations that leave an output what it is."""


def _function(model: Custom) -> Callable[..., keras.Model]:
    """Import the module of a user's function from its file, its neighbours importable too."""
    name, function = model.function.split(":")
    file = model.file.resolve()
    sys.path.insert(0, str(Path(model.folder).resolve()))
    package = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=package)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return getattr(module, function)


def _last(network: keras.Model):
    """Return the operation that makes a network's output, and its input; None if unknown."""
    try:
        tensor = network.outputs[0]
        while True:
            operation, node, _ = tensor._keras_history
            if isinstance(operation, keras.Model):
                tensor = operation.outputs[0]
            elif type(operation).__name__ in PASSING:
                tensor = operation._inbound_nodes[node].input_tensors[0]
            else:
                return operation, operation._inbound_nodes[node].input_tensors[0]
    except (AttributeError, IndexError, TypeError):
        return None  # a subclass of keras.Model has no graph to look at


def _outputs(network: keras.Model, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Return outputs for random images, with the trainable weights scaled for the moment."""
    images = np.random.default_rng(0).integers(0, 256, (32, *shape)).astype(np.float32)
    kept = [variable.numpy() for variable in network.trainable_variables]
    for variable, value in zip(network.trainable_variables, kept, strict=True):
        variable.assign(value * scale)
    out = keras.ops.convert_to_numpy(network(images, training=False))
    for variable, value in zip(network.trainable_variables, kept, strict=True):
        variable.assign(value)
    return out


def raw(network: keras.Model, shape: tuple[int, ...], name: str) -> tuple[keras.Model, str]:
    """Return a network that ends in its raw output, and what was cut off.

    Parameters
    ----------
    network : keras.Model
        From images of `shape` to one output.
    shape : tuple of int
    name : str
        Where it is from, for messages.

    Returns
    -------
    network : keras.Model
    cut : str
        The layer whose sigmoid was cut off, or "".

    Raises
    ------
    ValueError
        If the last layer is neither linear nor a sigmoid.
    """
    last = _last(network)
    if last is None:
        # whatever the weights, a sigmoid stays within [0, 1], and a linear layer does not
        out = np.concatenate([_outputs(network, shape, scale) for scale in (100, -100)])
        if (out >= 0).all():
            what = "in [0, 1], as after a sigmoid" if (out <= 1).all() else "never negative"
            raise ValueError(
                f"{name}: its outputs are {what}, and its layers cannot be seen: return the raw "
                "output, the last layer's value without activation"
            )
        return network, ""
    operation, before = last
    kind = type(operation).__name__
    activation = getattr(operation, "activation", None)
    function = getattr(activation, "__name__", None) or type(activation).__name__
    if kind == "Sigmoid":
        if network.outputs[0]._keras_history.operation is not operation:
            raise ValueError(
                f"{name}: it ends in a sigmoid inside another model: return its input, the raw "
                "output"
            )
        return keras.Model(network.inputs, before), operation.name
    if activation is None or function == "linear":
        if kind in ("Softmax", "ReLU", "LeakyReLU", "PReLU", "ELU", "Relu", "Tanh", "Softplus"):
            raise ValueError(
                f"{name}: its last operation is {kind}, {operation.name!r}: expected a linear "
                "layer, the raw output"
            )
        return network, ""
    if function != "sigmoid":
        raise ValueError(
            f"{name}: its last layer, {operation.name!r}, has the activation {function}: expected "
            "none (the raw output), or sigmoid, which is cut off"
        )
    operation.activation = keras.activations.linear
    return network, operation.name


def build(model: Custom, shape: tuple[int, ...]) -> keras.Model:
    """Return the network that a user's function makes, ending in a raw output.

    Parameters
    ----------
    model : Custom
        Its entry in the configuration, as `sigmoid_bce.planning.locate.locate` completed it.
    shape : tuple of int
        Height, width and channels of the images.

    Returns
    -------
    keras.Model
        From uint8 images (n, *shape) to raw outputs (n, 1). What was cut off at its end, or "", is
        its attribute `cut_sigmoid`.

    Raises
    ------
    ValueError
        If the function fails, or returns something else than a Keras model of one input and one
        output.
    """
    name = f"{model.file}: {model.function.split(':')[1]}"
    function = _function(model)
    wants_shape = bool(inspect.signature(function).parameters)
    network = function(shape) if wants_shape else function()
    if not isinstance(network, keras.Model):
        raise ValueError(f"{name}: it returns {type(network).__name__}, expected a keras.Model")
    given = tuple(getattr(network, "input_shape", None) or (None, *shape))
    if not all(isinstance(n, int | None) for n in given):
        raise ValueError(f"{name}: it takes {len(given)} inputs, expected one, the images")
    fits = len(given) == len(shape) + 1 and all(
        a in (None, b) for a, b in zip(given[1:], shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name}: it takes inputs of shape {given[1:]}, but the images have {shape}: make it "
            "of the shape that it is called with, or set image_size and channels"
        )
    pixels = keras.Input(shape, dtype="uint8")
    as_floats = layers.Rescaling(1.0, dtype="float32", name="pixels")(pixels)
    made = network(as_floats)
    if not hasattr(made, "shape"):
        raise ValueError(
            f"{name}: it returns {len(made)} outputs; expected one raw output for a binary label"
        )
    if tuple(made.shape[1:]) != (1,):
        raise ValueError(
            f"{name}: its output has the shape {tuple(made.shape)}; expected one raw output for a "
            "binary label, (None, 1)"
        )
    network, cut = raw(network, shape, name)
    if not network.trainable_variables:
        raise ValueError(f"{name}: nothing of it is trainable")
    raw_output = network(as_floats)
    if raw_output.dtype != "float32":
        print(
            f"{name}: its raw output is {raw_output.dtype}, now cast to float32; its last layer "
            "computes in float32 with dtype='float32'",
            flush=True,
        )
        raw_output = layers.Activation("linear", dtype="float32", name="raw_output")(raw_output)
    whole = keras.Model(pixels, raw_output, name="custom")
    whole.cut_sigmoid = cut
    if cut:
        print(f"{name}: the sigmoid of {cut!r}, its last layer, is cut off", flush=True)
    return whole
