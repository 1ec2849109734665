"""SLURM's commands, and the error that names the one that failed."""

from __future__ import annotations

import subprocess

from sigmoid_bce.jobs.logs import UserError

TIMEOUT = 30  # seconds within which SLURM must answer


class ClusterError(UserError):
    """Why a workflow cannot run on the cluster, one line a reason."""


class NoAnswer(ClusterError):
    """A command of SLURM that does not answer, so that nothing follows from it."""


def ask(*command: str) -> str:
    r"""Return the output of a SLURM command.

    Parameters
    ----------
    *command : str
        The program and its arguments.

    Raises
    ------
    ClusterError
        If the program is missing, fails, or gives no answer in time (`NoAnswer`). The message
        quotes SLURM's own words.

    Examples
    --------
    >>> ask("echo", "gpu*|up")
    'gpu*|up\n'
    >>> ask("no-such-program")
    Traceback (most recent call last):
    sigmoid_bce.slurm.commands.ClusterError: no-such-program is not on the PATH
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{command[0]} got no answer within {TIMEOUT} s") from None
    if done.returncode:
        raise ClusterError(f"{command[0]}: {done.stderr.strip() or 'failed without a message'}")
    return done.stdout
