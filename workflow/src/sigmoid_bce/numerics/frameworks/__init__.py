"""Implementations to measure, a framework a file. A new file here is a new framework."""

import pkgutil


def names() -> list[str]:
    """Return the frameworks' names: the files in this folder.

    Examples
    --------
    >>> "scipy" in names()
    True
    """
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))
