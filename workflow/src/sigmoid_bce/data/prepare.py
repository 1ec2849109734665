"""Decode every image once, quarantine broken files, and split the rest."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from sklearn.model_selection import train_test_split

from sigmoid_bce.data.archives import BROKEN
from sigmoid_bce.data.items import Item
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.jobs.files import mapped, remove_parts, replacing, write_csv, write_parquet
from sigmoid_bce.study.datasets import Split

MODES = {1: "L", 3: "RGB"}


class BrokenImageError(Exception):
    """An image that cannot be used. The message is the reason."""


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with one channel of more than 8 bits as 8-bit grey.

    16-bit values are divided by 257, and floats in [0, 1] are multiplied by 255. Other values are
    kept if they lie in [0, 255], and are stretched to it otherwise.
    """
    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise BrokenImageError("some values are not finite")
    low, high = values.min(), values.max()
    if image.mode != "F" and low >= 0 and (image.mode.startswith("I;16") or high > 255):
        values = values / (257 if high <= 65535 else high / 255)
    elif image.mode == "F" and 0 <= low <= high <= 1:
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / (high - low))
    return Image.fromarray(np.uint8(np.rint(values)))


def _plain(image: Image.Image) -> Image.Image:
    """Return an image turned upright by its EXIF data, with transparent parts on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def decode(data: bytes, size: int, channels: int) -> NDArray[np.uint8]:
    """Return an image's pixels.

    Parameters
    ----------
    data : bytes
        The file's content, in any format that Pillow reads. Of an animation, the first picture is
        used.
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
        If the file is empty, not an image or truncated, or has more pixels than Pillow allows.
    """
    if not data:
        raise BrokenImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                pixels = _plain(image).convert(MODES[channels])
                if pixels.size != (size, size):
                    pixels = pixels.resize((size, size), Image.Resampling.BILINEAR)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError("not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenImageError("more pixels than Pillow allows: an image bomb") from None
    except Exception as error:  # Pillow's decoders raise many kinds of errors
        raise BrokenImageError(f"broken image: {error}") from None
    return np.asarray(pixels).reshape(size, size, channels)


def _natural(file: str) -> list[int | str]:
    """Return a sort key by which cat.2.jpg comes before cat.10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file)]


