"""Features of frozen networks: computed once an image, and resumed after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sigmoid_bce.data.resize import resize
from sigmoid_bce.jobs.files import mapped, remove_parts, replacing, write_json

BATCH = 16
CHUNK = 16 * BATCH
"""Images in a call of the network, and images between two notes of progress."""


def _batches(images: NDArray[np.uint8], size: int, first: int) -> Iterator[NDArray[np.uint8]]:
    """Yield resized batches. A thread resizes the next two meanwhile."""
    starts = range(first, len(images), BATCH)
    with ThreadPoolExecutor(1) as thread:
        made = [thread.submit(resize, images[i : i + BATCH], size) for i in starts[:2]]
        for i in starts:
            if i + 2 * BATCH < len(images):
                made.append(thread.submit(resize, images[i + 2 * BATCH : i + 3 * BATCH], size))
            yield made.pop(0).result()


def extract(
    images: NDArray[np.uint8],
    backbone: keras.Model,
    output: str | Path,
    identity: dict[str, Any],
) -> None:
    """Run every image through a frozen network, and write its features.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)
    backbone : keras.Model
        As `sigmoid_bce.models.backbones.build` returns it.
    output : str or Path
        The .npy file to write, float32 of shape (n, features). Until it is complete, it is named
        ``.<name>.part``. A later call with the same identity resumes after its last complete chunk.
    identity : dict
        Everything that the features depend on, in values that JSON knows.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    part, progress = (output.with_name(f".{output.name}.{end}") for end in ("part", "progress"))
    size, shape = backbone.input_shape[1], (len(images), backbone.output_shape[1])
    remove_parts(part)
    identity = {**identity, "shape": list(shape), "chunk": CHUNK, "batch": BATCH}
    done = 0
    if part.exists() and progress.exists():
        try:
            note = json.loads(progress.read_text())
            done = note["done"] if note["identity"] == identity else 0
            out = np.lib.format.open_memmap(part, "r+")
        except (ValueError, KeyError) as error:
            print(f"{part} is not resumed: {error}", flush=True)
            done = 0
    if done:
        print(f"resuming after {done} of {len(images)} images, from {part}", flush=True)
    else:
        progress.unlink(missing_ok=True)
        with replacing(part) as begun:
            out = mapped(begun, np.float32, shape)

    @tf.function(
        input_signature=[tf.TensorSpec((None, *backbone.input_shape[1:]), tf.uint8)],
        jit_compile=False,
    )
    def call(batch):
        return backbone(batch, training=False)

    row, start, first = done, time.perf_counter(), done
    for batch in _batches(images, size, done):
        out[row : row + len(batch)] = call(batch).numpy()
        row += len(batch)
        if row % CHUNK == 0 or row == len(images):
            out.flush()  # the features must be on the disk before the note counts them
            write_json({"identity": identity, "done": row}, progress)
            speed = (row - first) / (time.perf_counter() - start)
            print(f"{row} of {len(images)} images, {speed:.1f} a second", flush=True)
    del out
    part.replace(output)
    progress.unlink()
