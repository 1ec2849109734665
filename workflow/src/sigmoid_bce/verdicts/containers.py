"""Arrays from what holds raw outputs and labels: frames, tensors, masked arrays, named axes.

`numpy.asarray` drops masks, names and the order of axes. Here, what is masked is left out, and what
is named is paired by its names, or refused.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts.errors import LABEL, RAW_OUTPUT, Array, BadOutputs

NUMBERS = (numbers.Real, Decimal, np.bool_)
BATCHES = "numpy.concatenate makes one array of batches"
BY_POSITION = "give both as arrays (.to_numpy()) to pair them by position"


class Values(NamedTuple):
    """Numbers, a masked array if some are masked, and the names along each axis, where it has some.

    `axes` are the names of the axes themselves, where they have some.
    """

    array: Array
    names: tuple[pd.Index | None, ...]
    axes: tuple[str, ...] = ()


def is_number(dtype: np.dtype[Any]) -> bool:
    """Return whether an array of a dtype holds real numbers.

    Examples
    --------
    >>> is_number(np.dtype(">f4")), is_number(np.dtype("complex64"))
    (True, False)
    """
    # bfloat16 and its like are of kind V, as structures are
    return dtype.kind in "fiub" or (dtype.kind == "V" and dtype.type is not np.void)


def _from_objects(where: str, array: Array) -> Array:
    """Return an array of Python's numbers as one of NumPy's, with nan where a value is missing."""
    if array.ndim == 0:
        raise BadOutputs(f"{where}: expected an array, found {type(array.item()).__name__}")
    flat = array.ravel()
    there = ~pd.isna(flat)
    for value in flat[there]:
        if not isinstance(value, NUMBERS):
            kind = type(value).__name__
            raise BadOutputs(f"{where}: expected numbers, found {str(value)[:60]!r} ({kind})")
    found = np.array(flat[there].tolist())
    if found.dtype.kind not in "fiub":
        found = np.array([float(value) for value in flat[there]])
    if there.all():
        return found.reshape(array.shape)
    filled = np.full(flat.shape, np.nan, found.dtype if found.dtype.kind == "f" else np.float64)
    filled[there] = found
    return filled.reshape(array.shape)


@contextmanager
def _reading(where: str, values: Any) -> Iterator[None]:
    """Turn the errors of whatever library holds the values into one line."""
    try:
        yield
    except (BadOutputs, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        kind = type(values).__name__
        advice = f"; {BATCHES}" if isinstance(values, list | tuple) else ""
        raise BadOutputs(
            f"{where}: expected an array, found a {kind}: {reason[0]}{advice}"
        ) from None


def _numbers(where: str, values: Any) -> Array:
    """Return anything that NumPy reads as an array of numbers."""
    with _reading(where, values):
        array = np.asarray(values)
        if array.dtype == object:
            array = _from_objects(where, array)
    if not is_number(array.dtype):
        hint = "; name one of its fields" if array.dtype.names else ""
        raise BadOutputs(f"{where}: expected numbers, found {array.dtype}{hint}")
    return array


def _masked(where: str, values: Any) -> Values:
    mask = np.ma.getmask(values)
    array = _numbers(where, np.ma.getdata(values))
    return _unnamed(array if mask is np.ma.nomask else np.ma.array(array, mask=mask))


def _unnamed(array: Array) -> Values:
    return Values(array, (None,) * array.ndim)


def _frame(where: str, values: Any) -> Values:
    """Return a frame's values; its columns may differ in their dtypes."""
    kinds = set(values.dtypes)
    if len(kinds) == 1 and isinstance(kinds.pop(), np.dtype):
        array = _numbers(where, values)
    else:
        columns = [_numbers(where, values.iloc[:, j]) for j in range(values.shape[1])]
        array = np.stack(columns, axis=1) if columns else np.empty(values.shape)
    return Values(array, (values.index, values.columns))


