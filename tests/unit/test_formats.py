"""Images of any format, depth and size are decoded to the right pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sigmoid_bce.data.prepare import BrokenImageError, decode

# left half dark, right half light
GREY = np.repeat(np.uint8([[0] * 20 + [200] * 20]), 30, 0)
COLOUR = np.stack([GREY, GREY // 2, 255 - GREY], -1)


def file(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


RGB = Image.fromarray(COLOUR)
FORMATS = {
    "png": file(RGB, "png"),
    "bmp": file(RGB, "bmp"),
    "jpeg": file(RGB, "jpeg", quality=95),
    "gif": file(RGB.quantize(), "gif"),
    "tiff": file(RGB, "tiff"),
    "webp": file(RGB, "webp", lossless=True),
    "ppm": file(RGB, "ppm"),
    "tga": file(RGB, "tga"),
    "jpeg2000": file(RGB, "jpeg2000"),
    "palette": file(RGB.quantize(), "png"),
    "palette, transparent colour": file(RGB.quantize(), "png", transparency=200),
    "opaque alpha": file(RGB.convert("RGBA"), "png"),
    "cmyk jpeg": file(RGB.convert("CMYK"), "jpeg", quality=95),
    "cmyk tiff": file(RGB.convert("CMYK"), "tiff"),
    "ycbcr tiff": file(RGB.convert("YCbCr"), "tiff"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_colour(kind):
    pixels = decode(FORMATS[kind], 40, 3).astype(int)
    assert pixels.shape == (40, 40, 3)
    for column, colour in ((5, COLOUR[0, 0]), (35, COLOUR[0, -1])):
        assert np.abs(pixels[20, column] - colour.astype(int)).max() <= 6


WIDE = GREY.astype(np.uint16) * 257
DEEP = {
    "8 bit": file(Image.fromarray(GREY), "png"),
    "16 bit png": file(Image.fromarray(WIDE), "png"),
    "16 bit tiff": file(Image.fromarray(WIDE), "tiff"),
    "16 bit pgm": file(Image.fromarray(WIDE), "ppm"),
    "32 bit tiff": file(Image.fromarray(WIDE.astype(np.int32)), "tiff"),
    "float tiff, to 1": file(Image.fromarray((GREY / 255).astype(np.float32)), "tiff"),
    "float tiff, to 255": file(Image.fromarray(GREY.astype(np.float32)), "tiff"),
    "grey and alpha": file(Image.fromarray(GREY).convert("LA"), "png"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", DEEP)
def test_depth(kind, channels):
    pixels = decode(DEEP[kind], 40, channels).astype(int)
    assert np.abs(pixels[20, 5] - 0).max() <= 1
    assert np.abs(pixels[20, 35] - 200).max() <= 1


def test_two_colours():
    data = file(Image.fromarray(GREY).convert("1"), "png")
    assert decode(data, 40, 1)[20, 5] == 0
    assert decode(data, 40, 1).max() == 255


def test_transparent_is_white():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))
    pixels = decode(file(image, "png"), 40, 3)
    assert list(pixels[20, 5]) == [255, 0, 0]
    assert list(pixels[20, 35]) == [255, 255, 255]


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_the_first_picture_of_an_animation(kind):
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    options = {"save_all": True, "append_images": [second]}
    if kind == "webp":
        options["lossless"] = True
    assert list(decode(file(first, kind, **options), 40, 3)[20, 20]) == [255, 0, 0]


def test_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the camera's left is the picture's top
    pixels = decode(file(RGB, "jpeg", exif=exif, quality=95), 40, 3).astype(int)
    assert np.abs(pixels[5, 20] - COLOUR[0, 0]).max() <= 6
    assert np.abs(pixels[35, 20] - COLOUR[0, -1]).max() <= 6


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2500, 1700)])
def test_any_size(size):
    assert decode(file(Image.new("RGB", size, "red"), "png"), 16, 3).shape == (16, 16, 3)


def png_of(width, height):
    """Return a PNG whose header claims a size that its data do not have."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_image_bomb(side):
    with pytest.raises(BrokenImageError, match="an image bomb"):
        decode(png_of(side, side), 16, 3)


def test_not_finite():
    data = file(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "tiff")
    with pytest.raises(BrokenImageError, match="not finite"):
        decode(data, 16, 1)
