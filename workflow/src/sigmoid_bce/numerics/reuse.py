"""Measurements of other studies: what was measured the same way is copied."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from pyarrow import ArrowException, parquet

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.jobs.releases import releases
from sigmoid_bce.numerics import frameworks
from sigmoid_bce.numerics.surroundings import RECORDED
from sigmoid_bce.numerics.tables import read_all

ALWAYS = ("jaxlib", "ml_dtypes", "mpmath", "numpy", "scipy")
"""Distributions that a framework may use beside its own."""
LABEL = b"sigmoid_bce"
"""The name of the key in a sweep's metadata."""


def key(name: str, objectives: Collection[str], code: str) -> str:
    """Return all that a measurement depends on: releases, code, processor and settings.

    Parameters
    ----------
    name : str
        One of `sigmoid_bce.numerics.frameworks.names()`.
    objectives : collection of str
        The losses that are measured.
    code : str
        A digest of the code that measures.

    Examples
    --------
    >>> json.loads(key("scipy", ["bce"], "1f"))["objectives"]
    ['bce']
    """
    known = {
        "releases": releases(*frameworks.packages(name), *ALWAYS),
        "python": [platform.python_version(), *platform.libc_ver()],
        "objectives": sorted(objectives),
        "code": code,
        "processor": processor(),
        "environment": {name: os.environ[name] for name in RECORDED if name in os.environ},
    }
    return json.dumps(known, sort_keys=True)


def copied(others: Path, wanted: str, files: Mapping[str, str]) -> Path | None:
    """Copy a measurement that another study has.

    Parameters
    ----------
    others : Path
        The folder that holds the results of all studies.
    wanted : str
        The result of `key`.
    files : mapping
        The files to write, by the names that `measure_framework` gives them. Another study has them
        in the same place of its own folder.

    Returns
    -------
    Path or None
        The sweep that was copied; None if no study has one with this key.
    """
    # <study>/numerics/frameworks/<framework>/<file>
    places = {name: Path(*Path(path).parts[-4:]) for name, path in files.items()}
    for sweep in sorted(others.glob(str(Path("*") / places["sweep"]))):
        folder = sweep.parents[3]
        found = {name: folder / place for name, place in places.items()}
        if _key(sweep) != wanted or not _complete(found["implementations"]):
            continue
        try:
            # the sweep, whose key tells that all is there, last
            for name in sorted(found, key=lambda name: name == "sweep"):
                with replacing(files[name]) as part:
                    shutil.copyfile(found[name], part)
        except FileNotFoundError:  # it is being made again
            continue
        return sweep
    return None


def _complete(implementations: Path) -> bool:
    """Return whether nothing failed, which may have been the moment's fault."""
    try:
        status = read_all([implementations])["status"]
    except OSError:
        return False
    return bool(status.str.fullmatch("measured|not measured: .*").all())


def _key(sweep: Path) -> str:
    """Return the key of a sweep; nothing if it has none or cannot be read."""
    try:
        metadata = parquet.read_schema(sweep).metadata or {}
    except (OSError, ArrowException):
        return ""
    return bytes(metadata.get(LABEL, b"")).decode()
