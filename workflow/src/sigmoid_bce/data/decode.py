"""The pixels of an image file of any format in `FORMATS`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, GifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from sigmoid_bce.data.faults import BrokenImageError, is_fault
from sigmoid_bce.study.datasets import MAX_PIXELS

MODES = {1: "L", 3: "RGB"}

# all at once: a plugin that could not be imported later would make its images unknown
Image.init()

# EPS and WMF start other programs, IPTC opens what it holds as any format, and BUFR, GRIB, HDF5 and
# MPEG cannot be decoded without handlers that somebody registers
_KNOWN = (
    *("BMP", "DIB", "GIF", "JPEG", "PPM", "PNG", "AVIF", "BLP", "CUR", "PCX", "DCX", "DDS", "FITS"),
    *("FLI", "FTEX", "GBR", "JPEG2000", "ICNS", "ICO", "IM", "IMT", "MCIDAS", "TIFF", "MSP", "PCD"),
    *("PIXAR", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "WEBP", "XBM", "XPM", "XVTHUMB"),
)
FORMATS = [name for name in _KNOWN if name in Image.OPEN]
"""The formats that Pillow decodes by itself, in the order in which it tries them."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its orientation in EXIF."""

TEXT = 2**26
"""The most bytes that a text or a colour profile in a PNG may unpack to."""

BETWEEN = {"RGBa": "RGBA", "La": "LA", "LAB": "RGB", "HSV": "RGB"}
"""Modes that Pillow does not convert to grey, and what they become first."""

ROWS = 256  # rows of a deep image that are converted at once


@contextmanager
def _settings(max_pixels: int) -> Iterator[None]:
    """Set what Pillow keeps in its modules: another library in this process may have changed it."""
    values = [
        (Image, "MAX_IMAGE_PIXELS", max_pixels),
        (ImageFile, "LOAD_TRUNCATED_IMAGES", False),
        (GifImagePlugin, "LOADING_STRATEGY", GifImagePlugin.LoadingStrategy.RGB_AFTER_FIRST),
        (PngImagePlugin, "MAX_TEXT_CHUNK", TEXT),
        (PngImagePlugin, "MAX_TEXT_MEMORY", 2 * TEXT),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in values]
    try:
        for module, name, value in values:
            setattr(module, name, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with one channel of more than 8 bits as 8-bit grey.

    16-bit values are divided by 257, and floats in [0, 1] are multiplied by 255. Other values are
    kept if they lie in [0, 255], and are stretched to it otherwise. A transparent value is white.
    """
    values = np.asarray(image)
    transparent = values == image.info.get("transparency")
    low, high = np.float64(values.min()), np.float64(values.max())
    if not np.isfinite([low, high]).all():
        raise BrokenImageError("some values are not finite")
    least, factor, divisor = np.float64(0), np.float64(1), np.float64(1)
    if image.mode != "F" and low >= 0 and (image.mode.startswith("I;16") or high > 255):
        divisor = np.float64(257) if high <= 65535 else high / 255
    elif image.mode == "F" and 0 <= low <= high <= 1:
        factor = np.float64(255)
    elif low < 0 or high > 255:
        least, factor = low, 255 / (high - low)
    out = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):
        rows = values[start : start + ROWS].astype(np.float64)
        out[start : start + ROWS] = np.rint((rows - least) * factor / divisor)
    out[transparent] = 255
    return Image.fromarray(out)


def _orientation(image: Image.Image) -> int | None:
    """Return the orientation in an image's EXIF data; None if these cannot be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except Exception as error:
        if is_fault(error):
            raise
        return None
    return found if isinstance(found, int) else None


def _plain(image: Image.Image) -> Image.Image:
    """Return an image turned upright by its EXIF data, with transparent parts on white."""
    image.load()
    method = UPRIGHT.get(_orientation(image) or 1)
    if method is not None:
        image = image.transpose(method)
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image)
    image = image.convert(BETWEEN.get(image.mode, image.mode))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def decode(
    data: bytes, size: int, channels: int, *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Return an image's pixels.

    Parameters
    ----------
    data : bytes
        The file's content, in one of `FORMATS`. Of an animation, the first picture is used.
    size : int
        Height and width to resize to, in pixels.
    channels : {1, 3}
        Grey or colour.
    max_pixels : int
        The most pixels that an image may have.

    Returns
    -------
    ndarray of uint8, shape (size, size, channels)

    Raises
    ------
    BrokenImageError
        If the file is empty, not an image or truncated, or has more pixels than allowed.
    MemoryError or OSError
        If the machine is at fault, and not the file.
    """
    if not data:
        raise BrokenImageError("empty file")
    try:
        with _settings(max_pixels), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = _plain(image)
            if pixels.mode != MODES[channels]:
                pixels = pixels.convert(MODES[channels])
            if pixels.size != (size, size):
                pixels = pixels.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(pixels).reshape(size, size, channels)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError("not an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenImageError(
            f"more than {max_pixels:,} pixels: an image bomb; max_pixels allows more"
        ) from None
    except Exception as error:  # Pillow's decoders raise many kinds of errors
        if is_fault(error):
            raise
        raise BrokenImageError(f"broken image: {error}") from None
