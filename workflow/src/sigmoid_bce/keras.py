"""Watch a training of Keras: `SaturationMonitor`, a callback for `fit`.

The monitor stands around the model's `compute_loss`. There it sees the outputs of each batch, and
takes the gradient that the loss itself has: no formula, no second forward pass.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.monitors.losses import UNKNOWN, named
from sigmoid_bce.monitors.watch import Watch

try:
    import keras
    from keras import ops

    from sigmoid_bce.monitors import keras_internals as internals
    from sigmoid_bce.monitors.outputs import BACKENDS, Seen, is_binary, last, recognised
    from sigmoid_bce.monitors.variables import State
except ImportError as error:
    raise ImportError("sigmoid_bce.keras needs Keras 3: pip install keras tensorflow") from error

EVERY = 0.1
"""Seconds between two looks at the counts: a look waits for the device."""
CURE = "Instead: {} without a sigmoid, and BinaryCrossentropy(from_logits=True)."


class SaturationMonitor(Watch, keras.callbacks.Callback):
    """Watch a training: raw outputs, clipped samples, samples without a gradient, every epoch.

    Parameters
    ----------
    loss : str, optional
        The loss's name in docs/learning.md, where it is a function of one's own: it says which
        samples are clipped. Gradients are measured, whatever the loss.
    from_logits : bool, optional
        Whether the model ends in its raw output; by default this is found out.
    output : str, optional
        The output to watch, of several.
    verbose : bool
        Whether to print a line an epoch.

    Attributes
    ----------
    history : list of dict
        A row for each epoch; docs/monitor.md lists the columns.

    Raises
    ------
    UserError
        If the model ends in a softmax, has several outputs of which none is named, or is trained on
        several devices.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([[-30], [40], [2]])
    >>> network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    >>> network.compile("sgd", "binary_crossentropy")
    >>> monitor = SaturationMonitor()
    >>> _ = network.fit(x, np.float32([0, 1, 1]), callbacks=[monitor], verbose=0)
    >>> monitor.history[0]["loss"], monitor.history[0]["source"]
    ('logits', 'sigmoid')
    """

    def __init__(
        self,
        loss: str | None = None,
        *,
        from_logits: bool | None = None,
        output: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(verbose)
        self.from_logits, self.output = from_logits, output
        self._named = None if loss is None else named(loss)
        self._loss, self.source = self._named or UNKNOWN, "raw"
        self._training, self._validation = State("training"), State("validation")
        self._fits = self._tests = self._recovers = False
        self._epoch = 1
        self._looked = 0.0
        # functions that Keras has traced with this monitor, and for what
        self._traced: tuple[Any, Any] = (None, None)
        self._for: tuple[Any, ...] = ()
        self._before: tuple[Any, Any] = (None, None)

    # ---- around the model ----

    def set_model(self, model: Any) -> None:
        """Stand around the model's `compute_loss`, before Keras traces its steps."""
        super().set_model(model)
        # Keras's own `model` ends a step of JAX when it is asked for
        self._watched = model
        half = "16" in str(getattr(getattr(model, "dtype_policy", None), "compute_dtype", ""))
        self.cure = CURE.format('Dense(1, dtype="float32")' if half else "Dense(1)")
        backend = keras.backend.backend()
        if backend not in BACKENDS:
            raise UserError(f"the monitor knows no gradient of the backend {backend!r}")
        strategy = getattr(model, "distribute_strategy", None)
        if getattr(strategy, "num_replicas_in_sync", 1) > 1:
            raise UserError("the monitor counts on one device, and this model is trained on more")
        if backend == "jax":
            if len(getattr(model, "outputs", ())) > 1:
                raise UserError("with Keras on JAX, the monitor watches models of one output")
            tracked = internals.metrics(model)
            # a fit that was interrupted leaves them
            tracked += (s for s in (self._training, self._validation) if s not in tracked)
        model.__dict__.pop("compute_loss", None)
        original = model.compute_loss
        signature = inspect.signature(original)

        def compute_loss(*args, **kwargs):
            return self._compute(original, signature.bind(*args, **kwargs))

        object.__setattr__(model, "compute_loss", compute_loss)
        self._before = internals.steps(model)
        now = (model, internals.compiled(model), model.optimizer)
        if len(self._for) != len(now) or any(
            a is not b for a, b in zip(now, self._for, strict=True)
        ):
            self._for, self._traced = now, (None, None)
        model.train_function, model.test_function = self._traced

    def _leave(self) -> None:
        """Leave the model as it was."""
        model = self._watched
        if model.__dict__.pop("compute_loss", None) is None:
            return
        self._traced = internals.steps(model)
        model.train_function, model.test_function = self._before
        if keras.backend.backend() == "jax":
            for state in (self._training, self._validation):
                internals.metrics(model).remove(state)

    def _of_output(self, nested: Any) -> Any:
        """Return the part of outputs, labels, weights or losses that belongs to the output."""
        if self.output is None or not isinstance(nested, dict | list | tuple):
            return nested
        if isinstance(nested, dict):
            return nested.get(self.output)
        return nested[list(self._watched.output_names).index(self.output)]

    def _seen(self, output: Any, binary: bool, of_raw: bool) -> Seen:
        """Return what a batch's outputs are of."""
        is_raw = self.from_logits
        if is_raw is None and binary and of_raw and keras.backend.backend() != "tensorflow":
            is_raw = True
        symbolic = self._of_output(getattr(self._watched, "outputs", None))
        end = "" if symbolic is None else last(_whole(symbolic), self._watched)
        if end is None and is_raw is None:
            raise UserError(
                f"Keras {keras.__version__} does not tell how the model ends: say it, "
                "SaturationMonitor(from_logits=True) or False"
            )
        if end == "softmax":
            raise UserError(
                "the model ends in a softmax: the monitor watches binary cross-entropy of a "
                "sigmoid or of raw outputs"
            )
        return Seen(output, is_raw, end == "sigmoid" or (binary and not of_raw))

    def _compute(self, original: Callable, given: inspect.BoundArguments) -> Any:
        """Return the loss of a batch, and count it."""
        values = given.arguments
        output = _whole(self._of_output(values["y_pred"]))
        binary, of_raw = is_binary(self._of_output(self._watched.loss))
        seen = self._seen(output, binary, of_raw)

        def call(replaced: Any) -> Any:
            if replaced is output:
                return original(*given.args, **given.kwargs)
            return original(**{**values, "y_pred": replaced})

        training = values.get("training", True) and not self._tests
        if training:
            scale = getattr(self._watched.optimizer, "scale_loss", lambda loss: loss)
            compute = BACKENDS[keras.backend.backend()]
            loss, parts = compute(call, output, seen.inputs, scale)
            gradient = seen.gradient(parts)
            self._recovers = seen.source == "sigmoid" and parts[0] is None
            self._loss = self._named or recognised(binary, of_raw or self._recovers)
        else:
            loss, gradient = call(output), None
        if not self._recovers:
            seen.let_fuse()
        if training:
            self.source = seen.source
        state = self._training if training else self._validation
        weight = _like(self._of_output(values.get("sample_weight")), seen.x)
        y = _whole(self._of_output(values["y"]))
        state.add(self._loss, seen.x, seen.p, y, gradient, weight)
        return loss

    # ---- the callback ----

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: D102
        self._fits = True

    def on_train_end(self, logs: Any = None) -> None:  # noqa: D102
        self._fits = False
        self._leave()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self._epoch = epoch + 1
        for state in (self._training, self._validation):
            state.clear()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        # Keras waits for callbacks at a batch's end; on JAX, variables have no values in an epoch
        if self._warned or keras.backend.backend() == "jax":
            return
        now = time.monotonic()
        if now - self._looked > EVERY:
            self._look(self._epoch, self._training.counts(), self._loss)
            self._looked = now

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: D102
        self._tests = True

    def on_test_end(self, logs: Any = None) -> None:  # noqa: D102
        self._tests = False
        if not self._fits:
            self._leave()

    def on_predict_end(self, logs: Any = None) -> None:  # noqa: D102
        self._leave()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        counts = self._training.counts()
        if not counts.batches:
            self._say(
                f"the monitor saw no batch: train_step of {type(self._watched).__name__} does not "
                "call compute_loss"
            )
            return
        self._keep(epoch + 1, self._loss, self.source, counts, self._validation.counts())


def _whole(output: Any) -> Any:
    if len(keras.tree.flatten(output)) > 1:
        raise UserError("the model has several outputs: name one, SaturationMonitor(output=...)")
    return keras.tree.flatten(output)[0]


def _like(weight: Any, x: Any) -> Any:
    """Return weights of samples in the shape of their raw outputs."""
    if weight is None:
        return None
    weight = _whole(weight)
    for _ in range(len(x.shape) - len(weight.shape)):
        weight = ops.expand_dims(weight, -1)
    return ops.broadcast_to(weight, ops.shape(x))
