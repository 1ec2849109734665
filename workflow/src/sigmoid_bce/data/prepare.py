"""Read every sample once, decode images, quarantine broken files, and split the rest."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmoid_bce.data import copies
from sigmoid_bce.data.archives import BROKEN
from sigmoid_bce.data.decode import decode
from sigmoid_bce.data.faults import MISSING, BrokenImageError, is_fault, stopping
from sigmoid_bce.data.items import Item
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.data.numbers import check_numbers
from sigmoid_bce.data.split import choose
from sigmoid_bce.jobs.files import (
    mapped,
    remove_parts,
    replacing,
    write_csv,
    write_json,
    write_parquet,
)
from sigmoid_bce.jobs.logs import announce
from sigmoid_bce.study.datasets import MAX_PIXELS, Split

COLUMNS = ["file", "label", "split", "sha256", "class_name"]


def _given(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two parts of the split that the data give."""
    check_numbers(table["label"].tolist(), table["split"].tolist())
    train, validation = (np.flatnonzero(table["split"] == p) for p in ("train", "validation"))
    return train, validation


def _sample(item: Item, size: int | None, channels: int, max_pixels: int) -> tuple[str, bytes]:
    """Return the digest of a sample's bytes, and its pixels or features.

    Raises
    ------
    BrokenImageError
        If the file is no image that can be used.
    FaultError
        If the machine is at fault.
    """
    with stopping(item.file):
        try:
            data = item.read()
        except (KeyError, *BROKEN, NotImplementedError) as error:
            raise BrokenImageError(f"broken in its archive: {error}") from None
        except OSError as error:
            if is_fault(error) and error.errno not in MISSING:
                raise
            raise BrokenImageError(error.strerror or str(error)) from None
        values = data
        if size:
            values = decode(data, size, channels, max_pixels=max_pixels).tobytes()
        return hashlib.sha256(data).hexdigest(), values


def _usable(
    items: Iterable[Item], size: int | None, channels: int, max_pixels: int, values: BinaryIO
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Write the pixels or features of every sample to a file.

    Returns
    -------
    good : DataFrame
        The samples in the file, in its order, with `COLUMNS`.
    bad : list of (file, reason)
    """
    good, bad = [], []
    for item in items:
        try:
            digest, sample = _sample(item, size, channels, max_pixels)
        except BrokenImageError as error:
            bad.append((item.file, str(error)))
        else:
            values.write(sample)
            good.append((item.file, item.label, item.split, digest, item.class_name))
            if len(good) % 500 == 0:
                print(f"{len(good)} samples read, {len(bad)} quarantined", flush=True)
    print(f"{len(good)} samples read, {len(bad)} quarantined", flush=True)
    table = pd.DataFrame(good, columns=COLUMNS)
    table["label"] = table["label"].astype("int8")
    return table, bad


def _split(table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Return the samples that a split takes, each with its part."""
    if table["split"].any():
        train, validation = _given(table)
    else:
        labels = table["label"].to_numpy(np.int64)
        train, validation = choose(labels, split, list(table["file"]))
    part = pd.Series(None, index=table.index, dtype="str")
    part.iloc[train] = "train"
    part.iloc[validation] = "validation"
    return table.assign(split=part)[part.notna()]


def _check_copies(table: pd.DataFrame, duplicates: str, name: str) -> None:
    """Say how many samples are in both parts or in both classes, or refuse them."""
    found = copies.described(table)
    if found and duplicates == "refuse":
        raise DataError(f"{found}: set duplicates to drop or to keep, or remove them")
    if found:
        announce(f"warning: {name}: {found}; the key duplicates can drop or refuse them")


def _names(classes: Sequence[str], table: pd.DataFrame) -> list[str]:
    """Return the names of both classes. One that is "" has the name of its only class."""
    names = []
    for label, name in enumerate(classes):
        of_label = table.loc[table["label"] == label, "class_name"].unique()
        found = {value.casefold(): value for value in reversed(of_label)}
        names.append(name or (next(iter(found.values())) if len(found) == 1 else "") or "other")
    return names


def prepare(
    items: Iterable[Item],
    split: Split | None,
    *,
    images: str | Path,
    manifest: str | Path,
    quarantine: str | Path,
    size: int | None = None,
    channels: int = 3,
    summary: str | Path | None = None,
    classes: Sequence[str] = ("", ""),
    duplicates: str = "keep",
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Read, quarantine and split a data set, and write the files that describe it.

    Parameters
    ----------
    items : iterable of Item
        Each has a part of a split that the data give, or none has.
    split : Split or None
        The split if the data give none. None is a split by seed, with a fifth for validation.
    images : str or Path
        The file to write, in .npy format: a uint8 array of shape (n, size, size, channels), or a
        float32 array of shape (n, features).
    manifest : str or Path
        The file to write: Parquet with sample_id (the row in `images`), file, label, split, sha256.
    quarantine : str or Path
        The file to write: CSV with file, reason.
    size : int, optional
        Height and width of the images to write, in pixels. Without it, the samples are not images:
        the bytes of each are its float32 features.
    channels : {1, 3}
    summary : str or Path, optional
        The file to write: JSON with the names of both classes, and numbers of samples.
    classes : sequence of two str
        The names of label 0 and of label 1. "" is the name that the items have.
    duplicates : {"keep", "drop", "refuse"}
        What is done about equal files.
    max_pixels : int
        The most pixels of an image.

    Raises
    ------
    DataError
        As `choose`, or if a part of a given split lacks a class, or equal files are refused.
    FaultError
        If the machine is at fault, and not a file.
    """
    remove_parts(images)
    with replacing(images) as part, tempfile.TemporaryFile(dir=part.parent) as values:
        table, bad = _usable(items, size, channels, max_pixels, values)
        length = values.tell() // max(1, len(table))
        if duplicates == "drop":
            table, dropped = copies.drop(table)
            bad += dropped
        for file, reason in bad[:20]:
            print(f"quarantined: {file}: {reason}", flush=True)
        table = _split(table, split or Split())
        _check_copies(table, duplicates, str(Path(manifest).parent))
        dtype = np.dtype(np.uint8 if size else np.float32)
        shape = (size, size, channels) if size else (length // dtype.itemsize,)
        out = mapped(part, dtype, (len(table), *shape))
        for i, row in enumerate(table.index):
            values.seek(int(row) * length)
            out[i] = np.frombuffer(values.read(length), dtype).reshape(shape)
        out.flush()
    parts = {name: int((table["split"] == name).sum()) for name in ("train", "validation")}
    print(f"{parts['train']} training and {parts['validation']} validation samples", flush=True)
    equal = copies.count(table)
    print(", ".join(f"{name}: {number}" for name, number in equal._asdict().items()), flush=True)
    table.insert(0, "sample_id", np.arange(len(table), dtype=np.int64))
    table = table.reset_index(drop=True)
    write_parquet(table[["sample_id", "file", "label", "split", "sha256"]], manifest)
    write_csv(pd.DataFrame(bad, columns=["file", "reason"]), quarantine)
    if summary:
        numbers = {**parts, "quarantined": len(bad), **equal._asdict()}
        write_json({"classes": _names(classes, table), **numbers}, summary)
