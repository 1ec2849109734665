"""Installed releases of packages, for example of those that compute a result."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BUILDS = {
    "keras": ("keras-nightly",),
    "tensorflow": ("tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"),
    "xgboost": ("xgboost-cpu",),
}
"""Other names under which a package is distributed."""
NPM = "npm:"
"""The beginning of a package's name that is one of Node's, and not of Python's."""


def node_modules(package: str) -> Path | None:
    """Return the nearest folder in whose node_modules a package is, as Node looks for it.

    Parameters
    ----------
    package : str
        Its name at npm, for instance ``@tensorflow/tfjs-core``.

    Returns
    -------
    Path or None
        This process's folder or one above it.
    """
    here = Path.cwd()
    folders = (here, *here.parents)
    return next((f for f in folders if (f / "node_modules" / package).is_dir()), None)


@cache
def installed(package: str) -> str | None:
    """Return the installed release of a package; None if it is not installed.

    Parameters
    ----------
    package : str
        A distribution of Python, or a package of Node after ``npm:``.

    Examples
    --------
    >>> installed("no-such-package") is None
    True
    """
    if package.startswith(NPM):
        name = package.removeprefix(NPM)
        folder = node_modules(name)
        text = folder and (folder / "node_modules" / name / "package.json").read_text()
        return json.loads(text)["version"] if text else None
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
