"""What every monitor does with an epoch's counts: rows, a line, a warning, MLflow."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np

from sigmoid_bce.monitors.counts import Counts, Row
from sigmoid_bce.monitors.losses import Loss

if TYPE_CHECKING:
    import pandas as pd

INVERTED = (
    "the raw outputs are computed back from the probabilities: inf or -inf in the history is a raw "
    "output whose probability is exactly 1 (beyond 16.6) or 0 (beyond -87 or -104, by the "
    "framework); earlier in half precision"
)

LABELS = (
    "labels from {:g} to {:g}: binary cross-entropy takes labels from 0 to 1, and for others the "
    "loss has no lower bound. A label above 0.5 is counted as 1. Instead of -1 and 1: (y + 1) / 2"
)
LIBRARIES = frozenset(
    [
        "sigmoid_bce",
        "keras",
        "tf_keras",
        "tensorflow",
        "torch",
        "jax",
        "lightning",
        "pytorch_lightning",
        "lightning_fabric",
        "transformers",
        "accelerate",
        "ignite",
        "fastai",
        "fastcore",
        "skorch",
        "sklearn",
    ]
)
"""Packages that call a monitor, besides Python's own: no line of the user's is in them."""


def _warn(message: str, category: type[Warning]) -> None:
    """Warn of something, in the name of the user's line that led to it."""
    frame, level = inspect.currentframe(), 1
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package == "__main__" or package not in LIBRARIES | sys.stdlib_module_names:
            break
        frame, level = frame.f_back, level + 1
    # a thread of a library may have no line of the user's
    warnings.warn(message, category, stacklevel=level if frame else 2)


class SaturationWarning(UserWarning):
    """A training has a sample on the wrong side that gets no gradient."""


class Watch:
    """The history of a training, a row an epoch.

    Attributes
    ----------
    history : list of dict
        A row for each epoch; docs/monitor.md lists the columns.
    """

    cure = ""
    """What to write instead, in one line."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__()
        self.verbose = verbose
        self.history: list[Row] = []
        self._said: set[str] = set()

    def to_frame(self) -> pd.DataFrame:
        """Return the history as a table, with the epoch as its index."""
        import pandas as pd

        frame = pd.DataFrame(self.history)
        return frame.set_index("epoch") if len(frame) else frame

    def _say(self, message: str, category: type[Warning] = UserWarning) -> None:
        """Warn of something, once."""
        if message not in self._said:
            self._said.add(message)
            _warn(message, category)

    def _look(self, epoch: int, counts: Counts, loss: Loss) -> bool:
        """Warn of the first sample on the wrong side without a gradient; return whether it came."""
        self._look_at_labels(counts)
        if not self._warned and counts.first:
            self._warned = True
            seen = int(counts.table[[1, 3], 0].sum())
            message = (
                f"epoch {epoch}, batch {counts.first}: a sample on the wrong side gets no gradient "
                f"(so far {counts.dead_wrong} of {seen} on the wrong side in this epoch; raw "
                f"outputs {counts.least:.4g} to {counts.most:.4g}; loss {loss.name}): it no longer "
                f"moves the network. {self.cure}"
            )
            _warn(message, SaturationWarning)
        return self._warned

    def _look_at_labels(self, counts: Counts) -> None:
        """Warn of labels that no binary cross-entropy takes."""
        least, most = counts.least_label, counts.most_label
        if least < 0 or most > 1:
            self._say(LABELS.format(least, most))

    _warned = False

    def _keep(
        self, epoch: int, loss: Loss, source: str, training: Counts, validation: Counts
    ) -> Row:
        """Add an epoch to the history, and return its row."""
        self._look(epoch, training, loss)
        row: Row = {"epoch": epoch, "loss": loss.name, "source": source, **training.row(loss)}
        if validation.batches:
            self._look_at_labels(validation)
            found = validation.row(loss, gradients=False)
            row |= {f"val_{name}": value for name, value in found.items()}
        self.history.append(row)
        if source == "inverted" and not np.isfinite([training.least, training.most]).all():
            self._say(INVERTED)
        if self.verbose:
            print(line(row), flush=True)
        self._log(row)
        return row

    def _log(self, row: Row) -> None:
        """Log a row to MLflow, if a run is active: no training ends because a server is away."""
        mlflow = sys.modules.get("mlflow")
        try:
            if mlflow is not None and mlflow.active_run() is not None:
                mlflow.log_metrics(
                    {
                        f"saturation/{name}": value
                        for name, value in row.items()
                        if name != "epoch" and not isinstance(value, str) and np.isfinite(value)
                    },
                    step=row["epoch"],
                )
        except Exception as error:
            self._say(f"the monitor's values are not in MLflow: {type(error).__name__}: {error}")


def line(row: Row) -> str:
    """Return an epoch's line.

    Examples
    --------
    >>> line(Counts().row(Loss("logits", (-1, -1), (2, 2))) | {"epoch": 1, "loss": "logits"})
    'epoch 1, loss logits: raw outputs nan to nan; no gradient: wrong side 0 %, correct side 0 %'
    """
    samples = max(row["samples_0"] + row["samples_1"], 1)
    wrong, correct = (
        sum(row[f"dead_{label}_{side}"] * row[f"samples_{label}"] for label in (0, 1)) / samples
        for side in ("wrong", "correct")
    )
    return (
        f"epoch {row['epoch']}, loss {row['loss']}: raw outputs {row['raw_output_min']:.4g} to "
        f"{row['raw_output_max']:.4g}; no gradient: wrong side {100 * wrong:.3g} %, correct side "
        f"{100 * correct:.3g} %"
    )
