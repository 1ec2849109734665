"""The environment of jobs: which package they import, and where they log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sigmoid_bce.jobs import forkserver


def importable(source: Path) -> bool:
    """Return whether a new process imports the package from a folder.

    Parameters
    ----------
    source : Path
        The folder that holds `sigmoid_bce`; this process must not have it in `sys.path` for itself.

    Examples
    --------
    >>> importable(Path("/nowhere"))
    False
    """
    specs = (finder.find_spec("sigmoid_bce", None) for finder in sys.meta_path)
    found = next((spec for spec in specs if spec), None)
    return bool(found and found.origin == str(source / "sigmoid_bce/__init__.py"))


def prepare(source: Path | None, standalone: bool) -> None:
    """Let the jobs of this process import the package from a folder, and share their imports.

    Parameters
    ----------
    source : Path or None
        The folder that holds `sigmoid_bce`. The Snakefile of a checkout has put it first in
        `sys.path`. None if the package is installed where jobs run.
    standalone : bool
        False if another workflow uses the Snakefile as a module. Its `sys.path` is then restored,
        and its PYTHONPATH kept if jobs find the package without it.
    """
    if not standalone and str(source) in sys.path:
        sys.path.remove(str(source))
    if source and (standalone or not importable(source)):
        rest = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{source}{os.pathsep}{rest}" if rest else str(source)
    os.environ[forkserver.OWNER] = str(os.getpid())


def log_to(uri: str, standalone: bool) -> None:
    """Let jobs log to an address, unless the environment names one.

    An environment variable, because a new address as a param would rerun trainings.

    Parameters
    ----------
    uri : str
        An empty string for none.
    standalone : bool
        False if another workflow uses the Snakefile as a module: its jobs share the variable, so
        the choice is left to it, and a line says so.
    """
    if uri and standalone:
        os.environ.setdefault("MLFLOW_TRACKING_URI", uri)
    elif uri and "MLFLOW_TRACKING_URI" not in os.environ:
        print(
            f"tracking.uri: {uri} is not used, since another workflow uses this one as a module: "
            "set the environment variable MLFLOW_TRACKING_URI",
            file=sys.stderr,
        )
