"""Installed releases of packages, for example of those that compute a result."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

BUILDS = {
    "keras": ("keras-nightly",),
    "tensorflow": ("tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"),
    "xgboost": ("xgboost-cpu",),
}
"""Other names under which a package is distributed."""


@cache
def installed(package: str) -> str | None:
    """Return the installed release of a package; None if it is not installed.

    Examples
    --------
    >>> installed("no-such-package") is None
    True
    """
    for name in (package, *BUILDS.get(package, ())):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def releases(*packages: str) -> dict[str, str | None]:
    """Return the installed release of each package, in alphabetical order.

    Examples
    --------
    >>> list(releases("numpy", "keras"))
    ['keras', 'numpy']
    """
    return {package: installed(package) for package in sorted(packages)}
