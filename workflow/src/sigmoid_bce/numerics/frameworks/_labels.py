"""Labels as some losses take them, for the arrays of any framework."""

from __future__ import annotations

from typing import Any

from sigmoid_bce.numerics.objectives import SMOOTHING


def smoothed(y: Any) -> Any:
    """Return smoothed labels, y (1 - s) + s / 2."""
    return y * (1 - SMOOTHING) + SMOOTHING / 2
