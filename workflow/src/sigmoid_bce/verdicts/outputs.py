"""Raw outputs and labels in chunks of at most about `CHUNK` values, from arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmoid_bce.jobs.logs import UserError

CHUNK = 1 << 18
LABEL, RAW_OUTPUT = "label", "raw_output"
Array = NDArray[Any]
Chunk = tuple[Array, Array]
Place = Callable[[str, int, int, int], str]
"""From LABEL or RAW_OUTPUT, row, pixel and label to words that say where that value is."""


class BadOutputs(UserError, ValueError):
    """An error in raw outputs or labels: one line with the place and the value expected there."""


@dataclass
class Outputs:
    """Raw outputs and labels, to be read once.

    Attributes
    ----------
    name : str
        Their name in messages and results.
    labels : tuple of str
        Names of the labels; one empty name if there is only one label.
    chunks : iterable of (ndarray, ndarray)
        Raw outputs and labels, each of shape (rows, pixels, labels).
    place : callable
        The place of a value, for messages.
    shape : tuple of int
        Height and width, if each row is a map; else empty.
    """

    name: str
    labels: tuple[str, ...]
    chunks: Iterable[Chunk]
    place: Place
    shape: tuple[int, ...] = ()


def as_floats(values: Array) -> Array:
    """Return raw outputs as float32 or float64, whichever holds them exactly.

    Long double is rounded to float64. Half formats become float32: NumPy sorts them slowly.

    Examples
    --------
    >>> as_floats(np.float16([1.5])).dtype, as_floats(np.array([1])).dtype
    (dtype('float32'), dtype('float64'))
    """
    if values.dtype in (np.float32, np.float64):
        return values
    half = values.dtype == np.float16 or values.dtype.name == "bfloat16"
    return values.astype(np.float32 if half else np.float64)


def _numeric(name: str, what: str, values: ArrayLike) -> Array:
    """Return values as an array; raise if they are not numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" and values.dtype.name != "bfloat16":
        raise BadOutputs(f"{name}: {what}: expected numbers, found {values.dtype}")
    return values


def _shaped(name: str, x: Array, y: Array) -> Chunk:
    """Return both arrays as (rows, pixels, labels)."""
    if y.shape != x.shape:
        raise BadOutputs(
            f"{name}: expected raw outputs and labels of the same shape, "
            f"found {x.shape} and {y.shape}"
        )
    if not 1 <= x.ndim <= 4:
        raise BadOutputs(
            f"{name}: expected an array of shape (n,), (n, labels), (n, height, width) or "
            f"(n, height, width, labels), found {x.shape}"
        )
    pixels = x.shape[1] * x.shape[2] if x.ndim > 2 else 1
    labels = x.shape[-1] if x.ndim in (2, 4) else 1
    shape = (len(x), pixels, labels)
    return x.reshape(shape), y.reshape(shape)


def _pieces(x: Array, y: Array) -> Iterator[Chunk]:
    """Yield arrays in chunks, with raw outputs as floats."""
    rows = max(1, CHUNK // max(1, x[:1].size))
    for start in range(0, len(x), rows):
        yield as_floats(x[start : start + rows]), y[start : start + rows]


def _place(name: str, shape: tuple[int, ...], several: bool) -> Place:
    """Return the function that names the place of a value in arrays."""

    def place(what: str, row: int, pixel: int, label: int) -> str:
        inner = [int(i) for i in np.unravel_index(pixel, shape)] if shape else []
        index = [row, *inner, *([label] if several else [])]
        return f"{name}: {what}[{', '.join(map(str, index))}] (row {row + 1})"

    return place


def from_arrays(
    raw_output: Any, label: Any = None, name: str = "", names: Iterable[str] = ()
) -> Outputs:
    """Return raw outputs and labels from arrays in memory.

    Parameters
    ----------
    raw_output : array_like, shape (n,), (n, labels), (n, height, width) or (..., labels)
        Raw outputs. Without `label`, an iterable of chunks: pairs (raw outputs, labels).
    label : array_like, shape of `raw_output`
        Labels in [0, 1].
    name : str
        Their name in messages.
    names : iterable of str
        Names of the labels, if there are several; by default 0, 1, and so on.

    Returns
    -------
    Outputs

    Raises
    ------
    BadOutputs
        If the arrays do not hold numbers, differ in shape, or have another shape.

    Examples
    --------
    >>> from_arrays([[3.0, -1.0], [0.5, 2.0]], [[1, 0], [1, 1]], names=["cat", "dog"]).labels
    ('cat', 'dog')
    """
    where = name or "raw outputs"
    pairs = iter(raw_output if label is None else [(raw_output, label)])
    if not names and hasattr(raw_output, "columns"):
        names = map(str, raw_output.columns)

    def checked() -> Iterator[Chunk]:
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise BadOutputs(
                    f"{where}: without labels, expected pairs (raw outputs, labels), "
                    f"found {type(pair).__name__}"
                )
            yield (_numeric(where, RAW_OUTPUT, pair[0]), _numeric(where, LABEL, pair[1]))

    arrays = checked()
    first = next(arrays, None)
    if first is None:
        raise BadOutputs(f"{where}: expected at least one raw output, found none")
    raw = first[0]
    chunk = _shaped(where, *first)
    count, shape = chunk[0].shape[2], raw.shape[1:3] if raw.ndim > 2 else ()
    labels = tuple(names) or (tuple(map(str, range(count))) if count > 1 else ("",))
    if len(labels) != count:
        raise BadOutputs(f"{where}: expected {count} names of labels, found {len(labels)}")

    def chunks() -> Iterator[Chunk]:
        yield from _pieces(*chunk)
        for x, y in arrays:
            if x.shape[1:] != raw.shape[1:]:
                rest = ", ".join(map(str, raw.shape[1:]))
                raise BadOutputs(f"{where}: expected chunks of (rows, {rest}), found {x.shape}")
            yield from _pieces(*_shaped(where, x, y))

    return Outputs(where, labels, chunks(), _place(where, shape, count > 1), shape)
