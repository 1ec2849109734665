"""The frameworks that are measured, one file each. Adding a file adds a framework.

Another package brings one by an entry point in the group `sigmoid_bce.frameworks`, whose value is
such a module.

The functions here read the files without running them, so that planning a study imports no NumPy.
"""

from __future__ import annotations

from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.releases import installed

FOLDER = "numerics/frameworks"


def names() -> list[str]:
    """Return the names of the frameworks, in alphabetical order: one for each file.

    Examples
    --------
    >>> "scipy" in names()
    True
    """
    return plugins.names(FOLDER)


def packages(name: str) -> tuple[str, ...]:
    """Return the distributions that a framework needs, its own first.

    Parameters
    ----------
    name : str
        One of `names()`.

    Raises
    ------
    PluginError
        If its file has a syntax error, or does not set PACKAGES to a tuple of strings.

    Examples
    --------
    >>> packages("keras_tensorflow")
    ('keras', 'tensorflow')
    """
    file = plugins.files(FOLDER)[name]
    found = plugins.constant(file, "PACKAGES", tuple)
    if not all(isinstance(package, str) for package in found):
        raise plugins.PluginError(
            f"{file}: PACKAGES: expected a tuple of distributions such as ('torch',), "
            f"found {found!r}"
        )
    return found


def versions(name: str) -> dict[str, str | None]:
    """Return the installed release of each distribution that a framework needs.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    dict of str or None by str
        In the order of `packages`; None for a distribution that is not installed.

    Examples
    --------
    >>> list(versions("scipy"))
    ['scipy']
    """
    return {package: installed(package) for package in packages(name)}
