"""Train one learning cell: the networks of all its seeds, described after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.comparison import diagnostics
from sigmoid_bce.data.draw import draw, scaled
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.records import Row
from sigmoid_bce.models import networks
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.study.models import Backbone, Dense, Linear, Model
from sigmoid_bce.training import devices, optimizers
from sigmoid_bce.training.stack import Outputs, Stack

FAR = 60.0
"""A loss is clipped where it has the value that it has at this |x| on the same side."""
AS_WRITTEN = {"arithmetic_optimization": False, "constant_folding": False}
"""Options of Grappler, which would otherwise compute 1 - p + epsilon as (1 + epsilon) - p."""
SMALL = (Backbone, Dense, Linear)
"""Networks that are stacked; all others are trained one after the other."""
THEN = 10
"""After the first epochs, only every tenth one is described, and the last."""
FIRST, FIRST_OF_LARGE = 200, 10
"""The first epochs of a network of `SMALL`, and of others, whose description costs more."""


class Learned(NamedTuple):
    """The result of a learning cell."""

    epochs: pd.DataFrame
    record: dict[str, Any]


class Data(NamedTuple):
    """What the networks of some seeds see, with one row a seed."""

    train: NDArray
    labels: NDArray[np.int64]
    validation: NDArray
    validation_labels: NDArray[np.int64]


def is_described(epoch: int, last: int, first: int = FIRST) -> bool:
    """Return whether an epoch has a row: the `first`, then every tenth, and the last.

    Examples
    --------
    >>> [epoch for epoch in range(195, 226) if is_described(epoch, 225)]
    [195, 196, 197, 198, 199, 200, 210, 220, 225]
    """
    return epoch <= first or epoch % THEN == 0 or epoch == last


def of_seeds(seen: Seen, inputs: NDArray, manifest: pd.DataFrame, seeds: Sequence[int]) -> Data:
    """Return what the networks of some seeds see: each seed draws its own samples and labels.

    Parameters
    ----------
    seen : Seen
        What a training sees of the data set.
    inputs : ndarray, shape (n, ...)
    manifest : DataFrame
        With columns label and split, one row for each input.
    seeds : sequence of int

    Raises
    ------
    DataError
        As `draw`, or if a class has no validation sample.
    """
    labels, parts = manifest["label"].to_numpy(), manifest["split"].to_numpy()
    found = []
    for seed in seeds:
        drawn = draw(
            labels,
            parts,
            seen.split,
            label_noise=seen.label_noise,
            imbalance=seen.imbalance,
            seed=seed,
            redraw=True,
        )
        x = scaled(inputs, drawn.train, seen)
        rows = drawn.validation
        for label in (0, 1):
            if label not in labels[rows]:
                raise DataError(
                    f"with seed {seed}, none of {len(rows)} validation samples has label {label}: "
                    "the AUC needs both labels, so enlarge split.validation"
                )
        found.append((x[drawn.train], drawn.labels, x[rows], labels[rows].astype(np.int64)))
    return Data(*map(np.stack, zip(*found, strict=True)))


class Arm(NamedTuple):
    """A loss at the points that tell it apart; arrays of shape (2, 2): label 0 and 1, x < 0, > 0.

    Examples
    --------
    >>> arm = Arm.of(plugins.load("training/losses", "logits"))
    >>> float(arm.loss[1, 0]), float(arm.gradient[1, 0]), arm.record()["recovers_logits"]
    (60.0, -1.0, True)
    """

    loss: NDArray[np.float32]
    gradient: NDArray[np.float32]

    @classmethod
    def of(cls, loss: Any) -> Arm:
        """Compute the loss and its gradient at x = -`FAR` and `FAR`, compiled as in training."""
        y = tf.constant([[0.0], [0.0], [1.0], [1.0]])
        x = tf.constant([[-FAR], [FAR]] * 2)

        @tf.function(autograph=False)
        def computed():
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss.loss(y, x)
            return value, tape.gradient(value, x)

        return cls(*(part.numpy().reshape(2, 2) for part in computed()))

    def flat(self, x: NDArray, y: NDArray, loss: NDArray) -> NDArray[np.bool_]:
        """Return where a loss has the value that it has far away; arrays of one shape."""
        return loss == self.loss[y, (x > 0).astype(int)]

    def record(self) -> dict[str, Any]:
        """Return what run records say: above all whether a far wrong gradient is that of logits."""
        wrong = self.gradient[[0, 1], [1, 0]]
        return {
            "wrong_side_loss": [float(value) for value in self.loss[[0, 1], [1, 0]]],
            "wrong_side_gradient": [float(value) for value in wrong],
            "recovers_logits": bool((wrong == [1, -1]).all()),
        }


def _rows(seeds: Sequence[int], epoch: int, arm: Arm, data: Data, found: Outputs) -> pd.DataFrame:
    """Return the rows of an epoch: one a seed, with the columns that config/README.md lists."""
    with np.errstate(all="ignore"):
        flat = arm.flat(found.train, data.labels, found.loss)
        columns = {
            **diagnostics.of_training(found.train, data.labels, found.loss, found.gradient, flat),
            "gradient_norm": found.norm,
            "exact_gradient_norm": found.exact_norm,
            "gradient_cosine": found.cosine,
            **diagnostics.of_validation(found.validation, data.validation_labels),
        }
    return pd.DataFrame({"seed": list(seeds), "epoch": epoch, **columns})


def learn(
    cell: LearningCell,
    seen: Seen,
    model: Model,
    seeds: Sequence[int],
    inputs: NDArray,
    manifest: pd.DataFrame,
    *,
    threads: int,
    width: int | None = None,
    note: Callable[[Row], None] = lambda row: None,
) -> Learned:
    """Train the networks of a cell, and describe them before the first epoch and after each.

    Parameters
    ----------
    cell : LearningCell
    seen : Seen
        What a training sees of the data set.
    model : Model
        The network's section of the configuration.
    seeds : sequence of int
    inputs : ndarray, shape (n, ...)
        uint8 images or float32 features, one row for each sample of `manifest`.
    manifest : DataFrame
        With columns label and split.
    threads : int
    width : int, optional
        Networks in a stack. Without it: all seeds, or one for a network of convolutions.
    note : callable, optional
        Takes the number of each epoch when it ends, counted through all stacks, and its seconds.

    Returns
    -------
    epochs : DataFrame
        A row for each seed and epoch; config/README.md lists the columns.
    record : dict
        Seconds of training and of description, the devices, and what the loss does far away.

    Raises
    ------
    DataError
        If imbalance or noise leaves a class without a training sample, or if one has no validation
        sample.
    NetworkError
        If the network would round its inputs.
    """
    devices.set_up(threads)
    tf.config.optimizer.set_experimental_options(AS_WRITTEN)
    loss = plugins.load("training/losses", cell.loss, "loss")
    arm = Arm.of(loss)
    width = width or (len(seeds) if isinstance(model, SMALL) else 1)
    seconds = {"training": 0.0, "description": 0.0}
    parts: list[pd.DataFrame] = []
    trained = count(1)

    def trained_for(seconds: float) -> None:
        note({"epoch": next(trained), "seconds": seconds})

    for start in range(0, len(seeds), width):
        some = list(seeds[start : start + width])
        parts += _epochs(cell, seen, model, some, inputs, manifest, loss, arm, seconds, trained_for)
    table = pd.concat(parts).sort_values(["seed", "epoch"], ignore_index=True)
    record = {
        "seeds": list(seeds),
        "stack": width,
        **arm.record(),
        **{f"seconds_{name}": value for name, value in seconds.items()},
        **devices.used(threads),
    }
    return Learned(table, record)


def _epochs(
    cell: LearningCell,
    seen: Seen,
    model: Model,
    seeds: list[int],
    inputs: NDArray,
    manifest: pd.DataFrame,
    loss: Any,
    arm: Arm,
    seconds: dict[str, float],
    trained_for: Callable[[float], None],
) -> Iterator[pd.DataFrame]:
    """Train one stack, and yield the rows of each epoch that is described."""
    data = of_seeds(seen, inputs, manifest, seeds)
    stack = Stack(
        lambda place: networks.build(model, inputs.shape[1:], float(data.labels[place].mean())),
        optimizers.make(model.optimizer, model.learning_rate, model.weight_decay),
        loss,
        seeds,
        (data.train, data.labels.astype(np.float32)),
        (data.validation, data.validation_labels.astype(np.float32)),
    )
    networks.check_takes(stack.network, str(data.train.dtype))
    first = FIRST if isinstance(model, SMALL) else FIRST_OF_LARGE
    for epoch in range(model.max_epochs + 1):
        start = time.perf_counter()
        if epoch:
            stack.epoch(epoch - 1, cell.batch_size)
        trained = time.perf_counter()
        seconds["training"] += trained - start
        if is_described(epoch, model.max_epochs, first):
            table = _rows(seeds, epoch, arm, data, stack.outputs())
            seconds["description"] += time.perf_counter() - trained
            if epoch in (0, model.max_epochs) or epoch % max(1, model.max_epochs // 10) == 0:
                print(_line(table, epoch, model.max_epochs), flush=True)
            yield table
        if epoch:
            trained_for(time.perf_counter() - start)


def _line(table: pd.DataFrame, epoch: int, last: int) -> str:
    """Return the line of an epoch in the log."""
    mean = table[["val_accuracy", "val_exact_loss"]].mean()
    failed = int(table["failed"].sum())
    return (
        f"epoch {epoch}/{last}: {len(table)} networks, mean validation accuracy "
        f"{mean['val_accuracy']:.4f}, exact loss {mean['val_exact_loss']:.4g}"
        + (f", {failed} not finite" if failed else "")
    )
