"""Optimisers: each file defines `optimizer(learning_rate)`, and its name is the optimiser's name.

`optimizer` returns a `keras.optimizers.Optimizer`. Checkpoints keep its `variables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigmoid_bce.jobs import plugins

if TYPE_CHECKING:
    import keras


def make(name: str, learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return an optimiser.

    Parameters
    ----------
    name : str
        A file of this folder.
    learning_rate : float
    weight_decay : float
        Each step also takes this share, times the rate, from each weight: decoupled from the
        gradient, as in AdamW (https://arxiv.org/abs/1711.05101).

    Raises
    ------
    PluginError
        If the file cannot be imported, or defines no `optimizer`.

    Examples
    --------
    >>> make("adam", 0.01, 0.1).weight_decay
    0.1
    """
    made = plugins.load("training/optimizers", name, "optimizer").optimizer(learning_rate)
    if weight_decay:  # an optimiser of the user's may have a decay of its own
        made.weight_decay = weight_decay
    return made
