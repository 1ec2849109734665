"""Raw outputs and labels in chunks of at most about `CHUNK` values, from arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.verdicts.containers import Pair, pair
from sigmoid_bce.verdicts.errors import EVERY, LABEL, RAW_OUTPUT, Array, BadOutputs

CHUNK = 1 << 18
Chunk = tuple[Array, Array]
Place = Callable[[str, int, int, int], str]
"""From LABEL or RAW_OUTPUT, row, pixel and label to words that say where that value is."""


@dataclass
class Outputs:
    """Raw outputs and labels, to be read once.

    Attributes
    ----------
    name : str
        Their name in messages and results.
    labels : tuple of str
        Names of the labels; one empty name if there is only one label. Equal names get a number.
    chunks : iterable of (ndarray, ndarray)
        Raw outputs and labels, each of shape (rows, pixels, labels). Labels are a masked array if
        samples are left out.
    place : callable
        The place of a value, for messages.
    shape : tuple of int
        Height and width, if each row is a map; else empty.
    ignore : tuple of float
        Labels that mark a sample to be left out.
    notes : iterable of str
        What the reader should know; complete once all chunks are read.
    splits : bool
        Whether the labels are splits: each row has a label of its own split alone.
    split : str
        The only split, if the file says so.
    others : int
        Samples of splits that were not asked for, of each label.
    dtype : str
        The precision of the raw outputs, if it is a half one.
    """

    name: str
    labels: tuple[str, ...]
    chunks: Iterable[Chunk]
    place: Place
    shape: tuple[int, ...] = ()
    ignore: tuple[float, ...] = ()
    notes: Iterable[str] = ()
    splits: bool = False
    split: str = ""
    others: int = 0
    dtype: str = ""

    def __post_init__(self) -> None:
        self.name = one_line(self.name)
        if len(self.labels) > 1:
            self.labels = _unique(self.labels)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of which no two are equal, and none is that of all labels together.

    Examples
    --------
    >>> _unique(["cat", "all", "cat"])
    ('cat', 'all (2)', 'cat (2)')
    """
    taken = {EVERY: 0}
    for name in names:
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name} ({number})"
        taken[unique] = 0
    return tuple(taken)[1:]


def as_floats(values: Array) -> Array:
    """Return raw outputs as float32 or float64, whichever holds them exactly.

    Long double is rounded to float64. Half formats become float32: NumPy sorts them slowly.

    Examples
    --------
    >>> as_floats(np.float16([1.5])).dtype, as_floats(np.array([1])).dtype
    (dtype('float32'), dtype('float64'))
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype in (np.float32, np.float64):
        return values
    half = values.dtype == np.float16 or values.dtype.kind == "V"  # bfloat16 and its like
    with np.errstate(over="ignore"):  # inf, which is refused with its place
        return values.astype(np.float32 if half else np.float64)


def _hint(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    """Return what to write for shapes that do not fit."""

    def first(shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape (n, height, width, labels) of one that has the labels first."""
        return (shape[0], *shape[2:], shape[1])

    for name, shape, other in ((LABEL, y, x), (RAW_OUTPUT, x, y)):
        if len(shape) == len(other) == 4 and first(shape) == other:
            return f"; {name} has the labels before height and width: numpy.moveaxis({name}, 1, -1)"
        if shape == (1, *other):
            return f"; write {name}[0]"
    if len(x) == 2 and y == x[::-1]:
        return f"; write {LABEL}.T"
    if len(x) in (2, 4) and y in (x[:-1], (*x[:-1], 1)):
        softmax = " (of a softmax with two, the raw output is the second less the first)"
        return (
            f"; each sample has {x[-1]} raw outputs{softmax if x[-1] == 2 else ''}, and one label: "
            f"for class numbers write label[..., None] == numpy.arange({x[-1]})"
        )
    return ""


