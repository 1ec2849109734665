"""Numbers as the captions and panels of figures say them."""

from __future__ import annotations

import math

from sigmoid_bce.figures.style import power


def scientific(value: float, digits: int = 3) -> str:
    """Return a number with few digits: plainly, or with a power of ten where zeros would hide it.

    Examples
    --------
    >>> [scientific(value) for value in (1.19e-7, -15.942, 22194.0, 0, 1e-30)]
    ['1.19 × 10⁻⁷', '−15.9', '22,194', '0', '10⁻³⁰']
    """
    if not value or not math.isfinite(value) or 1e-3 <= abs(value) < 1e6:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
        return text.replace("-", "−")
    factor, exponent = f"{value:.{digits - 1}e}".split("e")
    ten = power(10.0 ** int(exponent))
    return (ten if float(factor) == 1 else f"{factor} × {ten}").replace("-", "−")
