"""Functions that Snakemake calls with the wildcards of a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from sigmoid_bce.jobs import snakemake_patches

Wildcards = Any
"""Snakemake's wildcards of a job: its attributes are strings."""

Function = TypeVar("Function", bound=Callable[..., Any])


def input_function(function: Function) -> Function:
    """Return a function that tells Snakemake its parameters.

    Snakemake would otherwise inspect its signature several times for each job.

    Parameters
    ----------
    function : callable
        A function of the wildcards, or a method: `self` does not count.

    Examples
    --------
    >>> from snakemake.common import get_function_params
    >>> list(get_function_params(input_function(lambda wildcards, attempt: attempt)))
    ['wildcards', 'attempt']
    """
    parameters = inspect.signature(function).parameters
    known = {name: value for name, value in parameters.items() if name != "self"}
    snakemake_patches.tell_parameters(function, known)
    return function


def literal(value: Any) -> Callable[[Wildcards], Any]:
    """Return a function that returns a value, in which Snakemake then replaces no {name}.

    Examples
    --------
    >>> literal("Does p = {1, 0} matter?")(None)
    'Does p = {1, 0} matter?'
    """
    return input_function(lambda wildcards: value)


def growing(amount: int) -> Callable[[Wildcards, int], int]:
    """Return a resource that grows with each attempt.

    Examples
    --------
    >>> growing(2500)(None, attempt=2)
    5000
    """
    return input_function(lambda wildcards, attempt: attempt * amount)
