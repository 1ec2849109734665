"""Raw outputs and labels from a file of any supported kind; NumPy's kinds are read here."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from sigmoid_bce.verdicts import splits
from sigmoid_bce.verdicts.containers import is_number
from sigmoid_bce.verdicts.errors import LABEL, RAW_OUTPUT, Array, BadOutputs
from sigmoid_bce.verdicts.outputs import CHUNK, Chunk, Outputs, common_shape, from_arrays
from sigmoid_bce.verdicts.tables import from_csv, from_parquet


class _Member:
    """An array in a .npz file, compressed or not, read piece by piece."""

    def __init__(self, file: IO[bytes], where: str):
        self.file, self.where = file, where
        version = np.lib.format.read_magic(self.file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        self.shape, fortran, self.dtype = read(self.file)
        if not is_number(self.dtype):
            raise BadOutputs(f"{self.where}: expected numbers, found {self.dtype}")
        if fortran and len(self.shape) > 1:
            raise BadOutputs(
                f"{self.where}: expected rows one after the other (C order), found Fortran order; "
                "save numpy.ascontiguousarray of it"
            )

    def rows(self, count: int) -> Array:
        """Return the next `count` rows."""
        shape = (count, *self.shape[1:])
        size = math.prod(shape) * self.dtype.itemsize
        data = self.file.read(size)
        if len(data) != size:
            raise BadOutputs(f"{self.where}: the file ends too early")
        return np.frombuffer(data, self.dtype).reshape(shape)


def _members(
    path: Path, archive: zipfile.ZipFile, opened: ExitStack, names: tuple[str, ...]
) -> list[_Member]:
    """Open arrays of a .npz file by name."""
    found = [name.removesuffix(".npy") for name in archive.namelist()]
    for name in names:
        if name not in found:
            raise BadOutputs(
                f"{path}: the array {name!r} is missing; there are "
                f"{', '.join(map(repr, found)) or 'none'}; "
                "name another with --label or --raw-output (make: LABEL=, RAW_OUTPUT=)"
            )
    return [
        _Member(opened.enter_context(archive.open(f"{name}.npy")), f"{path}: array {name!r}")
        for name in names
    ]


def _from_npz(path: Path, label: str, raw_output: str, ignore: tuple[float, ...]) -> Outputs:
    """Return the raw outputs and labels of a .npz file with two arrays."""

    def pairs() -> Iterator[Chunk]:
        with zipfile.ZipFile(path) as archive, ExitStack() as opened:
            y, x = _members(path, archive, opened, (label, raw_output))
            common_shape(str(path), x.shape, y.shape)
            size = math.prod(x.shape[1:])
            rows = max(1, CHUNK // max(1, size))
            for start in range(0, x.shape[0] if x.shape and size else 0, rows):
                count = min(rows, x.shape[0] - start)
                yield x.rows(count), y.rows(count)

    def checked() -> Iterator[Chunk]:
        try:
            yield from pairs()
        except (BadOutputs, MemoryError):
            raise
        except Exception as error:  # damage shows as errors of every kind
            raise BadOutputs(f"{path}: not a .npz file, or damaged: {_line(error)}") from None

    return from_arrays(checked(), name=str(path), ignore=ignore)


def _from_npy(path: Path, label: str, raw_output: str, ignore: tuple[float, ...]) -> Outputs:
    """Return the raw outputs of a .npy file, and the labels of another one."""
    other = Path(label)
    if other.suffix != ".npy":
        raise BadOutputs(
            f"{path}: a .npy file holds one array: name the labels' file with "
            "--label=labels.npy (make: LABEL=labels.npy), or save both arrays in one .npz file"
        )
    _check_readable(other)
    return from_arrays(_load(path), _load(other), str(path), ignore=ignore)


def _load(path: Path) -> Array:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise BadOutputs(f"{path}: not a .npy file of numbers: {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


READERS = {".csv": from_csv, ".parquet": from_parquet, ".npz": _from_npz, ".npy": _from_npy}


def _check_readable(path: Path) -> None:
    """Raise if there is no file at a path, or an empty one."""
    if path.is_dir():
        raise BadOutputs(f"{path}: expected a file, found a folder")
    if not path.exists():
        raise BadOutputs(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise BadOutputs(f"{path}: the file is empty")


def from_file(
    path: str | Path,
    label: str = LABEL,
    raw_output: str = RAW_OUTPUT,
    ignore: Iterable[float] = (),
    split: str = "",
) -> Outputs:
    r"""Return the raw outputs and labels that a file holds.

    Parameters
    ----------
    path : str or Path
        A .csv or .parquet file with the columns `label` and `raw_output`, or, for several labels,
        pairs of columns ``label_<name>`` and ``raw_output_<name>``; a .npz file with the arrays
        `label` and `raw_output`; or a .npy file of raw outputs.
    label, raw_output : str
        Other names of the columns or arrays. For .npy, `label` is the file of labels.
    ignore : iterable of float
        Labels that mark a sample to be left out; nan also stands for a missing one.
    split : str
        Where the file has a column `split`, the samples to take, such as ``"validation"``; by
        default all, each split apart.

    Returns
    -------
    Outputs

    Raises
    ------
    BadOutputs
        If the file is missing, empty, of another kind or damaged, or lacks a column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("label,raw_output\n1,2.5\n0,-3\n")
    ...     file.flush()
    ...     [(x.ravel().tolist(), y.ravel().tolist()) for x, y in from_file(file.name).chunks]
    [([2.5, -3.0], [1.0, 0.0])]
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise BadOutputs(
            f"{path}: expected a file ending in {', '.join(READERS)}, found {path.suffix or 'none'}"
        )
    _check_readable(path)
    outputs = reader(path, label, raw_output, tuple(ignore))
    return splits.by_split(outputs, *splits.read(path), split)
