"""Checkpoints: a training that was killed goes on after a whole epoch, to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.jobs.attempts import CHECKPOINTS, remove_checkpoints
from sigmoid_bce.jobs.files import remove_parts, replacing
from sigmoid_bce.jobs.forkserver import orphaned

SHARE = 0.02
"""Of a processor's time, what checkpoints may cost: where epochs are shorter, some have none."""

ECHO = 1.0
"""Seconds within which a signal is the first one again, which came by several ways."""

Row = dict[str, float]


def variables(network: keras.Model, *, traced: bool = False) -> list[tf.Variable]:
    """Return all that a compiled network's training steps read and change, but for its metrics.

    These are weights, moving means, the states of seed generators, and what the optimiser keeps.
    Metrics begin anew with each epoch.

    Parameters
    ----------
    network : keras.Model
    traced : bool
        Whether to look into the graph too, for what Keras keeps no list of: plain `tf.Variable`,
        generators of `tf.random`, Keras's global seed generator.

    Raises
    ------
    ValueError
        If there is a state that cannot be read, within a kernel of TensorFlow or in Python.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
    >>> [tuple(variable.shape) for variable in variables(network)]
    [(2,)]
    """
    found = list(network.variables)
    if optimizer := getattr(network, "optimizer", None):
        optimizer.build(network.trainable_variables)
        found += optimizer.variables
    found = [variable.value for variable in found]  # TensorFlow's, within Keras's
    if not traced:
        return found
    spec = tf.TensorSpec(network.inputs[0].shape, network.inputs[0].dtype)
    step = tf.function(lambda x: network(x, training=True)).get_concrete_function(spec)
    graph = step.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    hidden = {
        n.op for n in nodes if ("seed2" in n.attr and "Cudnn" not in n.op) or "PyFunc" in n.op
    }
    if hidden:
        raise ValueError(f"the state of {', '.join(sorted(hidden))} cannot be read")
    known = {id(v) for v in found} | {id(v.value) for v in network.metrics_variables}
    # the graph's list of variables is in no order; its list of captured handles is
    order = {id(handle): i for i, handle in enumerate(step.captured_inputs)}
    more = [v for v in step.graph.variables if id(v) not in known]
    return found + sorted(more, key=lambda v: order[id(v.handle)])


def _write(path: Path, state: list[NDArray], about: dict[str, Any]) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, np.frombuffer(json.dumps(about).encode(), np.uint8), *state)


