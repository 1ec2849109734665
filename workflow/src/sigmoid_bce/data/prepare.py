"""Decode every image once, set aside what is broken, and split the rest."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from sklearn.model_selection import train_test_split

from sigmoid_bce.config import Split
from sigmoid_bce.data.sources import Item
from sigmoid_bce.files import replacing, write_csv, write_parquet

MODES = {1: "L", 3: "RGB"}


class BrokenImageError(Exception):
    """Why a file cannot be used."""


def decode(data: bytes, size: int, channels: int) -> NDArray[np.uint8]:
    """Return an image's pixels.

    Parameters
    ----------
    data : bytes
        The file's content, in any format that Pillow reads.
    size : int
        Height and width to resize to, in pixels.
    channels : {1, 3}
        Grey or colour.

    Returns
    -------
    ndarray of uint8, shape (size, size, channels)

    Raises
    ------
    BrokenImageError
        If the file is empty, no image, truncated, or too large to be an honest one.
    """
    if not data:
        raise BrokenImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                pixels = image.convert(MODES[channels])
                if pixels.size != (size, size):
                    pixels = pixels.resize((size, size), Image.Resampling.BILINEAR)
    except UnidentifiedImageError:
        raise BrokenImageError("not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenImageError("more pixels than an honest image has") from None
    except Exception as error:  # Pillow's decoders raise many kinds
        raise BrokenImageError(f"broken image: {error}") from None
    return np.asarray(pixels).reshape(size, size, channels)


def choose(labels: NDArray[np.integer], split: Split) -> tuple[NDArray, NDArray]:
    """Return which samples train and which validate, each with the classes' proportions.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    split : Split

    Returns
    -------
    train, validation : ndarray of int64
        Sorted, disjoint positions in `labels`; a function of the labels and the split's seed.

    Raises
    ------
    ValueError
        If a class has no images, or there are fewer images than the split asks for.

    Examples
    --------
    >>> choose(np.array([0, 1] * 4), Split(train=4, validation=2))[1].size
    2
    """
    counts = np.bincount(labels, minlength=2)
    for label, count in enumerate(counts):
        if count < 2:
            raise ValueError(f"label {label} has {count} usable images: expected at least 2")
    wanted = split.train + split.validation
    if wanted > len(labels):
        raise ValueError(
            f"the split asks for {split.train} training and {split.validation} validation images, "
            f"{wanted} in all; there are {len(labels)} usable ones"
        )
    rows = np.arange(len(labels))
    if wanted < len(rows):
        rows, _ = train_test_split(
            rows, train_size=wanted, stratify=labels, random_state=split.seed
        )
    train, validation = train_test_split(
        rows,
        train_size=split.train,
        test_size=split.validation,
        stratify=labels[rows],
        random_state=split.seed,
    )
    return np.sort(train), np.sort(validation)


def prepare(
    items: Iterable[Item],
    split: Split,
    *,
    size: int,
    channels: int,
    images: str | Path,
    manifest: str | Path,
    quarantine: str | Path,
) -> None:
    """Decode, quarantine and split a data set, and write the three files that describe it.

    Parameters
    ----------
    items : iterable of Item
    split : Split
    size, channels : int
        What every image is brought to.
    images, manifest, quarantine : str or Path
        Files to write: uint8 array of shape (n, size, size, channels) in .npy format; Parquet
        with sample_id (its row in `images`), file, label, split, sha256; CSV with file, reason.

    Raises
    ------
    ValueError
        As `choose`.
    """
    good, bad, pixels = [], [], []
    for item in items:
        try:
            data = item.read()
            pixels.append(decode(data, size, channels))
        except (BrokenImageError, KeyError, OSError) as error:
            bad.append((item.file, str(error)))
            continue
        good.append((item.file, item.label, hashlib.sha256(data).hexdigest()))
        if len(good) % 500 == 0:
            print(f"{len(good)} images decoded, {len(bad)} set aside", flush=True)
    print(f"{len(good)} images decoded, {len(bad)} set aside", flush=True)
    table = pd.DataFrame(good, columns=["file", "label", "sha256"])
    table["label"] = table["label"].astype("int8")
    train, validation = choose(table["label"].to_numpy(np.int64), split)
    table["split"] = pd.Series(None, index=table.index, dtype="str")
    table.loc[train, "split"] = "train"
    table.loc[validation, "split"] = "validation"
    chosen = table["split"].notna()
    table = table[chosen].reset_index(drop=True)
    table.insert(0, "sample_id", np.arange(len(table), dtype=np.int64))
    rows = np.flatnonzero(chosen)
    with replacing(images) as part:
        out = np.lib.format.open_memmap(
            part, "w+", np.uint8, shape=(len(rows), size, size, channels)
        )
        for i, row in enumerate(rows):
            out[i] = pixels[row]
        out.flush()
    write_parquet(table[["sample_id", "file", "label", "split", "sha256"]], manifest)
    write_csv(pd.DataFrame(bad, columns=["file", "reason"]), quarantine)
