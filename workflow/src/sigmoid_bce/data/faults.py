"""Two kinds of errors: verdicts on a file, which is quarantined, and faults, which stop the job."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sigmoid_bce.jobs.logs import UserError

MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""Numbers of the errors of a name that no file has."""


class BrokenImageError(Exception):
    """An image that cannot be used. The message is the reason."""


class FaultError(UserError, OSError):
    """A fault of the machine. Nothing is known of the data: the next run tries again."""


def is_fault(error: Exception) -> bool:
    """Return whether an error is one of the machine, and says nothing about a file's content.

    Examples
    --------
    >>> is_fault(OSError(5, "Input/output error")), is_fault(OSError("image file is truncated"))
    (True, False)
    """
    # of the codecs' errors, which have no number, one is about the machine
    if isinstance(error, OSError) and (error.errno or "out of memory" in str(error)):
        return True
    return isinstance(error, MemoryError | ImportError | FaultError)


def line(error: BaseException) -> str:
    r"""Return an error's message on one line.

    Examples
    --------
    >>> line(ValueError("one\n two")), line(MemoryError())
    ('one two', 'out of memory')
    """
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    kind = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
    return " ".join(str(text).split()) or kind


@contextmanager
def stopping(what: object) -> Iterator[None]:
    """Raise `FaultError` where a fault of the machine ends a block. Other errors pass.

    Parameters
    ----------
    what : object
        The name of the file that is read, for the message.

    Raises
    ------
    FaultError

    Examples
    --------
    >>> with stopping("cat/1.jpg"):  # doctest: +ELLIPSIS
    ...     raise OSError(5, "Input/output error")
    Traceback (most recent call last):
    sigmoid_bce.data.faults.FaultError: cat/1.jpg cannot be read: Input/output error: ...
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_fault(error):
            raise
        name = getattr(error, "filename", None) or what
        raise FaultError(
            f"{name} cannot be read: {line(error)}: no image was left out for it; mend that or "
            "remove it, then run the same command again"
        ) from None
