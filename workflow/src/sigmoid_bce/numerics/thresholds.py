"""Thresholds: the raw outputs at which an implementation goes wrong, and how far."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sigmoid_bce.numerics.arrays import Array, Mask
from sigmoid_bce.numerics.search import Search
from sigmoid_bce.numerics.sweep import Measured


@dataclass
class Thresholds:
    """Where one implementation goes wrong, for one precision, label and side.

    Each is |x| if nothing else is said, or nan if the implementation does not go wrong in this way.
    An error counts if it exceeds 1 % and 4 ulps.

    Parameters
    ----------
    loss_off : float
        The first |x| at which the loss is wrong.
    loss_off_for_good : float
        From this |x| on the loss is wrong, up to the last true loss that is no subnormal number.
    loss_over, loss_under : float
        The first |x| at which the loss is too large, and too small.
    loss_flat : float
        From this |x| on the loss is one value, though the true loss still moves by 1 %.
    loss_flat_value : float
        That value, which is a loss and not an |x|.
    loss_jump : float
        The first |x| of a misclassified sample whose loss is more than a quarter larger or smaller
        than that of the float before it.
    loss_jump_value : float
        The loss there, which is not an |x|.
    loss_worst : float
        The |x| of a misclassified sample at which the loss is wrong by the largest factor, of all
        that were measured.
    loss_worst_ratio : float
        The loss there divided by the true loss, which is not an |x|: 0 if the loss is 0.
    gradient_off : float
        The first |x| at which the gradient is wrong.
    gradient_zero_first : float
        The first |x| at which the gradient is exactly 0, though the true gradient, rounded to the
        dtype under test, is not.
    gradient_zero_share : float
        The share of such gradients among the floats from there up to `gradient_zero`, or up to the
        last such gradient; nan if there is no float between. It is not an |x|.
    gradient_zero : float
        From this |x| on the gradient is exactly 0, though the true gradient, rounded to the dtype
        under test, is not.
    first_nan, first_inf : float
        The first |x| at which loss or gradient are nan, and infinite.
    """

    loss_off: float = np.nan
    loss_off_for_good: float = np.nan
    loss_over: float = np.nan
    loss_under: float = np.nan
    loss_flat: float = np.nan
    loss_flat_value: float = np.nan
    loss_jump: float = np.nan
    loss_jump_value: float = np.nan
    loss_worst: float = np.nan
    loss_worst_ratio: float = np.nan
    gradient_off: float = np.nan
    gradient_zero_first: float = np.nan
    gradient_zero_share: float = np.nan
    gradient_zero: float = np.nan
    first_nan: float = np.nan
    first_inf: float = np.nan

    def places(self) -> list[float]:
        """Return every |x|.

        Examples
        --------
        >>> Thresholds(loss_flat=16.5, loss_flat_value=16.1).places()
        [16.5]
        """
        return [v for k, v in vars(self).items() if k not in NO_PLACES and not np.isnan(v)]


COLUMNS = tuple(field.name for field in fields(Thresholds))
"""The columns of a table of thresholds."""
NO_PLACES = ("loss_flat_value", "loss_jump_value", "loss_worst_ratio", "gradient_zero_share")
"""Those that are no |x|."""


def find(search: Search) -> Thresholds:
    """Return the thresholds of one implementation, for one precision, label and side.

    Parameters
    ----------
    search : Search
        The implementation, the precision, the label and the side.

    Returns
    -------
    Thresholds

    Examples
    --------
    >>> from sigmoid_bce.numerics.catalogue import Implementation
    >>> flat = Implementation("flat at 8", lambda x, y: (np.clip(-x, 0, 8), None))
    >>> find(Search(flat, "float32", 1.0, "wrong")).loss_flat
    8.0
    """
    out = Thresholds()
    _loss(search, out)
    if search.has_gradient:
        _gradient(search, out)
    out.first_nan = search.first(lambda found: _any(found, np.isnan))
    out.first_inf = search.first(lambda found: _any(found, np.isinf))
    return out


def _loss(search: Search, out: Thresholds) -> None:
    out.loss_off = search.first(lambda found: found.off("loss"))
    if np.isfinite(out.loss_off):
        out.loss_over = search.first(Measured.over)
        out.loss_under = search.first(Measured.under)
        out.loss_off_for_good = search.from_then_on(
            lambda found: found.off("loss") | found.subnormal()
        )
    last = search.on_grid.value["loss"][-1]
    if np.isfinite(last):
        flat = search.from_then_on(lambda found: found.value["loss"] == last)
        if np.isfinite(flat) and search.moves("loss", flat):
            out.loss_flat, out.loss_flat_value = flat, float(last)
    if search.side == "wrong":
        out.loss_worst, out.loss_worst_ratio = search.worst()
        out.loss_jump, out.loss_jump_value = search.jump()


def _gradient(search: Search, out: Thresholds) -> None:
    out.gradient_off = search.first(lambda found: found.off("gradient"))
    out.gradient_zero_first = search.first(Measured.dead)
    if np.isnan(out.gradient_zero_first):
        return
    zero = search.from_then_on(lambda found: found.value["gradient"] == 0)
    if np.isfinite(zero) and search.at(zero).alive()[0]:
        out.gradient_zero = zero
    out.gradient_zero_share = search.share(
        Measured.dead, out.gradient_zero_first, out.gradient_zero
    )


def _any(found: Measured, kind: np.ufunc) -> Mask:
    """Return where loss or gradient are of a kind, shape (n,)."""
    masks: Mask = np.any([kind(value) for value in found.value.values()], axis=0)
    return masks


def around(search: Search, thresholds: Thresholds, count: int = 8) -> Array:
    """Return the raw outputs next to each threshold, on both sides of it.

    Parameters
    ----------
    search : Search
    thresholds : Thresholds
        The result of `find`.
    count : int
        The number of neighbours on each side.

    Returns
    -------
    ndarray of the dtype under test, shape (n,)
        Increasing, within the range of the sweep.
    """
    end = search.grid[-1]
    points = set()
    for place in thresholds.places():
        for towards in (0, np.inf) if 0 < place < end else ():
            value = search.dtype.type(place)
            for _ in range(count + 1):
                points.add(value)
                value = np.nextafter(value, search.dtype.type(towards))
    return np.sort(search.sign * np.array(sorted(points), search.dtype))
