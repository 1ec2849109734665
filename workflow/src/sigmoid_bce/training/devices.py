"""TensorFlow's GPU, threads, seeds and precision."""

from __future__ import annotations

import os
from typing import Any, TypedDict

import keras
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from sigmoid_bce.jobs import gpus
from sigmoid_bce.jobs.hardware import described
from sigmoid_bce.jobs.machine import Machine
from sigmoid_bce.numerics import surroundings


def set_up(
    threads: int, seed: int = 0, precision: str = "float32", *, deterministic: bool = True
) -> None:
    """Take a GPU if there is one, limit TensorFlow's threads, set all seeds and Keras's settings.

    It must be called before TensorFlow looks for devices.

    Parameters
    ----------
    threads : int
        Threads inside an operation. Operations run one after the other.
    seed : int
        Seed of initial weights and dropout masks.
    precision : str
        Keras's dtype policy for the networks that are built afterwards.
    deterministic : bool
        Whether operations must repeat their results bit by bit. XLA's max pooling cannot.
    """
    surroundings.keras_on("tensorflow")  # a fork has the environment of its job again
    given = "CUDA_VISIBLE_DEVICES" in os.environ
    gpu = gpus.take()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = tf.config.list_physical_devices("GPU")
    for device in found:
        tf.config.experimental.set_memory_growth(device, True)
    if found:
        print(f"on GPU {gpu}", flush=True)
    elif not gpu:
        print("no GPU here: on the CPU", flush=True)
    else:
        print(
            f"TensorFlow cannot use GPU {gpu}: on the CPU; its CUDA libraries come with "
            "pip install 'tensorflow[and-cuda]'",
            flush=True,
        )
        if not given:
            gpus.give_back()
    if precision == "mixed_float16" and not found:
        print(
            "mixed_float16 is many times slower on a CPU than float32; mixed_bfloat16 is not",
            flush=True,
        )
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)


class Devices(TypedDict):
    """The devices of a training, as run.json has them."""

    device: str
    cuda_visible_devices: str | None
    threads: int
    deterministic: bool
    keras: dict[str, Any]
    environment: dict[str, str]
    machine: Machine


def used(threads: int) -> Devices:
    """Return the devices and settings that a network was trained with."""
    found = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in found]
    gpu = ", ".join(d.get("device_name", "GPU") for d in details)
    return {
        "device": gpu or "CPU",
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "threads": threads,
        "deterministic": is_op_determinism_enabled(),
        "keras": surroundings.keras_settings(keras),
        "environment": surroundings.environment(),
        "machine": described(gpu or None, tf.sysconfig.get_build_info()),
    }
