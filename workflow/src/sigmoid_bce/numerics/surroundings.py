"""What a computation takes from its surroundings: nothing of the user's that changes a result.

Keras reads its precision, its epsilon, its image format and its backend from `keras.json` in the
user's home and from the environment, and TensorFlow, JAX and PyTorch read switches there. All of
them are set here, in each process that computes.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

SETTINGS: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
"""Keras's own defaults, which its documents and the measured thresholds assume."""

IGNORED = (
    "DNNL_DEFAULT_FPMATH_MODE",
    "JAX_DEFAULT_DTYPE_BITS",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_DISABLE_JIT",
    "JAX_ENABLE_X64",
    "JAX_NUMPY_DTYPE_PROMOTION",
    "JAX_NUMPY_RANK_PROMOTION",
    "KERAS_BACKEND",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "KERAS_TORCH_DEVICE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_ENABLE_AUTO_MIXED_PRECISION_GRAPH_REWRITE",
    "TF_JIT_COMPILE_REWRITE",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "TORCHDYNAMO_DISABLE",
    "TORCH_COMPILE_DISABLE",
)
"""Environment variables that change which program runs, or its precision: they are removed."""

RECORDED = (
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_CUDNN_USE_AUTOTUNE",
    "XLA_FLAGS",
)
"""Environment variables that a machine may need and that may change the last bits of a result."""


def clear() -> None:
    """Remove the variables of `IGNORED` from this process's environment.

    Examples
    --------
    >>> os.environ["KERAS_MAX_EPOCHS"] = "1"
    >>> clear()
    >>> "KERAS_MAX_EPOCHS" in os.environ
    False
    """
    for name in IGNORED:
        os.environ.pop(name, None)


def keras_on(backend: str, package: str = "keras") -> ModuleType:
    """Return Keras on a backend, with the values of `SETTINGS`; it is imported if it is not yet.

    Parameters
    ----------
    backend : str
        "tensorflow", "jax", "torch" or "numpy".
    package : {"keras", "tf_keras"}

    Raises
    ------
    RuntimeError
        If this process has imported Keras on another backend.

    Examples
    --------
    >>> keras_on("tensorflow").config.epsilon()
    1e-07
    """
    clear()
    os.environ["KERAS_BACKEND"] = backend
    if package == "tf_keras":
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    with _without_keras_json():
        keras = importlib.import_module(package)
    if keras.backend.backend() != backend:
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()} in this process, which started with it; "
            f"{backend} needs a new process"
        )
    _put(keras, SETTINGS)
    return keras


@contextmanager
def _without_keras_json() -> Iterator[None]:
    """Let Keras find no keras.json while it is imported; its downloads keep their folder."""
    given = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        if given is not None:
            os.environ["KERAS_HOME"] = given
    config: Any = sys.modules.get("keras.src.backend.config")
    if config and config.keras_home() == os.devnull:
        home = Path(given or "~/.keras").expanduser()
        config._KERAS_DIR = str(home)
        # Keras puts downloads into /tmp if the folder does not exist
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)


def _put(keras: ModuleType, values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(keras.backend, f"set_{name}")(value)


def keras_settings(keras: ModuleType) -> dict[str, Any]:
    """Return the values of Keras's settings, its backend included.

    Examples
    --------
    >>> keras_settings(keras_on("tensorflow"))["image_data_format"]
    'channels_last'
    """
    values = {name: getattr(keras.backend, name)() for name in SETTINGS}
    return {**values, "backend": keras.backend.backend()}


@contextmanager
def restored(keras: ModuleType, name: str) -> Iterator[None]:
    """Set back what code of the user's changes in Keras's settings, and say so.

    Parameters
    ----------
    keras : module
    name : str
        The user's file, for the message.
    """
    policy = keras.config.dtype_policy()
    before = {name: getattr(keras.backend, name)() for name in SETTINGS}
    yield
    after = {name: getattr(keras.backend, name)() for name in SETTINGS}
    changed = [f"{key} {after[key]}" for key in SETTINGS if after[key] != before[key]]
    if keras.config.dtype_policy() != policy:
        changed.append(f"dtype_policy {keras.config.dtype_policy().name}")
    if changed:
        print(
            f"{name}: it sets Keras's {', '.join(changed)}, which holds for its layers alone and "
            "is set back for training and loss",
            flush=True,
        )
    _put(keras, before)
    keras.config.set_dtype_policy(policy)


def environment() -> dict[str, str]:
    """Return the variables of `RECORDED` that are set.

    Examples
    --------
    >>> set(environment()) <= set(RECORDED)
    True
    """
    return {name: os.environ[name] for name in RECORDED if name in os.environ}
