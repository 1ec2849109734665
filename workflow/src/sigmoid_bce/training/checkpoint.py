"""Checkpoints: a killed training resumes from its last one and produces byte-identical results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.jobs import checkpoint_files
from sigmoid_bce.jobs.files import remove_parts, replacing
from sigmoid_bce.jobs.forkserver import orphaned
from sigmoid_bce.jobs.notice import Interrupted, Notice
from sigmoid_bce.jobs.records import Identity, Row

SHARE = 0.02
"""Checkpoints may cost this share of a processor's time; short epochs are not all kept."""

State = list[NDArray]


def variables(network: keras.Model, *, traced: bool = False) -> list[tf.Variable]:
    """Return the variables that a compiled network's training steps read and change.

    These are weights, moving means, states of seed generators and the optimiser's variables, but
    not the metrics: each epoch resets them.

    Parameters
    ----------
    network : keras.Model
    traced : bool
        Whether to search the graph for variables that Keras does not list: a plain `tf.Variable`,
        a generator of `tf.random`, Keras's global seed generator.

    Raises
    ------
    ValueError
        If an operation has a state that cannot be read, inside a kernel of TensorFlow or in Python.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
    >>> [tuple(variable.shape) for variable in variables(network)]
    [(2,)]
    """
    listed = list(network.variables)
    if optimizer := getattr(network, "optimizer", None):
        optimizer.build(network.trainable_variables)
        listed += optimizer.variables
    found = [variable.value for variable in listed]  # TensorFlow's variables, inside Keras's
    return found + _unlisted(network, found) if traced else found


def _unlisted(network: keras.Model, found: list[tf.Variable]) -> list[tf.Variable]:
    """Return the variables in the graph of a training step that Keras does not list."""
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
    # graph.variables has no fixed order; captured_inputs has one
    order = {id(handle): i for i, handle in enumerate(step.captured_inputs)}
    more = [v for v in step.graph.variables if id(v) not in known]
    return sorted(more, key=lambda v: order[id(v.handle)])


def _write(path: Path, state: State, about: Mapping[str, Any]) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, np.frombuffer(json.dumps(about).encode(), np.uint8), *state)


