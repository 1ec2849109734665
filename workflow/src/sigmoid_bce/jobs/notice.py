"""SIGTERM, SIGINT and SIGHUP as a notice, which the training obeys when it is ready."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

ECHO = 1.0
"""Within so many seconds, a signal is a repetition: the same notice may come by several ways."""


def heard(*numbers: int) -> tuple[int, ...]:
    """Return signals, with SIGHUP of a closed terminal unless this process ignores it.

    `nohup` starts a process so.

    Examples
    --------
    >>> heard(signal.SIGTERM)[0] == signal.SIGTERM
    True
    """
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return numbers if ignored else (*numbers, signal.SIGHUP)


class Interrupted(SystemExit):
    """The end of the process by a signal, in contrast to a call of `sys.exit` by other code.

    Attributes
    ----------
    raised : bool
        Whether this process was to end so; a library may put an error of its own in its place.
    """

    raised = False

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        Interrupted.raised = True


class Notice:
    """A context that notes SIGTERM, SIGINT or SIGHUP; a second notice ends the process at once.

    Attributes
    ----------
    signal : int
        The number of the signal that came first; 0 if none has come.

    Examples
    --------
    >>> with Notice() as notice:
    ...     signal.raise_signal(signal.SIGTERM)
    >>> notice.signal == signal.SIGTERM
    True
    """

    def __init__(self) -> None:
        self.signal, self._noted = 0, 0.0
        self._handlers: dict[int, Any] = {}

    def _note(self, number: int, _) -> None:
        if not self.signal:
            self.signal, self._noted = number, time.monotonic()
        elif time.monotonic() - self._noted > ECHO:
            raise Interrupted(number)

    def __enter__(self) -> Notice:
        # only the main thread may set handlers
        if threading.current_thread() is threading.main_thread():
            for number in heard(signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