def _tensor(where: str, values: Any) -> Values:
    """Return a tensor of PyTorch, or of a library with the same methods."""
    mask = None
    if hasattr(values, "get_mask"):
        mask, values = ~np.asarray(values.get_mask()), values.get_data()
    values = values.detach().cpu()
    if "strided" not in str(getattr(values, "layout", "strided")):
        values = values.to_dense()
    for flag in ("conj", "neg"):  # a view of another tensor, with the operation still to be done
        values = getattr(values, f"resolve_{flag}", lambda same=values: same)()
    # NumPy has no such formats
    if re.search(r"bfloat16|float8", str(values.dtype)):
        values = values.float()
    array = _numbers(where, values)
    return _unnamed(array if mask is None else np.ma.array(array, mask=mask))


def _labelled(where: str, values: Any) -> Values:
    """Return an array of xarray."""
    axes = tuple(map(str, values.dims))
    names = tuple(values.indexes.get(axis) for axis in values.dims)
    # the names that xarray gives by itself say nothing
    axes = () if all(re.fullmatch(r"dim_\d+", axis) for axis in axes) else axes
    return Values(_numbers(where, values), names, axes)


def _list(where: str, values: Any) -> Values:
    parts = [unpack(where, value) for value in values]
    first = parts[0]
    if any(not _same(part.names, first.names) for part in parts):
        raise BadOutputs(f"{where}: expected rows with the same names; {BY_POSITION}")
    try:
        array = np.ma.stack([part.array for part in parts])
    except ValueError:
        raise BadOutputs(f"{where}: expected rows of the same length; {BATCHES}") from None
    plain = array.data if array.mask is np.ma.nomask or not array.mask.any() else array
    return Values(plain, (None, *first.names))


def _same(mine: tuple[pd.Index | None, ...], theirs: tuple[pd.Index | None, ...]) -> bool:
    return len(mine) == len(theirs) and all(
        a is b or (a is not None and b is not None and a.equals(b))
        for a, b in zip(mine, theirs, strict=True)
    )


def _carries(values: Any) -> bool:
    """Return whether a value has more to it than `numpy.asarray` keeps."""
    return isinstance(values, np.ma.MaskedArray) or hasattr(values, "iloc") or _is_tensor(values)


def _is_tensor(values: Any) -> bool:
    return callable(getattr(values, "detach", None))


def unpack(where: str, values: Any) -> Values:
    """Return the numbers that a container holds, with its mask and its names.

    Parameters
    ----------
    where : str
        What the values are, for messages.
    values : array_like
        Also a frame or series, a masked array, a tensor, a sparse matrix, or a list of these.

    Returns
    -------
    Values
        Values that are missing (None, NA) are nan.

    Raises
    ------
    BadOutputs
        If they are not numbers, or carry a mask that says nothing of its meaning.

    Examples
    --------
    >>> unpack("label", np.ma.masked_equal([0, 255, 1], 255)).array.tolist()
    [0, None, 1]
    >>> unpack("label", pd.Series([True, None], dtype="boolean")).array.tolist()
    [1.0, nan]
    """
    if isinstance(values, np.ma.MaskedArray):
        return _masked(where, values)
    if hasattr(values, "iloc"):
        if values.ndim == 2:
            return _frame(where, values)
        return Values(_numbers(where, values), (values.index,))
    if _is_tensor(values):
        with _reading(where, values):
            return _tensor(where, values)
    if hasattr(values, "dims") and hasattr(values, "indexes"):
        return _labelled(where, values)
    if isinstance(values, list | tuple):
        kinds = {type(value): value for value in values}
        if any(map(_carries, kinds.values())):
            return _list(where, values)
    return _array(where, values)


def _array(where: str, values: Any) -> Values:
    """Return whatever else NumPy reads: arrays, frames without an index, sparse matrices."""
    if hasattr(values, "__array__") and hasattr(getattr(values, "mask", None), "shape"):
        kind = type(values).__name__
        raise BadOutputs(f"{where}: a {kind} with a mask: give numpy.ma.array(values, mask=mask)")
    columns = getattr(values, "column_names", getattr(values, "columns", None))
    keep = getattr(values, "_keras_mask", None)  # of a layer that leaves out padding
    with _reading(where, values):
        for dense in ("toarray", "todense"):
            if hasattr(values, dense):
                values = getattr(values, dense)()
        values = np.asanyarray(values)
    if isinstance(values, np.ma.MaskedArray):
        return _masked(where, values)
    array = _numbers(where, values)
    if keep is not None:
        mask = ~np.asarray(keep)
        mask = mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim))
        array = np.ma.array(array, mask=np.broadcast_to(mask, array.shape))
    found = _unnamed(array)
    if array.ndim == 2 and isinstance(columns, list) and all(isinstance(c, str) for c in columns):
        return found._replace(names=(None, pd.Index(columns)))
    return found


