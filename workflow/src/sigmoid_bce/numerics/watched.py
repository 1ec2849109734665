"""A framework measured in a process of its own, which may hang or crash."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from sigmoid_bce.jobs.files import remove_parts
from sigmoid_bce.jobs.logs import UserError, one_line
from sigmoid_bce.numerics.measure import TABLES, Program, measure_framework

LIMIT = 600
"""Seconds for one program in one precision, and for the import of its framework. Most take one."""
START: Program = ("start", "", "", "")
"""In place of a program, before a framework's file is read."""
PR_SET_PDEATHSIG = 1


def measure_watched(name: str, *, limit: float = LIMIT, **options: Any) -> None:
    """Measure a framework as `measure_framework` does, with a limit for each of its programs.

    A program in a precision that takes longer, or that ends the process, gets a row in
    `implementations` that says so. The framework is then measured again without it.

    Parameters
    ----------
    name : str
        One of `sigmoid_bce.numerics.frameworks.names()`.
    limit : float
        Seconds.
    **options
        As for `sigmoid_bce.numerics.measure.measure_framework`.

    Raises
    ------
    UserError
        As `measure_framework`.
    RuntimeError
        For any other error of the measurement, whose traceback is printed, and for a process that
        was killed from outside.
    """
    left_out: dict[Program | None, str] = {}
    while True:
        program, reason = _once(name, limit, {**options, "left_out": left_out})
        if not reason:
            return
        said = f"{name}: {', '.join(filter(None, program or ('import',)))}: {reason}"
        if program in left_out or program in (START, TABLES):
            raise RuntimeError(said)
        print(said, flush=True)
        remove_parts(options["sweep"])
        left_out[program] = reason


def _once(name: str, limit: float, options: dict[str, Any]) -> tuple[Program | None, str]:
    """Measure a framework; return the program that did not come to its end, and why."""
    # frameworks are imported after the fork, in the process that ends with them
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(name, writer, options))
    process.start()
    writer.close()
    program: Program | None = START
    try:
        while True:
            if not reader.poll(limit):
                return program, f"hangs: no result after {limit:g} s"
            try:
                kind, said = reader.recv()
            except EOFError:
                process.join()
                reason = f"ended the process: {_ending(process.exitcode)}"
                if process.exitcode == -signal.SIGKILL:  # another attempt may have more memory
                    raise RuntimeError(f"{name}: {reason}; was there too little memory?") from None
                return program, reason
            if kind == "begins":
                program = said
            elif kind == "ends":
                return None, ""
            else:
                raise (UserError if kind == "mistake" else RuntimeError)(said)
    finally:
        if process.pid:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _measure(name: str, writer: Connection, options: dict[str, Any]) -> None:
    """Measure a framework, and tell the process that waits what begins and how it ends."""
    # what it starts ends with it, and it ends with the process that waits
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        measure_framework(name, **options, begins=lambda program: writer.send(("begins", program)))
        writer.send(("ends", None))
    except UserError as error:
        writer.send(("mistake", str(error)))
    except Exception as error:
        traceback.print_exception(error)
        writer.send(("error", one_line(f"{type(error).__name__}: {error}")))


def _ending(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"
