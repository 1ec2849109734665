"""The losses that a training may use: from which probability on each is flat."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.numerics.formulas import EPSILON

FLOAT = np.float32
BELOW = float(np.nextafter(FLOAT(EPSILON), FLOAT(0)))
ABOVE = float(np.nextafter(FLOAT(1 - EPSILON), FLOAT(1)))
LEAST = float(FLOAT(np.exp(-100.0)))
"""The largest probability whose logarithm PyTorch's ``BCELoss`` raises to -100."""


class Loss(NamedTuple):
    """A loss, and the probabilities at which it is clipped: at most `low`, or at least `high`.

    Each is a pair, of label 0 and of label 1; None where nothing is known.
    """

    name: str
    low: tuple[float, float] | None
    high: tuple[float, float] | None

    @property
    def clips(self) -> bool:
        """Whether any probability is clipped."""
        return self.high is not None and self.high[1] <= 1


def _clipped(name: str) -> Loss:
    return Loss(name, (BELOW, BELOW), (ABOVE, ABOVE))


UNKNOWN = Loss("unknown", None, None)
NEVER = ("logits", "correct_side_zeroed", "wrong_side_zeroed", "twin_down", "twin_up")
HALF = ("sigmoid_bfloat16", "sigmoid_float16", "sigmoid_after_bfloat16", "sigmoid_after_float16")
LOSSES = {
    **{name: Loss(name, (-1, -1), (2, 2)) for name in NEVER},
    **{name: _clipped(name) for name in ("sigmoid_clipped", "two_epsilons", *HALF)},
    "bce_loss": Loss("bce_loss", (0, LEAST), (1, 1)),
    "naive": Loss("naive", (0, 0), (1, 1)),
}
"""By the names of docs/learning.md."""


def named(name: Any) -> Loss:
    """Return a loss by its name.

    Raises
    ------
    UserError
        If there is none.

    Examples
    --------
    >>> named("bce_loss").high
    (1, 1)
    """
    if name in LOSSES:
        return LOSSES[name]
    near = difflib.get_close_matches(str(name), LOSSES, 1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(f"loss: {name!r} is none that is known; {meant}Known are {', '.join(LOSSES)}")


def is_clipped(loss: Loss, p: NDArray[Any], label: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a loss no longer changes with the probability.

    Parameters
    ----------
    loss : Loss
    p : ndarray of float
        Sigmoid outputs.
    label : ndarray of bool, shape of `p`

    Examples
    --------
    >>> p = np.float32([0, 1e-8, 0.5, 1])
    >>> is_clipped(named("sigmoid_clipped"), p, p > 1).tolist()
    [True, True, False, True]
    >>> is_clipped(named("bce_loss"), p, p < 2).tolist()
    [True, False, False, True]
    """
    if loss.low is None or loss.high is None:
        return np.zeros(p.shape, bool)
    low, high = (np.where(label, one, zero).astype(FLOAT) for zero, one in (loss.low, loss.high))
    clipped: NDArray[np.bool_] = (p <= low) | (p >= high)
    return clipped
