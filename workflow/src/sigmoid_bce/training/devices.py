"""Put TensorFlow on as many threads as the rule declared, and make it repeatable."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def set_up(threads: int, seed: int = 0) -> None:
    """Limit TensorFlow's threads and seed everything random.

    Parameters
    ----------
    threads : int
        Threads for the work inside an operation; operations run one after the other.
    seed : int
        Seed of initial weights and dropout masks.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def provenance(threads: int) -> dict[str, Any]:
    """Return where a network was trained, as far as TensorFlow knows.

    Returns
    -------
    dict
        device, threads, deterministic.
    """
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return {
        "device": ", ".join(d.get("device_name", "GPU") for d in details) or "CPU",
        "threads": threads,
        "deterministic": True,
    }
