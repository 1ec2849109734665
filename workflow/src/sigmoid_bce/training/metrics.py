"""Epoch metrics: the columns of a training's history.

A new metric is one entry in `METRICS`. Its column is written, printed and tracked like the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import keras

from sigmoid_bce.jobs.records import Row


class Extreme(keras.metrics.Metric):
    """The smallest or the largest raw output of an epoch.

    Parameters
    ----------
    name : str
    reduce : callable
        The extreme of a tensor: `keras.ops.min` or `keras.ops.max`.
    choose : callable
        The extreme of two numbers: `keras.ops.minimum` or `keras.ops.maximum`.
    start : float
        The value before the first batch.

    Examples
    --------
    >>> metric = Extreme("least", keras.ops.min, keras.ops.minimum, math.inf)
    >>> metric.update_state([[1.0], [0.0]], keras.ops.array([[0.5], [-2.0]]))
    >>> float(metric.result())
    -2.0
    """

    def __init__(self, name: str, reduce: Callable, choose: Callable, start: float):
        super().__init__(name=name)
        self.reduce, self.choose, self.start = reduce, choose, start
        self.extreme = self.add_variable((), keras.initializers.Constant(start), name="extreme")

    def update_state(self, y_true, y_pred, sample_weight=None):  # noqa: D102
        self.extreme.assign(self.choose(self.extreme.value, self.reduce(y_pred)))

    def reset_state(self):  # noqa: D102
        self.extreme.assign(self.start)

    def result(self):  # noqa: D102
        return self.extreme.value


@dataclass(frozen=True)
class EpochMetric:
    """How a column of the history is computed.

    Parameters
    ----------
    make : callable
        Returns a `keras.metrics.Metric` of the given name, of labels and raw outputs, (n, 1) each.
    validation : bool
        Whether the history also has the metric of the validation samples, as ``val_<name>``.
    """

    make: Callable[[str], keras.metrics.Metric]
    validation: bool = True


METRICS = {
    "accuracy": EpochMetric(partial(keras.metrics.BinaryAccuracy, threshold=0.0)),
    "raw_output_min": EpochMetric(
        partial(Extreme, reduce=keras.ops.min, choose=keras.ops.minimum, start=math.inf),
        validation=False,
    ),
    "raw_output_max": EpochMetric(
        partial(Extreme, reduce=keras.ops.max, choose=keras.ops.maximum, start=-math.inf),
        validation=False,
    ),
}


def make() -> list[keras.metrics.Metric]:
    """Return new metrics, for `keras.Model.compile`.

    Examples
    --------
    >>> [metric.name for metric in make()][:1]
    ['accuracy']
    """
    return [metric.make(name) for name, metric in METRICS.items()]


def values(network: keras.Model) -> Row:
    """Return a compiled network's loss and metrics since they were reset, by name.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((1,))])
    >>> network.compile(loss="mse")
    >>> values(network)
    {'loss': 0.0}
    """
    # as numbers, at once: a result may be a variable that the next epoch overwrites
    return {name: float(value) for name, value in network.get_metrics_result().items()}


def row(
    epoch: int, training: Mapping[str, float], validation: Mapping[str, float], seconds: float
) -> Row:
    """Return an epoch's row of the history.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    training, validation : mapping
        Loss and metrics of either split, as `values` returns them.
    seconds : float

    Examples
    --------
    >>> found = dict(loss=0.5, accuracy=1, raw_output_min=-1, raw_output_max=3)
    >>> list(row(1, found, found, 0.1))[:6]
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy', 'raw_output_min']
    """
    both = ["loss", *(name for name, metric in METRICS.items() if metric.validation)]
    others = [name for name, metric in METRICS.items() if not metric.validation]
    return {
        "epoch": epoch,
        **{name: training[name] for name in both},
        **{f"val_{name}": validation[name] for name in both},
        **{name: training[name] for name in others},
        "seconds": seconds,
    }


def epoch_line(row: Row, max_epochs: int) -> str:
    """Return an epoch's line for the log.

    Examples
    --------
    >>> epoch_line({"epoch": 3, "loss": 0.693147, "accuracy": 0.5, "seconds": 1.25}, 100)
    'epoch 3/100: loss 0.6931, accuracy 0.5, 1.2 s'
    """
    values = {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    return f"epoch {row['epoch']}/{max_epochs}: {shown}, {row['seconds']:.1f} s"
