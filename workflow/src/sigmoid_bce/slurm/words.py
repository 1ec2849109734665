"""How messages about requests name amounts, and names that are not there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like another one, or all if none is.

    Examples
    --------
    >>> nearest("gpuu", ["cpu", "gpu"]), nearest("weekend", ["cpu", "gpu"])
    ("did you mean 'gpu'?", 'there are cpu, gpu')
    """
    known = sorted(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"there are {', '.join(known)}"


def counted(amount: float, text: str) -> str:
    """Return an amount and what it counts.

    Examples
    --------
    >>> counted(1, "GPUs (gpu)"), counted(2.0, "GPUs (gpu)")
    ('1 GPU (gpu)', '2 GPUs (gpu)')
    """
    one = re.sub(r"s\b", "", text, count=1)
    return f"{number(amount)} {one if amount == 1 else text}"


def number(amount: float) -> str:
    """Return an amount without a fraction that it does not have.

    Examples
    --------
    >>> number(4096.0), number(1536000), number(0.5)
    ('4096', '1536000', '0.5')
    """
    return str(int(amount)) if amount == int(amount) else str(amount)
