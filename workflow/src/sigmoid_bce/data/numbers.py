"""Whether there are enough samples of each class; planning asks, without NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from sigmoid_bce.data.listing import DataError


def check_numbers(labels: Sequence[int], parts: Sequence[str]) -> None:
    """Check that samples suffice for a split: both classes in both parts, as far as is known.

    Parameters
    ----------
    labels : sequence of int
    parts : sequence of str
        Parts of a split that the data give, or "".

    Raises
    ------
    DataError
        If a class has too few samples.

    Examples
    --------
    >>> check_numbers([0, 0, 1], ["", "", ""])
    Traceback (most recent call last):
    sigmoid_bce.data.listing.DataError: label 1 has 1 usable samples: expected at least 2
    """
    there = Counter(zip(parts, labels, strict=True))
    given = any(parts)
    for part, label in product(("train", "validation"), (0, 1)):
        if given and not there[part, label]:
            raise DataError(f"the given split has no usable {part} sample of label {label}")
        if not given and there["", label] < 2:
            raise DataError(
                f"label {label} has {there['', label]} usable samples: expected at least 2"
            )


def positives_kept(imbalance: float, negatives: int, positives: int, slack: int = 0) -> int:
    """Return the number of positives that an imbalance keeps.

    Parameters
    ----------
    imbalance : float
        Positives for each negative.
    negatives, positives : int
        Training samples of each class.
    slack : int
        By how much these numbers may be wrong.

    Raises
    ------
    DataError
        If it is none, or more than there are, whatever is wrong about the numbers.

    Examples
    --------
    >>> positives_kept(0.02, 250, 150)
    5
    >>> positives_kept(0.001, 250, 150)
    Traceback (most recent call last):
    sigmoid_bce.data.listing.DataError: imbalance 0.001 of 250 negative training samples is 0 ...
    """
    number = round(imbalance * negatives)
    least, most = (round(imbalance * max(0, negatives + off)) for off in (-slack, slack))
    if most < 1 or least > positives + slack:
        raise DataError(
            f"imbalance {imbalance:g} of {negatives} negative training samples is {number} "
            f"positive ones, and there are {positives}: expected at least "
            f"{1 / max(1, negatives):.6g} and at most {positives / max(1, negatives):.6g}"
        )
    return number
