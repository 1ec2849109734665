"""A change to another package at run time: its names are checked, and a line tells what is gone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from sigmoid_bce.jobs.releases import installed

Parameters = ParamSpec("Parameters")


class Changed(Exception):
    """A name that a patch relies on is missing, or is not what the patch expects."""


def named(owner: object, name: str, fits: Callable[[Any], bool] = lambda value: True) -> Any:
    """Return an attribute that a patch relies on.

    Parameters
    ----------
    owner : object
    name : str
    fits : callable
        Whether the value is as the patch expects.

    Raises
    ------
    Changed
        If it is missing or does not fit.

    Examples
    --------
    >>> named(str, "title", callable)("a b")
    'A B'
    >>> named(str, "titel")
    Traceback (most recent call last):
    sigmoid_bce.jobs.patching.Changed: str has no titel
    """
    missing = object()
    value = getattr(owner, name, missing)
    if value is missing:
        raise Changed(f"{title(owner)} has no {name}")
    if not fits(value):
        raise Changed(f"{title(owner)}.{name} is a {type(value).__name__}")
    return value


def title(owner: object) -> str:
    """Return the name of a class, or of an object's class.

    Examples
    --------
    >>> title(str), title("")
    ('str', 'str')
    """
    return owner.__name__ if isinstance(owner, type) else type(owner).__name__


def patch(
    loss: str,
) -> Callable[
    [Callable[Concatenate[Any, Parameters], None]], Callable[Concatenate[Any, Parameters], None]
]:
    """Return a decorator of a patch: if a name has changed, a line says so.

    Parameters
    ----------
    loss : str
        What is lost then.
    """

    def decorate(
        function: Callable[Concatenate[Any, Parameters], None],
    ) -> Callable[Concatenate[Any, Parameters], None]:
        @wraps(function)
        def guarded(workflow: Any, *args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            try:
                function(workflow, *args, **kwargs)
            except (Changed, ImportError) as changed:
                print(
                    f"snakemake {installed('snakemake')} is not patched ({changed}): {loss}",
                    file=sys.stderr,
                )

        return guarded

    return decorate
