"""How a user's network ends: in its raw output, in a sigmoid that can be cut off, or in neither.

Nothing here looks at names. A network is tried: a raw output can become as large as one likes in
both directions, whatever the layers are called, and a sigmoid computes the values of a sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.models.own_code import EXPECTED, NetworkError

Array = NDArray[np.float64]

IMAGES = 4
NEAR, FAR = (1e3, 1e6), (1e6, 1e12)
"""Sizes of weights: of several layers, whose outputs multiply, and of one layer."""

SOON = 3  # groups of weights that decide for most networks, without compiling them

RAW = np.array([-20, -16, -8, -4, -2, -1, -0.5, 0, 0.25, 0.5, 1, 2, 4, 8, 16], np.float32)
SHARES = np.linspace(0, 1, 17, dtype=np.float32)
"""Raw outputs and probabilities that half precision has too."""


def raw(
    network: keras.Model, shape: tuple[int, ...], name: str, *, really: bool = False
) -> tuple[keras.Model, str]:
    """Return a network that ends in its raw output, and the layer whose sigmoid was cut off.

    Parameters
    ----------
    network : keras.Model
        From images of `shape` to one output.
    shape : tuple of int
    name : str
        File and function, for messages.
    really : bool
        Whether to take its output as it is.

    Returns
    -------
    network : keras.Model
    cut : str
        The name of that layer; an empty string if the network ended in its raw output.

    Raises
    ------
    NetworkError
        If its output cannot become large in both directions, and is no sigmoid that can be cut off.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid", name="p")])
    >>> raw(network, (2,), "nets.py: build")[1]
    'p'
    """
    if really:
        return network, ""
    ending = _ending(network)
    without, cut = _cut(network) or (network, "")
    up, down, low, high = _reach(without, _images(shape))
    if up and down:
        return without, cut
    if up:
        what = "never negative" if low >= 0 else f"never below {low:g}"
    elif down:
        what = "never positive" if high <= 0 else f"never above {high:g}"
    else:
        what = f"in [{low:g}, {high:g}]" + ", as after a sigmoid" * (0 <= low <= high <= 1)
    before = f"before the sigmoid of {cut!r}, " if cut else ""
    raise NetworkError(
        f"{name}: {before}its outputs are {what}, whatever its weights; {ending}: {EXPECTED}"
    )


def _images(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return images of noise, from black to full contrast."""
    noise = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape))
    contrast = np.linspace(0, 1, IMAGES).reshape(-1, *(1 for _ in shape))
    return np.floor(noise * contrast).astype(np.float32)


