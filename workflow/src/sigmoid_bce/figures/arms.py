"""How figures show the losses of a study of learning: order, colour, dashes, marker."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from sigmoid_bce.figures.style import AMBER, GREEN, NAVY, PLUM, RED

GREY = "0.55"
ENDED_IN_NAN = "†"
"""Marks a number of trainings that ended in nan."""


class Look(NamedTuple):
    """How a loss is drawn."""

    colour: Any
    dashes: str = "-"
    marker: str = "o"

    @property
    def line(self) -> dict[str, Any]:
        """Options of `Axes.plot`."""
        return {"color": self.colour, "ls": self.dashes, "marker": self.marker}


LOOKS = {
    "logits": Look("black"),
    "twin_up": Look(GREY, ":", "^"),
    "twin_down": Look(GREY, ":", "v"),
    "sigmoid_keras": Look(GREEN, "--", "s"),
    "sigmoid_clipped": Look(RED),
    "two_epsilons": Look(RED, ":", "D"),
    "bce_loss": Look(AMBER, "-", "s"),
    "naive": Look(PLUM, ":", "X"),
    "sigmoid_after_bfloat16": Look(NAVY, "--", "v"),
    "sigmoid_bfloat16": Look(NAVY, "-", "^"),
    "sigmoid_after_float16": Look(PLUM, "--", "v"),
    "sigmoid_float16": Look(PLUM, "-", "^"),
    "wrong_side_zeroed": Look(GREEN, "-", "<"),
    "correct_side_zeroed": Look(GREEN, "-.", ">"),
}
"""The losses of this repository, in the order of panels and rows.

Those that share a colour differ in dashes and marker.
"""
OTHER = Look("0.4", "-.", "P")


def look(loss: str) -> Look:
    """Return how a loss is drawn; losses that others have added share a look."""
    return LOOKS.get(loss, OTHER)


def ordered(losses: Iterable[str]) -> list[str]:
    """Return losses in the order of `LOOKS`, those that others have added last.

    Examples
    --------
    >>> ordered(["focal", "sigmoid_clipped", "logits"])
    ['logits', 'sigmoid_clipped', 'focal']
    """
    names = list(LOOKS)
    return sorted(losses, key=lambda loss: (names.index(loss) if loss in LOOKS else 99, loss))


def decades(reach: float, most: int = 3) -> list[float]:
    """Return ticks of a symmetric logarithmic axis: 0, and some powers of ten to either side.

    Parameters
    ----------
    reach : float
        Beyond the ticks.
    most : int
        Powers of ten to either side.

    Examples
    --------
    >>> decades(2e6)
    [-1000000.0, -10000.0, -100.0, 0, 100.0, 10000.0, 1000000.0]
    """
    powers = [10.0**i for i in range(1, int(math.log10(reach) + 1e-9) + 1)]
    some = powers[:: -max(1, -(-len(powers) // most))]
    return [*(-power for power in some), 0, *reversed(some)]


def epochs(axis: Axes, last: int) -> None:
    """Give a panel an x axis from epoch 0 to the last, on which the first ones are wide."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.3)
    powers = [10**i for i in range(9) if 3 * 10**i <= last]
    axis.set_xticks([0, *powers, last], [f"{epoch:g}" for epoch in (0, *powers, last)])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.margins(x=0)
