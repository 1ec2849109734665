"""Images of any format, depth and size are decoded to the right pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile, ImageOps, PngImagePlugin

from sigmoid_bce.data.decode import FORMATS as READ
from sigmoid_bce.data.decode import decode
from sigmoid_bce.data.faults import BrokenImageError

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


def test_a_mode_that_pillow_does_not_convert_to_grey():
    grey = decode(file(RGB.convert("LAB"), "tiff"), 40, 1).squeeze().astype(int)
    wanted = decode(FORMATS["png"], 40, 1).squeeze().astype(int)
    assert np.abs(grey[20, [5, 35]] - wanted[20, [5, 35]]).max() <= 12


@pytest.mark.parametrize("channels", ["L", "RGB"])
@pytest.mark.parametrize("kind", FORMATS)
def test_the_pixels_are_pillow_s(kind, channels):
    with Image.open(io.BytesIO(FORMATS[kind])) as image:
        plain = ImageOps.exif_transpose(image)
        if "transparency" in plain.info or "A" in plain.mode:
            plain = plain.convert("RGBA")
            plain = Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain)
        expected = np.asarray(plain.convert(channels).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(
        decode(FORMATS[kind], 16, len(channels)).squeeze(), expected.squeeze()
    )


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


STRETCHED = {
    "16 bit": (np.uint16, 0, 65536, lambda v: v / 257),
    "32 bit": (np.int32, 0, 99_999, lambda v: v / (v.max() / 255)),
    "negative": (np.int32, -9, 800, lambda v: (v - v.min()) * (255 / (v.max() - v.min()))),
    "float": (np.float32, 0, 1, lambda v: v * 255),
    "wide float": (np.float32, -3, 4000, lambda v: (v - v.min()) * (255 / (v.max() - v.min()))),
}


@pytest.mark.parametrize("kind", STRETCHED)
def test_every_value_of_a_deep_image(kind):
    dtype, low, high, eight_bits = STRETCHED[kind]
    values = np.random.default_rng(1).uniform(low, high, (700, 700)).astype(dtype)
    found = decode(file(Image.fromarray(values), "tiff"), 700, 1)[..., 0]
    np.testing.assert_array_equal(found, np.uint8(np.rint(eight_bits(values.astype(np.float64)))))


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


def test_a_transparent_value_of_16_bits_is_white():
    values = np.full((40, 40), 25700, np.uint16)
    values[:, 20:] = 5000
    pixels = decode(file(Image.fromarray(values), "png", transparency=5000), 40, 1)
    assert (pixels[20, 5].item(), pixels[20, 35].item()) == (100, 255)


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


def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png_of(width, height):
    """Return a PNG whose header claims a size that its data do not have."""
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


def test_a_photograph_of_a_telephone():
    picture = Image.new("L", (12_000, 9_000), 80)
    picture.paste(200, (0, 0, 6_000, 9_000))
    pixels = decode(file(picture, "jpeg"), 16, 1)
    assert abs(int(pixels[8, 2, 0]) - 200) < 3
    assert abs(int(pixels[8, 13, 0]) - 80) < 3


@pytest.mark.parametrize("most", [1199, 599, 1])
def test_max_pixels(most):
    assert decode(FORMATS["png"], 16, 3, max_pixels=1200).shape == (16, 16, 3)
    with pytest.raises(BrokenImageError, match=f"more than {most:,} pixels: an image bomb; max_pi"):
        decode(FORMATS["png"], 16, 3, max_pixels=most)


def with_chunks(*chunks):
    """Return a PNG with further chunks before its pixels."""
    start = FORMATS["png"].index(b"IDAT") - 4
    return FORMATS["png"][:start] + b"".join(chunks) + FORMATS["png"][start:]


LONG = zlib.compress(bytes(2_100_000), 1)
EXTRAS = {
    "text": with_chunks(chunk(b"zTXt", b"prompt\0\0" + LONG)),
    "international text": with_chunks(chunk(b"iTXt", b"a\0\1\0\0\0" + LONG)),
    "many texts": with_chunks(*[chunk(b"zTXt", b"%d\0\0" % i + LONG) for i in range(50)]),
    "plain text": with_chunks(chunk(b"tEXt", b"a\0" + b"x" * 2_100_000)),
    "profile": with_chunks(chunk(b"iCCP", b"icc\0\0" + LONG)),
    "no EXIF": with_chunks(chunk(b"eXIf", b"nonsense")),
    "long EXIF": with_chunks(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0" + bytes(2_000_000))),
    "broken EXIF": file(RGB, "jpeg", quality=95, exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\x7f"),
    "EXIF as text": with_chunks(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n9\nzz")),
}


@pytest.mark.parametrize("kind", EXTRAS)
def test_what_comes_with_an_image_does_not_count(kind):
    pixels = decode(EXTRAS[kind], 40, 3).astype(int)[20, [5, 35]]
    assert np.abs(pixels - decode(FORMATS["png"], 40, 3).astype(int)[20, [5, 35]]).max() <= 6


def test_a_bomb_of_text():
    text = zlib.compress(bytes(2**26 + 1), 1)
    with pytest.raises(BrokenImageError, match="too large"):
        decode(with_chunks(chunk(b"zTXt", b"a\0\0" + text)), 16, 3)


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 30
%%EndComments
(written) (w) file closefile
"""


def test_no_other_program_is_started(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    assert EpsImagePlugin.has_ghostscript()
    (tmp_path / "started").unlink()
    for data in (EPS, b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, len(EPS), 0, 0, 0, 0) + EPS):
        with pytest.raises(BrokenImageError, match="not an image"):
            decode(data, 16, 3)
    assert not (tmp_path / "started").exists()


def test_formats_of_others_are_not_read(monkeypatch):
    def opened(*_):
        raise AssertionError

    monkeypatch.setattr(Image, "ID", [*Image.ID, "MINE"])
    monkeypatch.setitem(Image.OPEN, "MINE", (opened, None))
    with pytest.raises(BrokenImageError, match="not an image"):
        decode(b"of an unknown format", 16, 3)
    assert not {"EPS", "WMF", "IPTC", "HDF5", "GRIB", "BUFR", "MPEG", "PDF", "MINE"} & set(READ)
    assert {"JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "TGA", "PPM"} <= set(READ)


def test_what_other_libraries_set_does_not_count(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 10)
    assert decode(EXTRAS["text"], 16, 3).shape == (16, 16, 3)
    with pytest.raises(BrokenImageError, match="truncated"):
        decode(FORMATS["bmp"][:-600], 16, 3)
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == (True, 10)
