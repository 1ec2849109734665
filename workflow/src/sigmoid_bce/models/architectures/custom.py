"""The user's own network: their function makes it, and it ends in a raw output."""

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
"""Operations that do not change the values of an output."""

NOT_LINEAR = {"Softmax", "ReLU", "LeakyReLU", "PReLU", "ELU", "Relu", "Tanh", "Softplus"}
"""Operations without an attribute `activation` that a raw output cannot come from."""


def _function(model: Custom) -> Callable[..., keras.Model]:
    """Return the user's function. Its module may import modules of the same folder."""
    name, function = model.function.split(":")
    file = model.file.resolve()
    sys.path.insert(0, str(Path(model.folder).resolve()))
    package = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=package)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return getattr(module, function)


def _last(network: keras.Model):
    """Return the operation that computes a network's output, and its input; None if unknown."""
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
        return None  # a subclass of keras.Model has no graph


def _outputs(network: keras.Model, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Return outputs for random images, with the trainable weights scaled meanwhile."""
    images = np.random.default_rng(0).integers(0, 256, (32, *shape)).astype(np.float32)
    kept = [variable.numpy() for variable in network.trainable_variables]
    for variable, value in zip(network.trainable_variables, kept, strict=True):
        variable.assign(value * scale)
    out = keras.ops.convert_to_numpy(network(images, training=False))
    for variable, value in zip(network.trainable_variables, kept, strict=True):
        variable.assign(value)
    return out


def raw(network: keras.Model, shape: tuple[int, ...], name: str) -> tuple[keras.Model, str]:
    """Return a network that ends in its raw output, and the layer whose sigmoid was cut off.

    Parameters
    ----------
    network : keras.Model
        From images of `shape` to one output.
    shape : tuple of int
    name : str
        File and function, for messages.

    Returns
    -------
    network : keras.Model
    cut : str
        The name of that layer; an empty string if the network ended in its raw output.

    Raises
    ------
    ValueError
        If the last layer is neither linear nor a sigmoid.
    """
    last = _last(network)
    if last is None:
        # with any weights, a sigmoid stays in [0, 1]; a linear layer does not
        out = np.concatenate([_outputs(network, shape, scale) for scale in (100, -100)])
        if (out >= 0).all():
            what = "in [0, 1], as after a sigmoid" if (out <= 1).all() else "never negative"
            raise ValueError(
                f"{name}: its outputs are {what}, and Keras does not know its layers: return the "
                "raw output, the value of the last layer without activation"
            )
        return network, ""
    operation, before = last
    kind = type(operation).__name__
    activation = getattr(operation, "activation", None)
    function = getattr(activation, "__name__", None) or type(activation).__name__
    if kind == "Sigmoid":
        if network.outputs[0]._keras_history.operation is not operation:
            raise ValueError(
                f"{name}: it ends in a sigmoid inside another model: return the sigmoid's input, "
                "the raw output"
            )
        return keras.Model(network.inputs, before), operation.name
    if activation is None or function == "linear":
        if kind in NOT_LINEAR:
            raise ValueError(
                f"{name}: its last operation is {kind}, {operation.name!r}: end with a linear "
                "layer, the raw output"
            )
        return network, ""
    if function != "sigmoid":
        raise ValueError(
            f"{name}: its last layer, {operation.name!r}, has the activation {function}: expected "
            "no activation (the raw output), or sigmoid, which is cut off"
        )
    operation.activation = keras.activations.linear
    return network, operation.name


def _made(model: Custom, shape: tuple[int, ...], name: str) -> keras.Model:
    """Return the Keras model that a user's function returns, of one input that fits the images."""
    function = _function(model)
    wants_shape = bool(inspect.signature(function).parameters)
    made = function(shape) if wants_shape else function()
    if not isinstance(made, keras.Model):
        raise ValueError(f"{name}: it returns {type(made).__name__}, expected a keras.Model")
    given = tuple(getattr(made, "input_shape", None) or (None, *shape))
    if not all(isinstance(n, int | None) for n in given):
        raise ValueError(f"{name}: it has {len(given)} inputs, expected one, the images")
    fits = len(given) == len(shape) + 1 and all(
        a in (None, b) for a, b in zip(given[1:], shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name}: it takes inputs of shape {given[1:]}, but the images have the shape {shape}: "
            "build it for the shape that your function is called with, or change image_size or "
            "channels"
        )
    return made


def network(model: Custom, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    model : Custom
        Its section of the configuration, as `sigmoid_bce.planning.locate.locate` completed it.
    shape : tuple of int
        (size, size, channels).

    Returns
    -------
    keras.Model
        From uint8 images (n, *shape) to raw outputs (n, 1). Its attribute `cut_sigmoid` is the name
        of the layer whose sigmoid was cut off, or an empty string.

    Raises
    ------
    ValueError
        If the function fails, or does not return a Keras model of one input and one output.
    """
    name = f"{model.file}: {model.function.split(':')[1]}"
    made = _made(model, shape, name)
    pixels = keras.Input(shape, dtype="uint8")
    as_floats = layers.Rescaling(1.0, dtype="float32", name="pixels")(pixels)
    output = made(as_floats)
    if not hasattr(output, "shape"):
        raise ValueError(
            f"{name}: it has {len(output)} outputs, expected one raw output for a binary label"
        )
    if tuple(output.shape[1:]) != (1,):
        raise ValueError(
            f"{name}: its output has the shape {tuple(output.shape)}, expected (None, 1), one raw "
            "output for a binary label"
        )
    made, cut = raw(made, shape, name)
    if not made.trainable_variables:
        raise ValueError(f"{name}: it has no trainable weights")
    raw_output = made(as_floats)
    if raw_output.dtype != "float32":
        print(
            f"{name}: its raw output is {raw_output.dtype} and is cast to float32; to compute the "
            "last layer in float32, give it dtype='float32'",
            flush=True,
        )
        raw_output = layers.Activation("linear", dtype="float32", name="raw_output")(raw_output)
    whole = keras.Model(pixels, raw_output, name="custom")
    whole.cut_sigmoid = cut
    if cut:
        print(f"{name}: the sigmoid of {cut!r}, its last layer, is cut off", flush=True)
    return whole
