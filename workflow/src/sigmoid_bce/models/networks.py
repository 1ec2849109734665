"""The network of a cell, as its section of the configuration describes it."""

from __future__ import annotations

import math

import keras

from sigmoid_bce.jobs import plugins
from sigmoid_bce.models.heads import headed
from sigmoid_bce.models.own_code import NetworkError
from sigmoid_bce.study.models import Backbone, Model

ARCHITECTURES = "models/architectures"


def build(model: Model, shape: tuple[int, ...], prior: float | None = None) -> keras.Model:
    """Return the untrained network that a cell trains: of a backbone, its head alone.

    Parameters
    ----------
    model : Model
        The network's section of the configuration.
    shape : tuple of int
        The shape of one input: (size, size, channels) of an image, or (n,) of features.
    prior : float, optional
        The share of label 1 among the training labels, in (0, 1): for `initial_bias`. Not needed
        where weights are loaded afterwards.

    Returns
    -------
    keras.Model
        From inputs (n, *shape) to raw outputs (n, 1), float32 whatever Keras's dtype policy.

    Raises
    ------
    ValueError
        If a user's function does not return a network with one raw output, or its last layer has
        no bias and `initial_bias` wants one.
    PluginError
        If the architecture's file lacks a part.

    Examples
    --------
    >>> from sigmoid_bce.study.models import Linear
    >>> linear = Linear(
    ...     architecture="linear", learning_rate=0.1, max_epochs=9, initial_bias="prior"
    ... )
    >>> bias = build(linear, (30,), prior=0.01).weights[1]
    >>> round(float(bias[0]), 3)
    -4.595
    """
    network = _untrained(model, shape)
    if model.initial_scale != 1:
        for weight in network.trainable_variables:
            if "kernel" in weight.name:
                weight.assign(weight * model.initial_scale)
    if model.initial_bias == "prior" and prior is not None:
        _last_bias(network).assign([math.log(prior / (1 - prior))])
    return network


def check_takes(network: keras.Model, dtype: str) -> None:
    """Check that a network does not round its inputs, as pixels that are standardised.

    Parameters
    ----------
    network : keras.Model
    dtype : str
        The type of the inputs.

    Raises
    ------
    NetworkError

    Examples
    --------
    >>> pixels = keras.Input((8, 8, 1), dtype="uint8")
    >>> mine = keras.Sequential([pixels, keras.layers.Flatten()], name="mine")
    >>> check_takes(mine, "float32")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sigmoid_bce.models.own_code.NetworkError: mine takes pixels, uint8, and would round ...
    """
    takes = str(network.inputs[0].dtype)
    if "int" in takes and "float" in dtype:
        raise NetworkError(
            f"{network.name} takes pixels, {takes}, and would round its {dtype} inputs: write "
            "scale: raw, or use another architecture"
        )


def _untrained(model: Model, shape: tuple[int, ...]) -> keras.Model:
    """Return a network with the initial weights of its architecture."""
    if isinstance(model, Backbone):
        return headed(model, shape)
    architecture = plugins.load(ARCHITECTURES, model.architecture, "network")
    return architecture.network(model, shape)


def _last_bias(network: keras.Model) -> keras.Variable:
    """Return the bias of a network's last layer, or raise an error if it has none."""
    last = [w for w in network.trainable_variables if "kernel" in w.name or w.name == "bias"]
    if not last or last[-1].name != "bias" or tuple(last[-1].shape) != (1,):
        raise NetworkError(
            f"{network.name}: initial_bias: prior needs a last layer with a bias, as of "
            "layers.Dense(1)"
        )
    return last[-1]
