"""Watch a training of PyTorch: `SaturationMonitor`, a call a batch, or hooks.

The gradient of a raw output is the one that the training's own backward pass computes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.monitors.counts import Counts, Row
from sigmoid_bce.monitors.losses import LOSSES, UNKNOWN, Loss, named
from sigmoid_bce.monitors.watch import Watch
from sigmoid_bce.numerics.formulas import EPSILON

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise ImportError("sigmoid_bce.torch needs PyTorch: pip install torch") from error

EVERY, MOST = 0.1, 64
"""Batches are counted together: after so many seconds, or so many batches."""
PASSING = ("View", "Reshape", "Squeeze", "Unsqueeze", "ToCopy", "Alias", "Transpose", "T")
"""Beginnings of the names of what may stand between a sigmoid and the loss, in PyTorch's graph."""


def _clipped(x: Any, y: Any) -> Any:
    p = torch.sigmoid(x).float().clamp(EPSILON, 1 - EPSILON)
    return -(y * p.log() + (1 - y) * (1 - p).log())  # sigmoid-bce: ignore


def _bce(x: Any, y: Any) -> Any:
    p = torch.sigmoid(x).float()
    return functional.binary_cross_entropy(p, y, reduction="none")  # sigmoid-bce: ignore


def _logits(x: Any, y: Any) -> Any:
    return functional.binary_cross_entropy_with_logits(x, y.to(x.dtype), reduction="none")


FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "logits": _logits,
    "bce_loss": _bce,
    "sigmoid_clipped": _clipped,
}
"""The losses whose gradient is computed where the training's own is not to be had."""
NAMES = {
    "BCELoss": "bce_loss",
    "binary_cross_entropy": "bce_loss",
    "BCEWithLogitsLoss": "logits",
    "binary_cross_entropy_with_logits": "logits",
}
"""PyTorch's losses by the name of their class or function."""


class _Batch(NamedTuple):
    """A batch that is not counted yet; `gradients` is filled by the backward pass."""

    x: Any
    p: Any
    y: Any
    weight: Any
    gradients: list[Any]


def _recognised(loss: Any) -> Loss:
    """Return what a name, a module or a function of a loss is."""
    if isinstance(loss, str):
        return named(NAMES.get(loss, loss))
    if isinstance(loss, partial):
        loss = loss.func
    name = getattr(loss, "__name__", type(loss).__name__)
    return LOSSES[NAMES[name]] if name in NAMES else UNKNOWN


def _sigmoid_of(tensor: Any) -> Any:
    """Return the node of PyTorch's graph whose sigmoid a tensor is, or None."""
    node = tensor.grad_fn
    for _ in range(8):
        name = "" if node is None else node.name()
        if name.startswith("SigmoidBackward"):
            return node
        if not name.startswith(PASSING) or not node.next_functions:
            return None
        node = node.next_functions[0][0]
    return None


