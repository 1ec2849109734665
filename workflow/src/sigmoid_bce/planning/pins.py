"""The releases of Snakemake and of its SLURM plugin that the workflow accepts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
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
    """A package that is missing, or of a release that is not accepted."""


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


def check_extra(extra: str, remedy: str) -> None:
    """Check that what an extra of the installed package needs is installed.

    Parameters
    ----------
    extra : str
        For instance "workflow".
    remedy : str
        The command that installs it.

    Raises
    ------
    ReleaseError
        With the names of what is missing.

    Examples
    --------
    >>> check_extra("no-such-extra", "")
    """
    try:
        needs = map(Requirement, requires("sigmoid-bce") or [])
    except PackageNotFoundError:  # on the path, without a record of what it needs
        return
    wanted = (need for need in needs if need.marker and need.marker.evaluate({"extra": extra}))
    if missing := [need.name for need in wanted if installed(need.name) is None]:
        raise ReleaseError(f"jobs need what is not installed: {', '.join(missing)}. {remedy}")
