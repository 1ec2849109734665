"""Numbers of things in words, as captions, panels and pages say them."""

from __future__ import annotations


def counted(number: int, one: str, more: str = "") -> str:
    """Return a number of things in words.

    Parameters
    ----------
    number : int
    one : str
        One of the things.
    more : str
        Several of them; by default `one` with its ending.

    Examples
    --------
    >>> counted(0, "seed"), counted(1, "seed"), counted(12_000, "sample"), counted(2, "loss")
    ('no seed', '1 seed', '12,000 samples', '2 losses')
    >>> counted(3, "batch of 20", "batches of 20")
    '3 batches of 20'
    """
    ending = "es" if one.endswith(("s", "ch")) else "s"
    return {0: f"no {one}", 1: f"1 {one}"}.get(number, f"{number:,} {more or one + ending}")
