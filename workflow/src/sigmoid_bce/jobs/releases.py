"""Installed releases: of the packages that compute a result, and of the ones that run it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from sigmoid_bce.jobs.logs import UserError


@dataclass(frozen=True)
class Pin:
    """The releases of a package that are accepted, and the one with which the tests were run."""

    accepted: str
    tested: str


PINS = {
    "snakemake": Pin(">=9.27,<9.28", "9.27.1"),
    "snakemake-executor-plugin-slurm": Pin("==2.8.*", "2.8.0"),
}
"""Packages whose internals the workflow relies on: see `snakemake_patches`."""


class ReleaseError(UserError):
    """A release of Snakemake or of its plugin with which the workflow was not tested."""


@cache
def installed(package: str) -> str | None:
    """Return the installed release of a package; None if it is not installed.

    Examples
    --------
    >>> installed("no-such-package") is None
    True
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def releases(*packages: str) -> dict[str, str | None]:
    """Return the installed release of each package, in alphabetical order.

    Examples
    --------
    >>> list(releases("numpy", "keras"))
    ['keras', 'numpy']
    """
    return {package: installed(package) for package in sorted(packages)}


def check(package: str) -> None:
    """Check that the installed release of a package is one of those accepted.

    Parameters
    ----------
    package : str
        A key of `PINS`.

    Raises
    ------
    ReleaseError
        With the release, the range and the tested release.

    Examples
    --------
    >>> check("snakemake")
    """
    pin, found = PINS[package], installed(package)
    if found is None or not SpecifierSet(pin.accepted).contains(found, prereleases=True):
        what = f"{package} {found}" if found else f"no {package}"
        raise ReleaseError(
            f"{what} is installed: this workflow needs {package}{pin.accepted} and was tested with "
            f"{pin.tested}. Write: pip install '{package}{pin.accepted}'"
        )
