"""What Keras does not document: every such name is looked up here, and none is needed for sure.

| name | what it tells | where a release lacks it |
|---|---|---|
| `_keras_logits` | what went into a sigmoid | TensorFlow's graph tells it, or it is computed back |
| `_keras_history`, `_inbound_nodes` | how a model ends | its operations are asked, else the user |
| `_compile_loss` | that `compile` was called again | each fit is traced anew |
| `_fn_kwargs` | a loss's `from_logits` | its configuration tells it |
| `_metrics` | where JAX's steps find variables | an error names the release |
| `train_function`, `test_function` | what was traced | a warning, if the monitor saw no batch |
"""

from __future__ import annotations

from typing import Any

import keras

from sigmoid_bce.jobs.logs import UserError


def logits(tensor: Any) -> Any:
    """Return what went into a sigmoid, from its output; None if Keras does not keep it."""
    return getattr(tensor, "_keras_logits", None)


def origin(tensor: Any, model: Any) -> tuple[Any, list[Any]] | None:
    """Return the operation of a model that a symbolic tensor comes from, and its inputs."""
    operation, node = tuple(getattr(tensor, "_keras_history", (None, 0)))[:2]
    nodes = getattr(operation, "_inbound_nodes", ())
    if node < len(nodes):
        return operation, list(nodes[node].input_tensors)
    # public, but of an operation's first call alone
    for one in getattr(model, "operations", None) or model.layers:
        try:
            inputs, outputs = (keras.tree.flatten(part) for part in (one.input, one.output))
        except AttributeError:  # it was never called with symbolic tensors
            continue
        if any(output is tensor for output in outputs):
            return one, inputs
    return None


def compiled(model: Any) -> Any:
    """Return an object that is another one after `compile`."""
    return getattr(model, "_compile_loss", object())


def from_logits(loss: Any) -> bool:
    """Return whether a loss object of Keras takes raw outputs."""
    try:
        known = dict(loss.get_config())
    except Exception:  # a configuration of the user's own
        known = {}
    return bool({**known, **getattr(loss, "_fn_kwargs", {})}.get("from_logits", False))


def metrics(model: Any) -> list[Any]:
    """Return the list of metrics whose variables a step of JAX changes.

    Raises
    ------
    UserError
        If this release of Keras has no such list.
    """
    found = getattr(model, "_metrics", None)
    if not isinstance(found, list):
        raise UserError(
            f"with Keras {keras.__version__} on JAX, the monitor cannot count: it knows releases "
            "up to 3.15; watch the training with one of these, or on TensorFlow or PyTorch"
        )
    return found


def steps(model: Any) -> tuple[Any, Any]:
    """Return the steps of training and of evaluation that Keras has traced."""
    return getattr(model, "train_function", None), getattr(model, "test_function", None)
