"""Keras 3 on TensorFlow: compiled models, by gradient tape and by the methods of a model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from sigmoid_bce.numerics.catalogue import LENGTH, Implementation
from sigmoid_bce.numerics.frameworks._keras import (
    CONCATENATED,
    MIXED,
    OTHERS,
    PROGRAMS,
    compiled,
    formula,
    network,
)
from sigmoid_bce.numerics.frameworks.tensorflow import CAUSES, UNKNOWN
from sigmoid_bce.numerics.surroundings import keras_on

TITLE = "Keras on TensorFlow"
PACKAGES = ("keras", "tensorflow")
INSTEAD = "Dense(1) with keras.losses.BinaryCrossentropy(from_logits=True)"

CLIP = "p clipped to [1e-7, 1 - 1e-7]; -(y log p + (1 - y) log(1 - p))"
LOGITS = "max(x, 0) - x y + log1p(exp(-|x|))"
SOURCE = "keras/src/backend/tensorflow/nn.py, binary_crossentropy and _get_logits, 3.15"
HALF = ("float16", "bfloat16")
EVERY = (*HALF, "float32", "float64")
MODES = ("eager", "graph", "xla")
FORMULAS = {True: LOGITS, False: f"{LOGITS} where it finds x, else {CLIP}"}


def implementations() -> list[Implementation]:
    """Return each program in each mode that can run it."""
    keras = keras_on("tensorflow")
    import tensorflow as tf

    def step(model):
        """Return the loss that Keras's own training step computes, and its gradient."""

        def function(x, y, w=None):
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = model(x, training=False)
                loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=w)
            return loss, tape.gradient(loss, x)

        return function

    def by_dtype(make, mode, target=lambda y: y[:, None], weight=None):
        """Return a function that makes one model for each dtype and runs it in a mode."""
        made = {}

        def function(x, y):
            if x.dtype.name not in made:
                run = step(make(x.dtype.name))
                if mode != "eager":
                    run = tf.function(run, jit_compile=mode == "xla")
                made[x.dtype.name] = run
            given = [x[:, None], target(y)] + ([weight(y)] if weight else [])
            loss, gradient = made[x.dtype.name](*map(tf.constant, given))
            return tf.reshape(loss, [-1]), tf.reshape(gradient, [-1])

        return function

    def evaluate(head, from_logits):
        """Return the loss of `evaluate` in batches of one sample, as the article measured it."""

        class Losses(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
            def on_test_begin(self, logs=None):
                self.values = []

            def on_test_batch_begin(self, batch, logs=None):
                # without it, the loss is the mean over all batches so far
                self.model.reset_metrics()

            def on_test_batch_end(self, batch, logs=None):
                self.values.append(logs["loss"])

        model = network(keras, head, "float32")
        model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=from_logits))
        losses = Losses()

        def function(x, y):
            data = tf.data.Dataset.from_tensor_slices((x[:, None], y[:, None])).batch(1)
            model.evaluate(data, callbacks=[losses], verbose=0)
            return np.array(losses.values), None

        return function

    def predict(head, from_logits):
        """Return the loss of the outputs that `predict` returns."""
        made = {}

        def function(x, y):
            name = x.dtype.name
            if name not in made:
                made[name] = compiled(keras, head, name, from_logits)
            model = made[name]
            outputs = model.predict_on_batch(x[:, None])
            return model.loss(y[:, None], outputs).numpy(), None

        return function

    entries = []
    for name, (head, from_logits) in PROGRAMS.items():
        # a head in float32 is a remedy for half precision
        dtypes = HALF if head == "float32" else EVERY
        entry = partial(
            Implementation,
            name,
            formula=FORMULAS[from_logits],
            source=SOURCE,
            from_sigmoid=not from_logits,
        )
        runs = {
            mode: by_dtype(lambda d, h=head, f=from_logits: compiled(keras, h, d, f), mode)
            for mode in MODES
        }
        if head != "reshape":  # `predict` returns the same with and without it
            runs["predict, then loss"] = predict(head, from_logits)
        # a Reshape hides the logits, as half precision does, so that the loss has another gradient
        causes = {} if head == "reshape" else CAUSES
        for mode, run in runs.items():
            cause, of = causes.get(mode, UNKNOWN)
            if cause and head == "sigmoid":
                of = f"{of}, float32 or float64"
            entries.append(entry(run, dtypes, mode, cause=cause, cause_of=of))
        if head == "sigmoid":
            run, mode = evaluate(head, from_logits), "evaluate, a sample a batch"
            entries.append(entry(run, mode=mode, soft=False, per_sample=True, slow=True))
    softmax = "mean over both classes, meant to equal the loss of x; raw outputs (0, x)"
    for mode in MODES:
        run = by_dtype(
            lambda d: compiled(keras, "softmax", d, False),
            mode,
            lambda y: np.stack([1 - y, y], axis=1),
        )
        entry = partial(Implementation, mode=mode, source=SOURCE, from_sigmoid=True)
        name = "Dense(2, softmax), BinaryCrossentropy()"
        cause = "on TensorFlow, Keras takes the input of the softmax for that of a sigmoid"
        entries.append(entry(name, run, formula=softmax, cause=cause, cause_of="loss"))
        run = by_dtype(lambda d: compiled(keras, "reshape", d, False, d), mode)
        name = "Dense(1, sigmoid), Reshape, BinaryCrossentropy(dtype=half)"
        entries.append(entry(name, run, HALF, formula=f"{CLIP}, in half precision"))
    return [*entries, *_others(keras, by_dtype), *_trained(keras, tf)]