class SaturationMonitor(Watch):
    """Watch a training: raw outputs, clipped samples, samples without a gradient, every epoch.

    Parameters
    ----------
    loss : torch.nn.Module, callable or str
        The loss in use: `BCELoss`, `BCEWithLogitsLoss`, their functions, or a name in
        docs/learning.md. Of any other callable, clipped shares are not known.
    model : torch.nn.Module, optional
        A model that ends in `torch.nn.Sigmoid`: the raw output is taken before it.
    verbose : bool
        Whether to print a line an epoch.

    Attributes
    ----------
    history : list of dict
        A row for each epoch; docs/monitor.md lists the columns.

    Raises
    ------
    UserError
        If the loss is a name that is not known.

    Examples
    --------
    >>> network, loss = torch.nn.Linear(1, 1), torch.nn.BCEWithLogitsLoss()
    >>> monitor = SaturationMonitor(loss)
    >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    >>> raw_output = network(x)
    >>> monitor(raw_output, y)
    >>> loss(raw_output, y).backward()
    >>> monitor.epoch()["dead_1_wrong"]
    0.0
    """

    cure = "Instead: BCEWithLogitsLoss() of the raw output, without a sigmoid."

    def __init__(self, loss: Any, model: Any = None, *, verbose: bool = False) -> None:
        super().__init__(verbose)
        self._criterion, self._loss = loss, _recognised(loss)
        self.source = "raw"
        self._training, self._validation = Counts(), Counts()
        self._waiting: list[_Batch] = []
        self._looked = time.monotonic()
        self._sigmoid: tuple[Any, Any] = (None, None)
        self._handles: list[Any] = []
        self._is_share = False
        for module in model.modules() if model is not None else ():
            if isinstance(module, torch.nn.Sigmoid):
                self._handles.append(module.register_forward_hook(self._keep_sigmoid))

    # ---- what is seen ----

    def attach(self) -> SaturationMonitor:
        """Count each batch that the loss is called with: no other line in the loop is needed.

        Returns
        -------
        SaturationMonitor
            Itself.

        Raises
        ------
        UserError
            If the loss is no module.
        """
        if not isinstance(self._criterion, torch.nn.Module):
            raise UserError("attach() needs a loss that is a module: SaturationMonitor(BCELoss())")

        def hook(module: Any, inputs: tuple[Any, ...]) -> None:
            # BCELoss takes nothing but probabilities
            self._is_share = self._loss.name == "bce_loss"
            self(*inputs[:2], validation=not torch.is_grad_enabled())

        self._handles.append(self._criterion.register_forward_pre_hook(hook))
        return self

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _keep_sigmoid(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        self._sigmoid = inputs[0], output

    def __call__(
        self, output: Any, label: Any, weight: Any = None, *, validation: bool = False
    ) -> None:
        """Count a batch, before its backward pass.

        Parameters
        ----------
        output : torch.Tensor
            Raw outputs; or sigmoid outputs, which are recognised by their place in PyTorch's graph.
        label : torch.Tensor
            Labels, as many as outputs.
        weight : torch.Tensor, optional
            Weights of the samples. Those of weight 0 are not counted.
        validation : bool
            Whether the batch is not trained on.

        Raises
        ------
        UserError
            If there are not as many labels as outputs.
        """
        if output.numel() != label.numel():
            raise UserError(
                f"the monitor got {output.numel()} outputs and {label.numel()} labels: expected as "
                "many of one as of the other"
            )
        # a sigmoid leaves no trace where no gradient is wanted
        shares = self._is_share or (validation and self.source != "raw")
        source = self.source
        batch, tensor = self._batch(output, label, weight, shares)
        if validation:
            self.source = source
            self._count(self._validation, [batch], gradients=False)
            return
        if tensor is not None and tensor.requires_grad:
            tensor.register_hook(batch.gradients.append)
        self._waiting.append(batch)
        now = time.monotonic()
        # the last batch has no gradient yet
        if len(self._waiting) > MOST or now - self._looked > EVERY:
            self._flush(1)
            self._looked = now

    def _batch(self, output: Any, label: Any, weight: Any, shares: bool) -> tuple[_Batch, Any]:
        """Return a batch, and the raw output whose gradient is wanted, if it is there."""
        x, p = self._sigmoid
        self._sigmoid = (None, None)
        gradients: list[Any] = []
        if x is not None and p.numel() == output.numel() and (p is output or _same(p, output)):
            self.source = "sigmoid"
            return _Batch(x.detach(), p.detach(), label.detach(), weight, gradients), x
        node = _sigmoid_of(output)
        if node is None and not shares:
            self.source = "raw"
            return _Batch(output.detach(), None, label.detach(), weight, gradients), output
        self.source = "inverted"
        # the node gives the gradient with respect to the sigmoid's input
        if node is not None:
            node.register_hook(lambda inputs, outputs: gradients.append(inputs[0]))
        return _Batch(None, output.detach(), label.detach(), weight, gradients), None

    # ---- counting ----

    def _flush(self, keep: int = 0) -> None:
        """Count the batches that wait, but the last ones."""
        end = len(self._waiting) - keep
        self._count(self._training, self._waiting[:end], gradients=True)
        del self._waiting[:end]
        self._look(len(self.history) + 1, self._training, self._loss)

    def _count(self, counts: Counts, batches: list[_Batch], *, gradients: bool) -> None:
        if not batches:
            return
        weights = [batch.weight for batch in batches]
        x = torch.cat([_raw(batch) for batch in batches])
        y = torch.cat([batch.y.reshape(-1) for batch in batches])
        if any(batch.p is not None for batch in batches):
            p = torch.cat([_shares(batch).float() for batch in batches])
        else:
            p = torch.sigmoid(x).float()
        dead = torch.zeros_like(y, dtype=torch.bool)
        if gradients:
            dead = torch.cat([self._gradient(batch).reshape(-1) for batch in batches]) == 0
        weight = None
        if any(one is not None for one in weights):
            weight = _array(torch.cat([_weight(batch) for batch in batches]))
        sizes = [batch.y.numel() for batch in batches]
        parts = _array(x), _array(p), _array(y), _array(dead)
        counts.add(self._loss, *parts, weight, sizes)

    def _gradient(self, batch: _Batch) -> Any:
        """Return the gradient of the backward pass; or of the loss's formula, where there is none.

        Raises
        ------
        UserError
            If the loss has no formula here.
        """
        if batch.gradients:
            return batch.gradients[-1]
        if self._loss.name not in FORMULAS:
            raise UserError(
                "the monitor saw no gradient: call it before backward(), with outputs that are not "
                f"detached; or name a loss of {', '.join(FORMULAS)}"
            )
        with torch.enable_grad():
            x = _raw(batch).clone().requires_grad_()
            loss = FORMULAS[self._loss.name](x, batch.y.reshape(-1).float())
            return torch.autograd.grad(loss.sum(), x)[0]

    def epoch(self) -> Row:
        """End an epoch, and return its row.

        Returns
        -------
        dict
            docs/monitor.md lists the columns.
        """
        self._flush()
        row = self._keep(
            len(self.history) + 1, self._loss, self.source, self._training, self._validation
        )
        self._training, self._validation = Counts(), Counts()
        return row


def _same(one: Any, other: Any) -> bool:
    return bool(one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr())


def _raw(batch: _Batch) -> Any:
    if batch.x is not None:
        return batch.x.reshape(-1)
    p = batch.p.reshape(-1).float()
    return p.log() - (-p).log1p()


def _shares(batch: _Batch) -> Any:
    return torch.sigmoid(_raw(batch)) if batch.p is None else batch.p.reshape(-1)


def _weight(batch: _Batch) -> Any:
    y = batch.y
    if batch.weight is None:
        return torch.ones_like(y).reshape(-1)
    weight = batch.weight.reshape(*batch.weight.shape, *[1] * (y.ndim - batch.weight.ndim))
    return weight.expand_as(y).reshape(-1)


def _array(tensor: Any) -> np.ndarray:
    tensor = tensor.reshape(-1)
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    array: np.ndarray = tensor.cpu().numpy()
    return array