def _first(
    labels: NDArray[np.integer], files: Sequence[str], train: int, validation: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first files of each class by number. Each part takes half of them from a class."""
    parts: dict[str, list[int]] = {"train": [], "validation": []}
    for y in (0, 1):
        rows = sorted(np.flatnonzero(labels == y).tolist(), key=lambda row: _natural(files[row]))
        # the odd image of an odd number goes to label 1
        first, second = ((number + y) // 2 for number in (train, validation))
        if first + second > len(rows):
            raise DataError(
                f"split.by: order takes {first} training and {second} validation images of label "
                f"{y}; there are {len(rows)} usable ones"
            )
        parts["train"] += rows[:first]
        parts["validation"] += rows[first : first + second]
    train_rows, validation_rows = (np.array(sorted(rows), np.int64) for rows in parts.values())
    return train_rows, validation_rows


def choose(
    labels: NDArray[np.integer], split: Split, files: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training samples and the validation samples.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    split : Split
    files : sequence of str, length n
        Their names, needed for a split by order.

    Returns
    -------
    train, validation : ndarray of int64
        Sorted, disjoint positions in `labels`. They depend on the arguments alone.

    Raises
    ------
    DataError
        If a class has fewer than two images, or there are fewer images than the split needs.

    Examples
    --------
    >>> choose(np.array([0, 1] * 4), Split(train=4, validation=2))[1].size
    2
    """
    counts = np.bincount(labels, minlength=2)
    for label, count in enumerate(counts):
        if count < 2:
            raise DataError(f"label {label} has {count} usable images: expected at least 2")
    validate = split.validation
    if isinstance(validate, float):
        validate = max(2, round(validate * len(labels)))
    take = split.train or max(2, len(labels) - validate)
    wanted = take + validate
    if wanted > len(labels):
        raise DataError(
            f"the split asks for {take} training and {validate} validation images, "
            f"{wanted} in all; there are {len(labels)} usable ones"
        )
    if split.by == "order":
        return _first(labels, files, take, validate)
    rows = np.arange(len(labels))
    if wanted < len(rows):
        rows, _ = train_test_split(
            rows, train_size=wanted, stratify=labels, random_state=split.seed
        )
    train, validation = train_test_split(
        rows,
        train_size=take,
        test_size=validate,
        stratify=labels[rows],
        random_state=split.seed,
    )
    return np.sort(train), np.sort(validation)


def _given(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two parts of the split that the data give."""
    rows = [np.flatnonzero(table["split"] == part) for part in ("train", "validation")]
    for part, chosen in zip(("train", "validation"), rows, strict=True):
        for y in (0, 1):
            if not (table["label"].to_numpy()[chosen] == y).any():
                raise DataError(f"the given split has no usable {part} image of label {y}")
    return rows[0], rows[1]


def _usable(
    items: Iterable[Item], size: int, channels: int, pixels: BinaryIO
) -> tuple[list[tuple[str, int, str, str]], list[tuple[str, str]]]:
    """Decode every image and write its pixels to a file.

    Returns
    -------
    good : list of (file, label, split, sha256)
        The images in the file, in its order.
    bad : list of (file, reason)
    """
    good, bad = [], []
    for item in items:
        try:
            data = item.read()
            image = decode(data, size, channels)
        except BrokenImageError as error:
            bad.append((item.file, str(error)))
        except OSError as error:
            bad.append((item.file, error.strerror or str(error)))
        except (KeyError, *BROKEN, NotImplementedError) as error:
            bad.append((item.file, f"broken in its archive: {error}"))
        else:
            pixels.write(image.tobytes())
            good.append((item.file, item.label, item.split, hashlib.sha256(data).hexdigest()))
            if len(good) % 500 == 0:
                print(f"{len(good)} images decoded, {len(bad)} quarantined", flush=True)
    print(f"{len(good)} images decoded, {len(bad)} quarantined", flush=True)
    for file, reason in bad[:20]:
        print(f"quarantined: {file}: {reason}", flush=True)
    return good, bad


def prepare(
    items: Iterable[Item],
    split: Split | None,
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
        Each has a part of a split that the data give, or none has.
    split : Split or None
        The split if the data give none. None is a split by seed, with a fifth for validation.
    size : int
        Height and width of the images to write, in pixels.
    channels : {1, 3}
    images : str or Path
        The file to write: a uint8 array of shape (n, size, size, channels), in .npy format.
    manifest : str or Path
        The file to write: Parquet with sample_id (the row in `images`), file, label, split, sha256.
    quarantine : str or Path
        The file to write: CSV with file, reason.

    Raises
    ------
    DataError
        As `choose`, or if a part of a given split lacks a class.
    """
    remove_parts(images)
    with replacing(images) as part, tempfile.TemporaryFile(dir=part.parent) as pixels:
        good, bad = _usable(items, size, channels, pixels)
        table = pd.DataFrame(good, columns=["file", "label", "split", "sha256"])
        table["label"] = table["label"].astype("int8")
        if table["split"].any():
            train, validation = _given(table)
        else:
            labels = table["label"].to_numpy(np.int64)
            train, validation = choose(labels, split or Split(), list(table["file"]))
        table["split"] = pd.Series(None, index=table.index, dtype="str")
        table.loc[train, "split"] = "train"
        table.loc[validation, "split"] = "validation"
        rows = np.flatnonzero(table["split"].notna())
        table = table.iloc[rows].reset_index(drop=True)
        table.insert(0, "sample_id", np.arange(len(table), dtype=np.int64))
        shape = (size, size, channels)
        out = mapped(part, np.uint8, (len(rows), *shape))
        for i, row in enumerate(rows):
            pixels.seek(int(row) * size * size * channels)
            out[i] = np.frombuffer(pixels.read(out[i].nbytes), np.uint8).reshape(shape)
        out.flush()
    print(f"{len(train)} training images, {len(validation)} validation images", flush=True)
    write_parquet(table[["sample_id", "file", "label", "split", "sha256"]], manifest)
    write_csv(pd.DataFrame(bad, columns=["file", "reason"]), quarantine)