def _others(keras: Any, by_dtype: Any) -> Iterator[Implementation]:
    """Yield the other losses, and two heads side by side, in each mode."""
    for one in (CONCATENATED, *OTHERS):
        weight = one.weights if one.objective == "weighted" else None
        for mode in MODES:
            yield Implementation(
                one.name,
                by_dtype(lambda d, o=one: o.compiled(keras, d), mode, one.targets, weight),
                ("bfloat16", "float32") if one is CONCATENATED else EVERY,
                mode,
                formula(one, FORMULAS),
                f"keras/src/losses/losses.py, {one.loss}, 3.15",
                from_sigmoid=not one.from_logits,
                objective=one.objective,
            )


def _trained(keras: Any, tf: Any) -> Iterator[Implementation]:
    """Yield `train_on_batch`: the loss that it computes, and the step that it takes.

    A weight for each sample is added to its raw output. At a learning rate of 1, the weight changes
    by minus the gradient.
    """

    def program(name, head, from_logits):
        made = {}

        def make(dtype):
            seen = tf.Variable(tf.zeros(LENGTH, "float64" if dtype == "float64" else "float32"))
            model = compiled(keras, head, dtype, from_logits)
            plain = model.loss

            def summed(y, outputs):
                values = plain(y, outputs)
                seen.assign(tf.cast(values, seen.dtype))
                return tf.reduce_sum(values)

            policy = MIXED.get(dtype, dtype)
            numbers = keras.Input((), dtype="int32")
            own = keras.layers.Embedding(LENGTH, 1, "zeros", dtype=policy)
            raw = keras.layers.Add(dtype=policy)([model.inputs[0], own(numbers)])
            model.trainable = False
            whole = keras.Model([model.inputs[0], numbers], model(raw))
            whole.compile(optimizer=keras.optimizers.SGD(1.0), loss=summed)
            return whole, own, seen

        def function(x, y):
            if x.dtype.name not in made:
                made[x.dtype.name] = make(x.dtype.name)
            whole, own, seen = made[x.dtype.name]
            own.set_weights([np.zeros((LENGTH, 1))])
            whole.train_on_batch([x[:, None], np.arange(LENGTH)], y[:, None])
            return seen.numpy(), -own.get_weights()[0][:, 0]

        return Implementation(
            name,
            function,
            ("bfloat16", "float32", "float64"),  # float16 is trained with a scaled loss
            "train_on_batch",
            FORMULAS[from_logits],
            SOURCE,
            from_sigmoid=not from_logits,
        )

    for name, (head, from_logits) in PROGRAMS.items():
        if head in ("sigmoid", "linear"):
            yield program(name, head, from_logits)