class Checkpoints:
    """A training's state at the ends of epochs, in files that are either complete or absent.

    When an epoch ends, the state is copied, and a thread writes the copy during the next epoch.
    Inside its context, a signal of `Notice` ends the process as soon as no finished epoch is lost.

    Parameters
    ----------
    folder : Path
        The cell's folder. No other process may train the cell at the same time.
    identity : Identity
        Everything that the training depends on. A checkpoint is resumed only if its identity is the
        same.
    network : keras.Model
        Compiled, with its initial weights.
    traced : bool
        As for `variables`.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        network: keras.Model,
        *,
        traced: bool = False,
    ):
        self.folder = folder
        self.file, self.early_file = (folder / name for name in checkpoint_files.NAMES)
        self.identity = json.loads(json.dumps(identity))
        self.notice = Notice()
        self.early: State | None = None
        self.rows: list[Row] = []  # the epochs that have ended
        self._early_written = False
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._pending: Future | None = None
        self._began, self._cost = 0.0, 0.0  # start and CPU seconds of the last checkpoint
        self._kept = 0  # epochs in the last complete file
        self._able, self._failed = True, False
        try:
            self.variables = variables(network, traced=traced)
        except ValueError as error:
            print(f"no checkpoints: {error}; if it is killed, the training starts over", flush=True)
            self.variables, self._able = variables(network), False

    def state(self) -> State:
        """Return a copy of every variable."""
        return [variable.numpy() for variable in self.variables]

    def assign(self, state: State) -> None:
        """Set every variable."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def resume(self) -> list[Row]:
        """Restore the last checkpoint and return the epochs before it.

        A checkpoint that cannot be resumed is reported and deleted.
        """
        for path in (self.file, self.early_file):
            remove_parts(path)
        if not self.file.exists() or not self._able:
            return []
        try:
            about, state = self._read(self.file)
            early = self._read(self.early_file)[1] if about["early"] else None
        except Exception as error:  # zip and NumPy raise many kinds for a damaged file
            cause = str(error).strip().splitlines() or [type(error).__name__]
            print(f"{self.file} is not resumed: {cause[0]}", flush=True)
            self.remove()
            return []
        self.assign(state)
        self.early, self._early_written = early, early is not None
        self.rows = [dict(zip(about["names"], row, strict=True)) for row in about["rows"]]
        self._kept = len(self.rows)
        print(f"resuming after epoch {self._kept}, from {self.file}", flush=True)
        return list(self.rows)

    def _read(self, path: Path) -> tuple[dict[str, Any], State]:
        """Return a file's description and its state, if both fit this training."""
        # the checksums of the zip format reveal damage
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            first, *state = (file[name] for name in file.files)
        about = json.loads(first.tobytes())
        theirs, ours = about["identity"], self.identity
        keys = [k for k in sorted(theirs.keys() | ours.keys()) if theirs.get(k) != ours.get(k)]
        if keys:
            raise ValueError(f"it belongs to another training (different: {', '.join(keys)})")
        like = self.state()
        # NumPy's format stores bfloat16 as raw bytes
        state = [
            a.view(b.dtype) if a.dtype.kind == "V" else a for a, b in zip(state, like, strict=False)
        ]
        if [(a.shape, a.dtype) for a in state] != [(b.shape, b.dtype) for b in like]:
            raise ValueError("it belongs to another network")
        return about, state

    def keep_early(self) -> None:
        """Remember the present state as that of the early stage."""
        self.early = self.state()

    def epoch_ended(self, rows: Sequence[Row]) -> None:
        """Write a checkpoint if it is time for one; end the process if a signal asks for it."""
        self.rows = list(rows)
        if self.notice.signal:
            self._finish_writing()
            if self._able and self._kept < len(self.rows):
                self._keep(wait=True)
            self._exit()
        busy = self._pending and not self._pending.done()
        if self._able and not busy and self._cost <= SHARE * (time.monotonic() - self._began):
            self._keep()

    def steps_ended(self) -> None:
        """End the process if a signal asks for it, and no finished epoch is lost by it."""
        if self.notice.signal:
            self._finish_writing()
            if self._failed or not self._able or self._kept == len(self.rows):
                self._exit()

    def _exit(self) -> None:
        print(f"signal {self.notice.signal}: stopped, epoch {self._kept} is kept", flush=True)
        raise Interrupted(self.notice.signal)

    def _finish_writing(self) -> None:
        if self._pending:
            self._pending.result()

    def _keep(self, wait: bool = False) -> None:
        start, self._began = time.thread_time(), time.monotonic()
        state = self.state()
        taken = time.thread_time() - start
        self._pending = self._thread.submit(self._write, state, self.rows, taken)
        if wait:
            self._finish_writing()

    def _write(self, state: State, rows: list[Row], taken: float) -> None:
        """Write a checkpoint. An error is reported once, and the training continues."""
        start = time.thread_time()
        about: dict[str, Any] = {"identity": self.identity}
        try:
            if self.early and not self._early_written:
                _write(self.early_file, self.early, about)
                self._early_written = True
            about |= {"early": self._early_written, "names": list(rows[0])}
            about["rows"] = [list(row.values()) for row in rows]
            _write(self.file, state, about)
            self._kept = len(rows)
        except Exception as error:
            if not self._failed:
                print(f"no checkpoint: {error}; the training continues", flush=True)
            self._failed = True
        else:
            self._failed = False
        self._cost = taken + time.thread_time() - start

    def __enter__(self) -> Checkpoints:
        self.notice.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.notice.__exit__(*error)
        self._thread.shutdown()

    def remove(self) -> None:
        """Delete the files."""
        checkpoint_files.remove(self.folder)

    def outlive(self) -> bool:
        """Keep the last state if the outputs may yet be deleted; return whether they may.

        On its next start, Snakemake deletes the outputs of jobs whose end it did not see. On a
        cluster, it deletes the outputs of a whole submission if one of its jobs fails.
        """
        keep = orphaned() or "SLURM_JOB_ID" in os.environ
        if keep and self._able and self._kept < len(self.rows):
            self._write(self.state(), self.rows, 0.0)
        return keep
