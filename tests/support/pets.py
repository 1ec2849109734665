"""Drawn cats and dogs, in archives with the layouts of the real data sets."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image, ImageDraw


def draw(kind, seed):
    """Return a JPEG of a cat's head (pointed ears, whiskers) or a dog's (hanging ears, tongue)."""
    rng = np.random.default_rng([seed, kind == "dog"])
    width, height = (int(n) for n in rng.integers(90, 200, 2))
    ground, fur, ear = (tuple(map(int, rng.integers(40, 230, 3))) for _ in range(3))
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    r = min(width, height) * rng.uniform(0.22, 0.32)
    x, y = width / 2 + rng.uniform(-0.1, 0.1) * width, height / 2 + rng.uniform(-0.05, 0.1) * height
    pen.ellipse([x - r, y - r, x + r, y + r], fill=fur)
    for side in (-1, 1):
        if kind == "cat":
            points = [(x + side * r, y - r * 0.2), (x + side * r * 0.85, y - r * 1.5)]
            pen.polygon([*points, (x + side * r * 0.1, y - r * 0.9)], fill=ear)
            for dy in (0.1, 0.25, 0.4):
                pen.line([x + side * r * 0.3, y + r * dy, x + side * r * 1.4, y + r * dy], "black")
        else:
            left, right = sorted((x + side * r * 0.7, x + side * r * 1.25))
            pen.ellipse([left, y - r * 0.8, right, y + r * 0.9], fill=ear)
        pen.ellipse([x + side * r * 0.4 - 4, y - r * 0.3, x + side * r * 0.4 + 4, y], fill="black")
    if kind == "dog":
        pen.ellipse([x - r * 0.2, y + r * 0.3, x + r * 0.2, y + r * 1.1], fill=(220, 60, 80))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=85)
    return file.getvalue()


def _public(kind, number):
    """Return a file of the public archive. As in the real one, some are empty or cut off."""
    data = draw(kind, number)
    if (kind, number) in (("cat", 6), ("dog", 11)):
        return b""
    return data[: len(data) // 2] if (kind, number) == ("dog", 3) else data


BROKEN = {"PetImages/Cat/6.jpg", "PetImages/Dog/11.jpg", "PetImages/Dog/3.jpg"}
JUNK = {f"PetImages/{kind}/Thumbs.db" for kind in ("Cat", "Dog")}


def petimages(path, count):
    """Write an archive in the layout of Microsoft's public one."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme[1].txt", "Thank you for downloading")
        for kind in ("Cat", "Dog"):
            archive.mkdir(f"PetImages/{kind}")
            # in a file system's order: 1, 10, 11, 2
            for number in sorted(range(count), key=str):
                archive.writestr(f"PetImages/{kind}/{number}.jpg", _public(kind.lower(), number))
            archive.writestr(f"PetImages/{kind}/Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(2000))
    return path


def _kaggle_files(count):
    for kind in ("cat", "dog"):
        for number in sorted(range(count), key=str):
            yield f"train/{kind}.{number}.jpg", draw(kind, number)


def kaggle(path, count, *, nested=False):
    """Write an archive in Kaggle's layout: zip, tar by suffix, or `nested`, train.zip in a zip."""
    if ".tar" in path.name:
        with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as out:
            for name, data in _kaggle_files(count):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
        return path
    inner = io.BytesIO() if nested else path
    with zipfile.ZipFile(inner, "w") as archive:
        for name, data in _kaggle_files(count):
            archive.writestr(name, data)
    if nested:
        tests = io.BytesIO()
        with zipfile.ZipFile(tests, "w") as archive:
            archive.writestr("test1/1.jpg", draw("cat", 10_000))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as outer:
            outer.writestr("sampleSubmission.csv", "id,label\n1,0\n")
            outer.writestr("test1.zip", tests.getvalue())
            outer.writestr("train.zip", inner.getvalue())
    return path
