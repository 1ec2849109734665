"""The releases of Snakemake and of its SLURM plugin that the workflow accepts."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.jobs.releases import installed


@dataclass(frozen=True)
class Pin:
    """The releases of a package that are accepted, and the one that was tested."""

    accepted: str
    tested: str


PINS = {
    "snakemake": Pin(">=9.27,<9.28", "9.27.1"),
    "snakemake-executor-plugin-slurm": Pin(">=2.8,<2.9", "2.8.0"),
}
"""The workflow relies on internals of these packages: see `jobs.snakemake_patches`."""

WITHOUT_JOBS = {"--lint", "--rulegraph"}
"""Options of Snakemake that the Workflow Catalog gives to a release of its own: no job starts."""


class ReleaseError(UserError):
    """A release of Snakemake or of its plugin that is not accepted."""


def check(package: str) -> None:
    """Check that the installed release of a package is accepted, if jobs may start.

    Parameters
    ----------
    package : str
        A key of `PINS`.

    Raises
    ------
    ReleaseError
        With the installed release, the accepted range and the tested release.

    Examples
    --------
    >>> check("snakemake")
    """
    if WITHOUT_JOBS & set(sys.argv):
        return
    pin, found = PINS[package], installed(package)
    if found is None or not SpecifierSet(pin.accepted).contains(found, prereleases=True):
        raise ReleaseError(
            f"{package} {found or 'is not'} installed: this workflow needs "
            f"{package}{pin.accepted} and was tested with {pin.tested}. "
            f"Run: pip install '{package}{pin.accepted}'"
        )