def common_shape(name: str, x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in which raw outputs and labels are paired.

    An axis of length 1 that only one of them has is dropped, unless it is the first.

    Examples
    --------
    >>> common_shape("x", (8, 1), (8,)), common_shape("x", (8, 1, 5, 5), (8, 5, 5))
    ((8,), (8, 5, 5))
    """
    shape = min(x, y, key=len)
    bare = [(s[0], *(n for n in s[1:] if n != 1)) if s else s for s in (x, y)]
    if x != y and (bare[0] != bare[1] or not shape):
        raise BadOutputs(
            f"{name}: expected raw outputs and labels of the same shape, "
            f"found {x} and {y}{_hint(x, y)}"
        )
    if x != y and len(x) == len(y):
        shape = bare[0]  # (n, 1, height, width) and (n, height, width, 1)
    if not 1 <= len(shape) <= 4:
        raise BadOutputs(
            f"{name}: expected an array of shape (n,), (n, labels), (n, height, width) or "
            f"(n, height, width, labels), found {shape}"
        )
    return shape


def _shaped(x: Array, y: Array, shape: tuple[int, ...]) -> Chunk:
    """Return both arrays as (rows, pixels, labels); labels are masked where either was."""
    pixels = math.prod(shape[1:3]) if len(shape) > 2 else 1
    inner = (len(x), pixels, shape[-1] if len(shape) in (2, 4) else 1)
    if isinstance(x, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(x).reshape(inner) | np.ma.getmaskarray(y).reshape(inner)
        y = np.ma.array(np.ma.getdata(y).reshape(inner), mask=mask)
    return np.ma.getdata(x).reshape(inner), y.reshape(inner)


def _reading_of(shape: tuple[int, ...]) -> list[str]:
    """Return what to say of axes that look as if labels came before height and width."""
    if len(shape) < 4 or shape[1] >= min(shape[2:]):
        return []
    _, height, width, labels = shape
    return [
        f"the shape {shape} is read as {height} x {width} pixels of {labels} labels; if it is (n, "
        "labels, height, width), write numpy.moveaxis(array, 1, -1) of raw outputs and labels"
    ]


def _pieces(x: Array, y: Array) -> Iterator[Chunk]:
    """Yield arrays in chunks, with raw outputs as floats."""
    y = y.astype(np.float32) if y.dtype.kind == "V" else y
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
    raw_output: Any,
    label: Any = None,
    name: str = "",
    names: Iterable[str] = (),
    ignore: Iterable[float] = (),
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
        Names of the labels, if there are several; by default those of a frame's columns, or 0, 1,
        and so on.
    ignore : iterable of float
        Labels that mark a sample to be left out.

    Returns
    -------
    Outputs

    Raises
    ------
    BadOutputs
        If the arrays do not hold numbers, differ in shape or in their names, or have another shape.

    Examples
    --------
    >>> from_arrays([[3.0, -1.0], [0.5, 2.0]], [[1, 0], [1, 1]], names=["cat", "dog"]).labels
    ('cat', 'dog')
    """
    where = name or "raw outputs"
    pairs = raw_output if label is None else [(raw_output, label)]
    if not isinstance(pairs, Iterable):
        raise BadOutputs(f"{where}: expected labels, or pairs (raw outputs, labels), found none")
    notes: dict[str, None] = {}

    def checked() -> Iterator[tuple[Pair, tuple[int, ...]]]:
        for given in pairs:
            if not isinstance(given, tuple | list) or len(given) != 2:
                raise BadOutputs(
                    f"{where}: without labels, expected pairs (raw outputs, labels), "
                    f"found {type(given).__name__}"
                )
            found = pair(where, *given)
            notes.update(dict.fromkeys(found.notes))
            yield found, common_shape(where, found.x.shape, found.y.shape)

    arrays = checked()
    first, whole = next(arrays, (None, ()))
    if first is None:
        raise BadOutputs(f"{where}: expected at least one raw output, found none")
    notes.update(dict.fromkeys(_reading_of(whole)))
    chunk = _shaped(first.x, first.y, whole)
    count, shape = chunk[0].shape[2], whole[1:3] if len(whole) > 2 else ()
    labels = _names(where, tuple(names), first.names, count)

    def chunks() -> Iterator[Chunk]:
        yield from _pieces(*chunk)
        for found, whole_ in arrays:
            if whole_[1:] != whole[1:]:
                rest = ", ".join(map(str, whole[1:]))
                raise BadOutputs(f"{where}: expected chunks of (rows, {rest}), found {whole_}")
            if found.names != first.names:
                listed = ", ".join(found.names) or "none"
                raise BadOutputs(f"{where}: a chunk names its labels otherwise: {listed}")
            yield from _pieces(*_shaped(found.x, found.y, whole_))

    place = _place(where, shape, count > 1)
    half = getattr(first.x.dtype, "name", "") if first.x.dtype.itemsize == 2 else ""
    return Outputs(where, labels, chunks(), place, shape, tuple(ignore), notes, dtype=half)


def _names(
    where: str, given: tuple[str, ...], found: tuple[str, ...], count: int
) -> tuple[str, ...]:
    """Return the names of the labels."""
    if not count:
        raise BadOutputs(f"{where}: expected at least one raw output, found none")
    if any(name in given and given[i : i + 1] != (name,) for i, name in enumerate(found)):
        listed = ", ".join(found)
        raise BadOutputs(f"{where}: expected names of labels in the order of columns: {listed}")
    labels = given or found or (tuple(map(str, range(count))) if count > 1 else ("",))
    if len(labels) != count:
        raise BadOutputs(f"{where}: expected {count} names of labels, found {len(labels)}")
    return labels
