"""The output of a rule's script goes to the rule's log, that of native code included."""

from __future__ import annotations

import io
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.digests import lines
from sigmoid_bce.jobs.notice import Interrupted

CODE = "SIGMOID_BCE_CODE"
"""Environment variable of jobs: the code that they run, as the workflow's start has found it."""
_terminal: list[int] = []  # standard error as it was before `logged_to`


class UserError(Exception):
    """An error that the user can fix. Only its message is shown; it says where and how."""


def one_line(text: str) -> str:
    r"""Return a text of users in one line: line ends and other control characters are escaped.

    Examples
    --------
    >>> one_line("cat\ndog\x1b[2J, é")
    'cat\\ndog\\x1b[2J, é'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def told(error: object) -> str:
    """Return an error as the last line of the log has it: with its kind, if it is not a user's.

    Examples
    --------
    >>> told(UserError("no image")), told(KeyError("a"))
    ('error: no image', "error: KeyError: 'a'")
    >>> told(SystemExit("no GPU here"))
    "error: sys.exit('no GPU here') ended the job"
    """
    if isinstance(error, SystemExit):
        return f"error: sys.exit({masked(repr(error.code))}) ended the job"
    kind = [] if isinstance(error, UserError) else [type(error).__name__]
    text = ": ".join(["error", *kind, *filter(None, [masked(error)])])
    # a server or a file's name may hold signs that a terminal obeys
    return "\n".join(map(one_line, text.split("\n")))


class _Lossy(io.FileIO):
    """A file that drops lines when its disk is full, so that the work goes on."""

    full = False

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError:
            self.full = True
            return len(data)


def announce(message: str) -> None:
    """Print a line to the log, and to the terminal where somebody may be waiting."""
    message = one_line(message)
    print(message, flush=True)
    for terminal in _terminal:
        with suppress(OSError):
            os.write(terminal, f"{message}\n".encode())


def why(error: BaseException) -> str:
    """Return an error in a line, as it says of a file why that cannot be read.

    Examples
    --------
    >>> why(ValueError("it is cut off")), why(KeyError("epochs")), why(EOFError())
    ('it is cut off', "it has no 'epochs'", 'EOFError')
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"it has no {lines[0]}" if isinstance(error, KeyError) else lines[0]


@contextmanager
def logged_to(path: str | Path, outputs: Iterable[str | Path] = ()) -> Iterator[None]:
    """Send standard output and error to a file, with tracebacks and the output of native code.

    The first line names the code. The last line gives the block's time, CPU time and peak memory.
    Those before it give the SHA-256 of each file that the block made.

    Parameters
    ----------
    path : str or Path
        The log file. An earlier one is emptied. Two processes may write to it.
    outputs : iterable of str or Path
        The files and folders that the block makes.

    Raises
    ------
    SystemExit
        With status 1, in place of any exception of the block but Ctrl-C and `Interrupted`. The log
        then has the message of a `UserError`, or the traceback of any other exception.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w"):
        pass
    streams = sys.stdout, sys.stderr
    _terminal.append(os.dup(2))
    # TensorFlow writes to file descriptor 2, past a reassigned sys.stderr
    with open(path, "a") as log:
        for stream in streams:
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
    raw = _Lossy(1, "a", closefd=False)
    sys.stdout = sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)
    start = time.perf_counter()
    if code := os.environ.get(CODE):
        print(f"code: {code}", flush=True)
    try:
        yield
        print(*lines(path, outputs), _used(start), sep="\n", flush=True)
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:  # code of the user's may call sys.exit
        if not isinstance(error, UserError):
            print(masked(traceback.format_exc()), end="")
        print(_used(start), flush=True)
        print(told(error), file=sys.stderr, flush=True)
        if raw.full:
            announce(f"{path} cannot be written; {told(error)}")
        raise SystemExit(1) from None
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = streams
        os.close(_terminal.pop())


def _used(start: float) -> str:
    """Return the usage of this process and its children, which a job's benchmark does not see."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds, cpu = time.perf_counter() - start, sum(one.ru_utime + one.ru_stime for one in used)
    most = max(one.ru_maxrss for one in used) / 1024
    return f"took {seconds:.1f} s, {cpu:.1f} s of CPU, {most:.0f} MB at most"
