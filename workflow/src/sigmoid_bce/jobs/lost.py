"""Files of attempts that cannot be read: no rule makes them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sigmoid_bce.jobs.digests import UNREADABLE, regular
from sigmoid_bce.jobs.files import Damaged
from sigmoid_bce.jobs.logs import UserError, why


class Lost(Damaged):
    """A file of an attempt that cannot be read."""

    def __init__(self, path: str | Path, error: Exception):
        rest = "it is of an attempt, and nothing makes it again"
        UserError.__init__(self, f"{path} cannot be read ({why(error)}): {rest}")


@contextmanager
def reading_attempt(file: Path) -> Iterator[None]:
    """Raise `Lost` if a block cannot read a file of an attempt, also if it is missing.

    Parameters
    ----------
    file : Path

    Raises
    ------
    Lost
        If it is damaged, or no file.

    Examples
    --------
    >>> with reading_attempt(Path("history.csv")):
    ...     float("0.5.1")
    Traceback (most recent call last):
    sigmoid_bce.jobs.lost.Lost: history.csv cannot be read ...
    """
    try:
        with suppress(FileNotFoundError):
            regular(file)  # a pipe would be read for ever
        yield
    except UNREADABLE as error:
        raise Lost(file, error) from None
