"""The counts of an epoch's samples, by label and side, and the row that they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.monitors.losses import Loss, is_clipped

Row = dict[str, Any]

GROUPS = ("0_correct", "0_wrong", "1_correct", "1_wrong")
"""Of label y: number 2 y, or 2 y + 1 where the raw output has the other sign; 0 is negative."""
KINDS = ("samples", "clipped", "dead", "not_finite")
SHAPE = (len(GROUPS), len(KINDS))
WRONG = [i for i, group in enumerate(GROUPS) if group.endswith("wrong")]
DEAD = KINDS.index("dead")


@dataclass
class Counts:
    """What was counted in some batches.

    Attributes
    ----------
    table : ndarray of int64, shape (4, 4)
        A row for each of `GROUPS`, a column for each of `KINDS`.
    least, most : float
        The range of the raw outputs.
    batches : int
    quiet : int
        The batches before the first one with a sample on the wrong side that gets no gradient.
    least_label, most_label : float
        The range of the labels.
    """

    table: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    least: float = np.inf
    most: float = -np.inf
    batches: int = 0
    quiet: int = 0
    least_label: float = np.inf
    most_label: float = -np.inf

    def add(
        self,
        loss: Loss,
        x: NDArray,
        p: NDArray,
        y: NDArray,
        dead: NDArray,
        weight: NDArray | None = None,
        sizes: list[int] | None = None,
    ) -> None:
        """Count batches that follow each other.

        Parameters
        ----------
        loss : Loss
        x, p, y : ndarray of float, shape (n,)
            Raw outputs, sigmoid outputs, labels.
        dead : ndarray of bool, shape (n,)
            Where the gradient is exactly 0.
        weight : ndarray of float, shape (n,), optional
            Samples of weight 0 are not counted.
        sizes : list of int, optional
            The samples of each batch; by default all are one.

        Examples
        --------
        >>> from sigmoid_bce.monitors.losses import LOSSES
        >>> x, one = np.float32([-20, 3]), np.ones(2)
        >>> counts = Counts()
        >>> counts.add(LOSSES["sigmoid_clipped"], x, 1 / (1 + np.exp(-x)), one, x < 0)
        >>> counts.table[GROUPS.index("1_wrong")].tolist(), counts.quiet
        ([1, 1, 1, 0], 0)
        """
        ends = np.cumsum([len(x)] if sizes is None else sizes)
        label = y > 0.5
        wrong = (x > 0) != label
        kept = np.ones_like(label) if weight is None else weight != 0
        group = (2 * label + wrong)[kept]
        for kind, hit in enumerate((kept, is_clipped(loss, p, label), dead, np.isnan(x))):
            self.table[:, kind] += np.bincount(group[hit[kept]], minlength=len(GROUPS))
        if self.quiet == self.batches:
            (hits,) = np.nonzero(dead & wrong & kept)
            quiet = np.searchsorted(ends, hits[0], side="right") if len(hits) else len(ends)
            self.quiet += int(quiet)
        self.batches += len(ends)
        if kept.any():
            self.least = float(min(self.least, x[kept].min()))
            self.most = float(max(self.most, x[kept].max()))
            self.least_label = float(min(self.least_label, y[kept].min()))
            self.most_label = float(max(self.most_label, y[kept].max()))

    @property
    def first(self) -> int:
        """The first batch, from 1, with a dead sample on the wrong side; 0 if there is none."""
        return self.quiet + 1 if self.quiet < self.batches else 0

    @property
    def dead_wrong(self) -> int:
        """The samples on the wrong side without a gradient."""
        return int(self.table[WRONG, DEAD].sum())

    def row(self, loss: Loss, *, gradients: bool = True) -> Row:
        """Return the columns of an epoch.

        Parameters
        ----------
        loss : Loss
        gradients : bool
            Whether the samples were trained on, so that they had gradients.

        Examples
        --------
        >>> from sigmoid_bce.monitors.losses import LOSSES
        >>> list(Counts().row(LOSSES["logits"], gradients=False))[:4]
        ['batches', 'samples_0', 'samples_1', 'raw_output_min']
        """
        samples = self.table[:, 0]
        label = np.repeat(samples.reshape(2, 2).sum(axis=1), 2)
        with np.errstate(invalid="ignore"):
            shares = self.table / np.maximum(label, 1)[:, None]
            misclassified = self.dead_wrong / samples[WRONG].sum()
        if loss.low is None:
            shares[:, KINDS.index("clipped")] = np.nan
        kinds = ["clipped", "dead"] if gradients else ["clipped"]
        return {
            "batches": self.batches,
            "samples_0": int(label[0]),
            "samples_1": int(label[2]),
            "raw_output_min": self.least if self.batches else np.nan,
            "raw_output_max": self.most if self.batches else np.nan,
            "not_finite": int(self.table[:, KINDS.index("not_finite")].sum()),
            **{f"share_{GROUPS[i]}": float(shares[i, 0]) for i in WRONG},
            **{
                f"{kind}_{group}": float(shares[i, KINDS.index(kind)])
                for kind in kinds
                for i, group in enumerate(GROUPS)
            },
            **({"dead_misclassified": float(misclassified)} if gradients else {}),
        }
