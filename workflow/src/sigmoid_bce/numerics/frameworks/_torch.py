"""How programs on PyTorch are called: eager and compiled, in every precision that they take."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.names import BCE

EVERY = ("float16", "bfloat16", "float32", "float64")
MODES = ("eager", "compiled")
MOST_COMPILED = 256
"""Programs compiled of one piece of code, which several losses may share."""
ATEN = "aten/src/ATen/native/{}, 2.13"
"""The source of an operation."""


class Program(NamedTuple):
    """A loss as a user writes it, from tensors of raw outputs and labels of shape (n,)."""

    name: str
    loss: Callable[[Any, Any], Any]
    formula: str
    source: str
    objective: str = BCE
    dtypes: tuple[str, ...] = EVERY
    modes: tuple[str, ...] = MODES


class Runner:
    """Runs losses on a device.

    Parameters
    ----------
    device : str
        The CPU if empty.
    """

    def __init__(self, device: str = ""):
        import torch

        torch.set_num_threads(1)
        self.torch, self.place = torch, device or "cpu"

    def tensor(self, values: np.ndarray) -> Any:
        """Return an array as a tensor of the same precision."""
        torch = self.torch
        if values.dtype in (np.float16, np.float32, np.float64):
            return torch.from_numpy(values.copy()).to(self.place)
        # by way of float32, since PyTorch does not read bfloat16 from NumPy
        return torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16).to(self.place)

    def array(self, values: Any) -> np.ndarray:
        """Return a tensor as an array of float64."""
        found: np.ndarray = values.detach().to("cpu", self.torch.float64).numpy()
        return found

    def entry(self, loss: Callable[[Any, Any], Any], mode: str) -> Callable[[Any, Any], Any]:
        """Return a function from arrays to losses and gradients."""
        torch, run = self.torch, loss
        if mode == "compiled":
            # a program for each dtype; beyond a limit, code would run eagerly, without an error
            importlib.import_module("torch._dynamo").config.recompile_limit = MOST_COMPILED
            run = torch.compile(loss, dynamic=False)

        def function(x, y):
            torch.backends.cuda.matmul.allow_tf32 = mode.endswith("TF32")
            x, y = self.tensor(x).requires_grad_(), self.tensor(y)
            values = run(x, y)
            (gradient,) = torch.autograd.grad(values.sum(), x)
            return self.array(values), self.array(gradient)

        return function

    def implementations(self, programs: Iterable[Program], **more: Any) -> list[Implementation]:
        """Return programs in each of their modes.

        Parameters
        ----------
        programs : iterable of Program
        **more
            Further fields of `Implementation`.
        """
        return [
            Implementation(
                one.name,
                self.entry(one.loss, mode),
                one.dtypes,
                mode,
                one.formula,
                one.source,
                from_sigmoid=any(word in one.name for word in ("after sigmoid", "after softmax")),
                soft=False if "1 - 2 y" in one.name else more.get("soft", True),
                objective=one.objective,
            )
            for one in programs
            for mode in one.modes
        ]


_kept: list[Any] = []  # PyTorch forgets operators of a library that nobody holds


def import_torchvision(torch: Any) -> None:
    """Import torchvision, whose losses are Python code and need none of its own operators.

    The wheel of the package index is built for CUDA. Beside a PyTorch for CPUs its operators are
    not registered, and the import asks for two of them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        importlib.import_module("torchvision")