def _is_numbering(names: pd.Index) -> bool:
    """Return whether names are those that a library gives by itself: 0, 1, 2 and so on."""
    if isinstance(names, pd.RangeIndex):
        return bool(names.start == 0 and names.step == 1)
    return list(names[:2]) == ["column_0", "column_1"][: len(names)]  # of Polars


def _order(where: str, what: str, x: pd.Index, y: pd.Index) -> tuple[Array | None, str]:
    """Return the order in which labels have the names of raw outputs, and what is to be said.

    The order is None where they are paired by position.
    """
    if len(x) != len(y) or x.equals(y):
        return None, ""
    unique = x.is_unique and y.is_unique
    same = unique and not len(x.difference(y, sort=False))
    numbered = _is_numbering(x) or _is_numbering(y)
    if same and not numbered:
        return y.get_indexer(x), ""
    mine, theirs = (_few(names) for names in (x, y))
    if same or not numbered:
        order = "the same in another order" if same else theirs
        raise BadOutputs(
            f"{where}: the {what} of raw outputs are {mine}, those of labels {order}: "
            f"give both the same {what}, or {BY_POSITION}"
        )
    return None, f"the {what} of raw outputs are {mine}, those of labels {theirs}: paired by order"


def _few(names: pd.Index) -> str:
    shown = ", ".join(str(name)[:30] for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")


def _columns(names: pd.Index) -> pd.Index:
    """Return names of columns without a beginning that tells raw outputs from labels."""
    for start in (f"{RAW_OUTPUT}_", f"{LABEL}_"):
        if all(isinstance(name, str) and name.startswith(start) for name in names):
            return pd.Index([name.removeprefix(start) for name in names])
    return names


def _aligned(name: str, x: Values, y: Values) -> tuple[Array, list[str]]:
    """Return labels in the order of the names of raw outputs, and what is to be said."""
    labels, notes = y.array, []
    for axis, (mine, theirs) in enumerate(zip(x.names, y.names, strict=False)):
        # one column is one label, whatever it is called
        if mine is None or theirs is None or (axis == 1 and len(mine) == 1):
            continue
        if axis == 0:
            order, note = _order(name, "indexes", mine, theirs)
            notes += [note] if note else []
        else:
            order, _ = _order(name, "columns", _columns(mine), _columns(theirs))
        labels = labels if order is None else labels.take(order, axis)
    return labels, notes


class Pair(NamedTuple):
    """Raw outputs and labels in the same order, masked arrays if some are masked.

    `names` are those of the last axis, empty if it has none; `notes` are to be said.
    """

    x: Array
    y: Array
    names: tuple[str, ...]
    notes: list[str]


def pair(name: str, raw_output: Any, label: Any) -> Pair:
    """Return raw outputs and labels as arrays, paired by their names where both have names.

    Parameters
    ----------
    name : str
        Their name in messages.
    raw_output, label : array_like

    Raises
    ------
    BadOutputs
        If one does not hold numbers, or the names do not agree.

    Examples
    --------
    >>> x = pd.DataFrame({"cat": [3.0], "dog": [-2.0]})
    >>> pair("x", x, pd.DataFrame({"dog": [0], "cat": [1]})).y.tolist()
    [[1, 0]]
    """
    x, y = unpack(f"{name}: {RAW_OUTPUT}", raw_output), unpack(f"{name}: {LABEL}", label)
    if set(x.axes) == set(y.axes) and x.axes != y.axes:
        moved = [y.axes.index(axis) for axis in x.axes]
        y = Values(y.array.transpose(moved), tuple(y.names[i] for i in moved), x.axes)
    labels, notes = _aligned(name, x, y)
    columns = [v.names[-1] for v in (x, y) if v.array.ndim > 1]
    named = next((c for c in columns if c is not None and not _is_numbering(c)), ())
    return Pair(x.array, labels, tuple(map(str, named)), notes)
