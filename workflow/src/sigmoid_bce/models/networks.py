"""The network of a cell, as its section of the configuration describes it."""

from __future__ import annotations

import keras

from sigmoid_bce.jobs import plugins
from sigmoid_bce.models.heads import headed
from sigmoid_bce.study.models import Backbone, Model

ARCHITECTURES = "models/architectures"


def build(model: Model, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network that a cell trains: of a backbone, its head alone.

    Parameters
    ----------
    model : Model
        The network's section of the configuration.
    shape : tuple of int
        The shape of one input: (size, size, channels) of an image, or (n,) of features.

    Returns
    -------
    keras.Model
        From inputs (n, *shape) to raw outputs (n, 1), float32 whatever Keras's dtype policy.

    Raises
    ------
    ValueError
        If a user's function does not return a network with one raw output.
    PluginError
        If the architecture's file lacks a part.
    """
    if isinstance(model, Backbone):
        return headed(model, shape)
    architecture = plugins.load(ARCHITECTURES, model.architecture, "network")
    return architecture.network(model, shape)
