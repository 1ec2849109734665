"""The catalogue: every way to compute a loss that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import ml_dtypes
import numpy as np

from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics import frameworks
from sigmoid_bce.numerics.arrays import Array
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.objectives import OBJECTIVES

LENGTH = 4096
"""Samples in each call. Kernels differ in the last bit by the length of a batch, so it is fixed."""

DTYPES: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "longdouble": np.dtype(np.longdouble),
}
"""The precisions, by name."""

PAST = ("history", "exact")
"""Titles of entries that are not in use today: in the tables, but not in the words."""

PARTS = ("TITLE", "PACKAGES", "INSTEAD", "implementations")
"""The names that the file of a framework defines; see `Framework`."""

Function = Callable[[Any, Any], tuple[Any, Any]]
"""From raw outputs and labels to losses and gradients, all (n,); gradients may be None."""


@dataclass(frozen=True)
class Implementation:
    """One way to compute binary cross-entropy, or another objective, in one framework.

    Parameters
    ----------
    name : str
        The code that a user writes, for instance ``BCEWithLogitsLoss()``. Implementations with the
        same name are one program, run in several modes.
    function : callable
        From raw outputs and labels, both ndarrays of shape (n,) and of the dtype under test, to the
        losses and their gradients with respect to the raw output, both array-like of shape (n,).
        None in place of gradients if there are none.
    dtypes : tuple of str
        The precisions in which it is measured, from `DTYPES`.
    mode : str
        How the framework runs it, such as eager, graph or xla; empty if there is only one way.
    formula : str
        The formula that it computes. p is the sigmoid output and x the raw output.
    source : str
        Where the formula comes from: file and release.
    from_sigmoid : bool
        Whether the loss is computed from the sigmoid output instead of the raw output.
    soft : bool
        Whether it takes labels between 0 and 1. Objectives other than binary cross-entropy are
        measured with 0 and 1.
    per_sample : bool
        Whether `function` computes one sample at a time because the library only returns a mean.
    gradient_by_hand : bool
        Whether the gradient is a formula of this package, since the framework has none.
    cause : str
        Why it goes wrong, where that is known and its formula does not tell.
    cause_of : str
        What the cause explains, if not everything: quantities (loss, gradient, or thresholds such
        as gradient_off), precisions, labels and sides, for instance "gradient, float32 or float64,
        label 1, correct side".
    objective : str
        The loss that it computes, from `sigmoid_bce.numerics.objectives.OBJECTIVES`.
    slow : bool
        Whether a call for one sample takes about a millisecond, so that fewer are made.
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
    gradient_by_hand: bool = False
    cause: str = ""
    cause_of: str = ""
    objective: str = BCE
    slow: bool = False

    def __post_init__(self) -> None:
        # "float32" in place of ("float32",) would be taken letter by letter
        if not set(self.dtypes) <= set(DTYPES):
            raise ValueError(
                f"{self.name}: dtypes: expected a tuple of {', '.join(DTYPES)}, "
                f"found {self.dtypes!r}"
            )
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"{self.name}: objective: expected one of {', '.join(OBJECTIVES)}, "
                f"found {self.objective!r}"
            )

    def __call__(self, x: Array, y: float) -> tuple[Array, Array | None]:
        """Return losses and gradients for one label, computed `LENGTH` samples at a time.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Raw outputs in the dtype under test.
        y : float
            The label of all samples.

        Returns
        -------
        loss, gradient : ndarray of float64, shape (n,)
            longdouble if `x` is; gradient is None if the implementation has none.

        Raises
        ------
        ValueError
            If the function returns arrays of another shape.
        """
        with np.errstate(all="ignore"):
            loss, gradient = zip(*self._calls(x, y), strict=True)
        return np.concatenate(loss), None if gradient[0] is None else np.concatenate(gradient)

    def _calls(self, x: Array, y: float) -> Iterator[tuple[Array, Array | None]]:
        """Yield losses and gradients call by call, the last call padded to full length."""
        wide = np.longdouble if x.dtype == np.longdouble else np.float64
        length = max(len(x), 1) if self.per_sample else LENGTH
        for start in range(0, len(x), length):
            part = x[start : start + length]
            padded = np.pad(part, (0, length - len(part)), mode="edge")
            found = self.function(padded, np.full(length, y, x.dtype))
            arrays = [None if a is None else np.asarray(a) for a in found]
            shapes = [None if a is None else a.shape for a in arrays]
            if shapes not in ([(length,)] * 2, [(length,), None]):
                # (n, 1) would be broadcast against the reference's (n,) to (n, n)
                raise ValueError(
                    f"{self.name}: expected a loss and a gradient or None, of shape "
                    f"({length},) each, found {shapes[0]} and {shapes[-1]}"
                )
            loss, gradient = (None if a is None else a.astype(wide)[: len(part)] for a in arrays)
            yield cast(Array, loss), gradient


class Framework(Protocol):
    """The contents of a framework's file. Importing it does not import the framework."""

    TITLE: str
    """The framework's name in tables and figures."""
    PACKAGES: tuple[str, ...]
    """The distributions that it needs, its own first; a literal."""
    INSTEAD: str
    """The code for a loss from raw outputs that is right everywhere."""

    def implementations(self) -> list[Implementation]:
        """Return the implementations to measure. Imports the framework.

        One that runs on several devices takes `device` too, and has `device_name`: from a device
        such as "cuda" to its name; raises if there is none.
        """


def modules() -> Iterator[tuple[str, Framework]]:
    """Yield the name and the module of each framework; those of others that fail are left out.

    Examples
    --------
    >>> dict(modules())["scipy"].TITLE
    'SciPy'
    """
    for name in frameworks.names():
        try:
            yield name, module(name)
        except plugins.PluginError:
            if name not in plugins.brought(frameworks.FOLDER):
                raise


def module(name: str) -> Framework:
    """Return the module of a framework.

    Parameters
    ----------
    name : str
        One of `sigmoid_bce.numerics.frameworks.names()`.

    Raises
    ------
    PluginError
        If the file cannot be imported, or does not define one of `PARTS`.

    Examples
    --------
    >>> module("scipy").TITLE
    'SciPy'
    """
    return cast(Framework, plugins.load(frameworks.FOLDER, name, *PARTS))