class Checkpoints(keras.callbacks.Callback):
    """Keep a training's state at the ends of epochs, in files that are whole or absent.

    A copy of the state is taken when an epoch ends, and a thread writes it while the next one runs.
    As a context, it turns SIGTERM and SIGINT into an end at the next moment that loses no epoch.

    Parameters
    ----------
    folder : Path
        The cell's folder. No other process may train the cell meanwhile.
    identity : dict
        What the training depends on, in values that JSON knows: only a checkpoint of the same is
        continued.
    network : keras.Model
        Compiled, with its initial weights.
    rows : list of dict
        The epochs, to which the training appends: names and values.
    traced : bool
        As for `variables`.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        network: keras.Model,
        rows: list[Row],
        *,
        traced: bool = False,
    ):
        super().__init__()
        self.file, self.early_file = (folder / name for name in CHECKPOINTS)
        self.identity, self.rows = json.loads(json.dumps(identity)), rows
        self.early: list[NDArray] | None = None
        self.early_written = False
        self.thread = ThreadPoolExecutor(1, "checkpoints")
        self.pending: Future | None = None
        self.last, self.cost = 0.0, 0.0  # when one was begun, and what it cost, in seconds
        self.kept, self.able, self.failed = 0, True, False
        self.signal, self.caught = 0, 0.0  # which one, and when
        try:
            self.variables = variables(network, traced=traced)
        except ValueError as error:
            print(f"no checkpoints: {error}; a training that is killed begins anew", flush=True)
            self.variables, self.able = variables(network), False

    def state(self) -> list[NDArray]:
        """Return a copy of every variable."""
        return [variable.numpy() for variable in self.variables]

    def assign(self, state: list[NDArray]) -> None:
        """Set every variable."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def resume(self) -> list[Row]:
        """Bring the network to the state that was kept; return the epochs that it has behind it.

        What cannot be continued is said and removed.
        """
        for path in (self.file, self.early_file):
            remove_parts(path)
        if not self.file.exists() or not self.able:
            return []
        try:
            about, state = self._read(self.file)
            early = self._read(self.early_file)[1] if about["early"] else None
        except Exception as error:  # zip and NumPy have many for what is damaged
            cause = str(error).strip().splitlines() or [type(error).__name__]
            print(f"{self.file} is not continued: {cause[0]}", flush=True)
            self.remove()
            return []
        self.assign(state)
        self.early = early
        self.early_written = early is not None
        self.kept = len(about["rows"])
        print(f"going on after epoch {self.kept}, from {self.file}", flush=True)
        return [dict(zip(about["names"], row, strict=True)) for row in about["rows"]]

    def _read(self, path: Path) -> tuple[dict[str, Any], list[NDArray]]:
        """Return what a file is about, and its state, if it is of this training."""
        # damage is told by the checksums of zip, which the format is
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            about, *state = (file[name] for name in file.files)
        about = json.loads(about.tobytes())
        theirs, ours = about["identity"], self.identity
        keys = [k for k in sorted(theirs.keys() | ours.keys()) if theirs.get(k) != ours.get(k)]
        if keys:
            raise ValueError(f"it is of another training ({', '.join(keys)} differ)")
        like = self.state()
        # NumPy's format does not know bfloat16
        state = [
            a.view(b.dtype) if a.dtype.kind == "V" else a for a, b in zip(state, like, strict=False)
        ]
        if [(a.shape, a.dtype) for a in state] != [(b.shape, b.dtype) for b in like]:
            raise ValueError("it is of another network")
        return about, state

    def keep_early(self) -> None:
        """Hold on to the present state as that of the early stage."""
        self.early = self.state()

    def _keep(self, wait: bool = False) -> None:
        start, self.last = time.thread_time(), time.monotonic()
        state, rows = self.state(), list(self.rows)
        taken = time.thread_time() - start
        self.pending = self.thread.submit(self._write, state, rows, taken)
        if wait:
            self.pending.result()

    def _write(self, state: list[NDArray], rows: list[Row], taken: float) -> None:
        """Write a state; what goes wrong is said once, and the training goes on without."""
        start = time.thread_time()
        about = {"identity": self.identity}
        try:
            if self.early and not self.early_written:
                _write(self.early_file, self.early, about)
                self.early_written = True
            about |= {"early": self.early_written, "names": list(rows[0])}
            about["rows"] = [list(row.values()) for row in rows]
            _write(self.file, state, about)
            self.kept = len(rows)
        except Exception as error:
            if not self.failed:
                print(f"no checkpoint: {error}; the training goes on", flush=True)
            self.failed = True
        else:
            self.failed = False
        self.cost = taken + time.thread_time() - start

    def on_epoch_end(self, epoch, logs=None):  # noqa: D102
        if self.signal:
            self._stop(last=True)
        busy = self.pending and not self.pending.done()
        if self.able and not busy and self.cost <= SHARE * (time.monotonic() - self.last):
            self._keep()

    def on_train_batch_end(self, batch, logs=None):  # noqa: D102
        if self.signal:
            self._stop()

    on_test_batch_end = on_train_batch_end

    def _stop(self, last: bool = False) -> None:
        """End the process if no whole epoch is lost by it, or if this is an epoch's end."""
        if self.pending:
            self.pending.result()
        if last and self.able and self.kept < len(self.rows):
            self._keep(wait=True)
        if last or self.failed or not self.able or self.kept == len(self.rows):
            print(f"signal {self.signal}: epoch {self.kept} is kept", flush=True)
            raise SystemExit(128 + self.signal)

    def _catch(self, number: int, _) -> None:
        if not self.signal:
            self.signal, self.caught = number, time.monotonic()
        elif time.monotonic() - self.caught > ECHO:  # a second one: at once
            raise SystemExit(128 + number)

    def __enter__(self) -> Checkpoints:
        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT) if main else ()
        self.handlers = {number: signal.signal(number, self._catch) for number in numbers}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.thread.shutdown()

    def remove(self) -> None:
        """Delete what was kept."""
        remove_checkpoints(self.file.parent)

    def outlive(self) -> bool:
        """Keep the end of a training if its outputs may be deleted; return whether that is so.

        Started again, Snakemake deletes the outputs of jobs that it did not see end; on a cluster,
        those of a whole submission when one of its jobs fails.
        """
        keep = orphaned() or "SLURM_JOB_ID" in os.environ
        if keep and self.able and self.kept < len(self.rows):
            self._write(self.state(), self.rows, 0.0)
        return keep
