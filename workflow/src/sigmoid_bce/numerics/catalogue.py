"""The catalogue: every way to compute binary cross-entropy that is measured, a framework a file."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from sigmoid_bce.numerics import frameworks

LENGTH = 4096
"""Samples a call: kernels differ in the last bit by the length of a batch, so there is but one."""

DTYPES = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "longdouble": np.dtype(np.longdouble),
}

PARTS = ("TITLE", "PACKAGES", "INSTEAD", "implementations")
"""What a framework's file has."""

Function = Callable[[NDArray, NDArray], tuple[NDArray, NDArray | None]]


@dataclass(frozen=True)
class Implementation:
    """One way to compute binary cross-entropy of raw outputs in one framework.

    Parameters
    ----------
    name : str
        What a user writes, for instance ``BCEWithLogitsLoss()``. Entries of one name are one
        program, run in several modes.
    function : callable
        From raw outputs and labels, both (n,) of the dtype under test, to the loss and its
        gradient with respect to the raw output, (n,) each; None for a gradient it does not have.
    dtypes : tuple of str
        Precisions of the raw output in which it is measured.
    mode : str
        How the framework runs it: eager, graph, xla, ...; empty where there is but one way.
    formula : str
        What it computes, with p the sigmoid output and x the raw output.
    source : str
        Where the formula stands: file and version.
    from_sigmoid : bool
        Whether the loss gets the sigmoid output; else it gets the raw output.
    soft : bool
        Whether it takes labels between 0 and 1.
    per_sample : bool
        Whether it is called once a sample, since the library returns a mean only.
    """

    name: str
    function: Function
    dtypes: tuple[str, ...] = ("float32",)
    mode: str = ""
    formula: str = ""
    source: str = ""
    from_sigmoid: bool = False
    soft: bool = True
    per_sample: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.dtypes, str) or not set(self.dtypes) <= set(DTYPES):
            raise ValueError(
                f"{self.name}: dtypes: expected a tuple of {', '.join(DTYPES)}, "
                f"found {self.dtypes!r}"
            )

    def __call__(self, x: NDArray, y: float) -> tuple[NDArray, NDArray | None]:
        """Return loss and gradient at raw outputs of one label, `LENGTH` samples a call.

        Parameters
        ----------
        x : ndarray of float, shape (n,)
            Raw outputs in the dtype under test.
        y : float
            The label of all of them.

        Returns
        -------
        loss, gradient : ndarray of float64 or longdouble, shape (n,)
            Or None for a gradient that it does not have.

        Raises
        ------
        ValueError
            If the function returns other shapes.
        """
        wide = np.longdouble if x.dtype == np.longdouble else np.float64
        length = max(len(x), 1) if self.per_sample else LENGTH
        parts = []
        with np.errstate(all="ignore"):
            for start in range(0, len(x), length):
                part = x[start : start + length]
                padded = np.pad(part, (0, length - len(part)), mode="edge")
                found = self.function(padded, np.full(length, y, x.dtype))
                arrays = [None if a is None else np.asarray(a) for a in found]
                shapes = [None if a is None else a.shape for a in arrays]
                if shapes not in ([(length,)] * 2, [(length,), None]):
                    # else (n, 1) would meet the truth's (n,) as (n, n)
                    raise ValueError(
                        f"{self.name}: expected a loss and a gradient or None, of shape "
                        f"({length},) each, found {shapes[0]} and {shapes[-1]}"
                    )
                parts.append([None if a is None else a.astype(wide)[: len(part)] for a in arrays])
        loss, gradient = zip(*parts, strict=True)
        return np.concatenate(loss), None if gradient[0] is None else np.concatenate(gradient)


def module(name: str) -> ModuleType:
    """Return a framework's file as a module; the framework itself is not imported by that.

    Parameters
    ----------
    name : str
        One of `sigmoid_bce.numerics.frameworks.names`.

    Returns
    -------
    module
        With TITLE, PACKAGES (the distributions it needs, its own first), INSTEAD (what to write for
        a loss from raw outputs) and the function ``implementations()``.

    Raises
    ------
    ImportError
        If the file cannot be imported, or lacks one of the four.
    """
    try:
        found = importlib.import_module(f"{frameworks.__name__}.{name}")
    except Exception as error:  # a file of the user's may raise anything
        raise ImportError(f"frameworks/{name}.py: {type(error).__name__}: {error}") from error
    missing = [part for part in PARTS if not hasattr(found, part)]
    if missing:
        raise ImportError(f"frameworks/{name}.py: {', '.join(missing)} missing")
    return found


@cache
def versions(name: str) -> dict[str, str | None]:
    """Return the installed version of each package a framework needs, None for a missing one.

    Examples
    --------
    >>> list(versions("scipy"))
    ['scipy']
    """
    found: dict[str, str | None] = {}
    for package in module(name).PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