def _array(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")), np.float64)


# ---- what values an output can take ----


def _groups(count: int) -> Iterator[tuple[range, tuple[float, float]]]:
    """Yield groups of variables, and sizes for their values: the last ones first."""
    lengths = [length for length in (1, 2, 4, 8) if length <= count]
    groups = [range(count - length, count) for length in lengths]
    groups += [range(length) for length in lengths]
    groups += [range(first, first + 2) for first in range(2, count - 3, 2)]
    for group in dict.fromkeys(groups):
        yield group, FAR if len(group) <= 2 else NEAR


def _reach(network: keras.Model, images: NDArray) -> tuple[bool, bool, float, float]:
    """Return whether outputs can grow upwards, and downwards, and the least and largest seen.

    Weights become random numbers of two sizes, a few weights at a time. An output that is not
    bounded grows with them, even if the layer is initialised with zeros.
    """
    variables = [v for v in network.trainable_variables if "float" in str(v.dtype)]
    kept = [variable.numpy() for variable in variables]
    chance = np.random.default_rng(0)
    draws = [chance.uniform(0.5, 1.5, v.shape) * chance.choice([-1, 1], v.shape) for v in kept]

    def call(batch: Any) -> Any:
        return network(batch, training=False)

    def outputs(group: range, size: float) -> Array:
        found = [np.empty(0)]
        # of two layers, either may hide the other one's sign
        for signs in ((1, 1), (-1, -1), (1, -1), (-1, 1))[: 2 * len(group)]:
            for i in group:
                variables[i].assign((signs[i % 2] * size * draws[i]).astype(kept[i].dtype))
            with suppress(Exception):  # a network may check that its values are finite
                found.append(_array(call(images)).ravel())
        values = np.concatenate(found)
        return values[~np.isnan(values)]

    seen = np.empty(0)
    up = down = False
    for tries, (group, (small, large)) in enumerate(_groups(len(variables))):
        if tries == SOON:
            call = tf.function(call, autograph=False, jit_compile=False)
        try:
            near, far = outputs(group, small), outputs(group, large)
        finally:
            for i in group:
                variables[i].assign(kept[i])
        seen = np.concatenate([seen, near, far])
        if near.size and far.size:
            up |= _grows(near.max(), far.max())
            down |= _grows(-near.min(), -far.min())
        if up and down:
            break
    if not seen.size:  # rather an error of the network's own than one without a reason
        seen = _array(call(images)).ravel()
    return up, down, float(seen.min()), float(seen.max())


def _grows(near: float, far: float) -> bool:
    return bool(far == np.inf or far > 1.5 * abs(near) + 0.5)


# ---- the sigmoid at the end ----


def _computes(function: Callable[[Any], Any], inputs: NDArray, expected: NDArray) -> bool:
    """Return whether a function of one value a sample computes the expected values."""
    try:
        output = function(keras.ops.convert_to_tensor(inputs))
        half = "16" in str(output.dtype)
        found = _array(output).ravel()
    except Exception:  # it may be any code of the user's
        return False
    relative, absolute = (0.02, 1e-7) if half else (1e-4, 1e-30)
    return found.shape == expected.shape and np.allclose(found, expected, relative, absolute)


def _is_sigmoid(function: Callable[[Any], Any], shape: tuple[int, ...] = (1,)) -> bool:
    expected = 1 / (1 + np.exp(-RAW.astype(np.float64)))
    return _computes(function, RAW.reshape(-1, *shape), expected)


def _node(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the operation that a symbolic tensor comes from, and the operation's inputs."""
    operation, index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[index].input_tensors


def _own_call(network: keras.Model) -> bool:
    """Return whether a model computes its output by code of the user's, and not by its graph."""
    return not next(c for c in type(network).__mro__ if "call" in vars(c)).__module__.startswith(
        "keras."
    )


def _cut(network: keras.Model) -> tuple[keras.Model, str] | None:
    """Return a network without the sigmoid at its end, and the name of its layer; None if none."""
    try:
        return None if _own_call(network) else _before(network)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None  # it has no graph, or not one of a single output


def _before(network: keras.Model) -> tuple[keras.Model, str] | None:
    """Return a network up to the sigmoid whose values it returns, and the sigmoid's layer."""
    (output,) = network.outputs
    tensor, tail, name = output, None, ""

    def without(last: Any) -> tuple[keras.Model, str]:
        if last.shape != (None, 1):
            last = keras.layers.Reshape((1,))(last)
        return keras.Model(network.inputs[0], last), name

    while all(n == 1 for n in tensor.shape[1:]):  # one value a sample
        shape = tensor.shape[1:]
        if tensor is not output:
            tail = keras.Model(tensor, output)
            if _is_sigmoid(tail, shape):
                return without(tensor)
        operation, inputs = _node(tensor)
        name = operation.name
        if len(inputs) != 1:
            return None
        keeps = tail is None or _computes(tail, SHARES.reshape(-1, *shape), SHARES)
        if keeps and isinstance(operation, keras.Model) and (inner := _cut(operation)):
            before, name = inner
            return without(before(inputs[0]))
        if keeps and _linear(network, operation, inputs[0], tensor):
            return without(tensor)
        if getattr(operation, "weights", ()):
            return None
        (tensor,) = inputs
    return None


def _linear(network: keras.Model, layer: Any, before: Any, after: Any) -> bool:
    """Take the activation from a layer if it is a sigmoid, and the last thing the layer does."""
    activation = getattr(layer, "activation", None)
    if not callable(activation) or not _is_sigmoid(activation):
        return False
    graph = getattr(network, "_functional", network)  # a Sequential model holds another model
    nodes = (node for nodes in graph._nodes_by_depth.values() for node in nodes)
    if sum(node.operation is layer for node in nodes) > 1:
        return False  # its other outputs need the sigmoid
    inputs = np.random.default_rng(0).normal(size=(len(RAW), *before.shape[1:])).astype(np.float32)
    alone = keras.Model(before, after)
    shares = _array(alone(inputs, training=False))
    layer.activation = keras.activations.linear
    if _computes(lambda x: keras.ops.sigmoid(alone(x, training=False)), inputs, shares.ravel()):
        return True
    layer.activation = activation
    return False


def _ending(network: keras.Model) -> str:
    """Return the last operations of a network, for messages: those after the last weights."""
    words: list[str] = []
    try:
        tensor = network.outputs[0]
        while len(words) < 5:
            operation, inputs = _node(tensor)
            if isinstance(operation, keras.Model):
                tensor = operation.outputs[0]
                continue
            kind, activation = type(operation).__name__, getattr(operation, "activation", None)
            function = getattr(activation, "__name__", type(activation).__name__)
            linear = activation is None or function == "linear"
            words.insert(0, f"{kind} {operation.name!r}" + ("" if linear else f" ({function})"))
            if getattr(operation, "weights", ()) or len(inputs) != 1:
                break
            (tensor,) = inputs
    except (AttributeError, IndexError, TypeError, ValueError):
        pass
    return f"it ends in {', '.join(words)}" if words else "Keras does not know its layers"
