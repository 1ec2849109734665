"""The folder of a study, found by its configuration file."""

from __future__ import annotations

import os
from pathlib import Path

from sigmoid_bce.jobs.credentials import ADDRESS
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.reading import load


def folder_of(study: str | Path) -> Path:
    """Return the folder of a study, given as such or as the study's configuration file.

    A configuration that names a tracking server sets its address, unless the environment has one.

    Parameters
    ----------
    study : str or Path

    Raises
    ------
    ConfigError
        If the file is no configuration.

    Examples
    --------
    >>> folder_of("results/default")
    PosixPath('results/default')
    """
    if Path(study).suffix not in (".yaml", ".yml"):
        return Path(study)
    found = parse(load(study), str(study))
    if found.tracking.uri:
        os.environ.setdefault(ADDRESS, found.tracking.uri)
    return Path("results", found.study)
