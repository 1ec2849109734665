"""Archives that are an attack are refused, and the member is named; others are read in place."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoid_bce.data import archives
from sigmoid_bce.data.items import items
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.study.datasets import HttpDataset
from support import pets


def zipped(path, *members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as out:
        for member, data in members:
            out.writestr(member, data)
    return path


def zip_entry(name, mode=0):
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    info.external_attr = mode << 16
    return info


def tarred(path, *members, mode="w"):
    with tarfile.open(path, mode) as out:
        for info, data in members:
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def tar_entry(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


ESCAPES = ["/etc/cron.d/evil", "../evil.jpg", "cat/../../evil.jpg", "cat\\..\\..\\evil.jpg"]
ESCAPES += ["C:\\evil.jpg", "\\\\host\\evil.jpg", "c:evil.jpg"]


@pytest.mark.parametrize("name", ESCAPES)
def test_paths_that_escape(name, tmp_path):
    good = ("cat/0.jpg", b"x")
    archive = zipped(tmp_path / "a.zip", good, (zip_entry(name), b"evil"))
    with pytest.raises(archives.ArchiveError, match="its member") as caught:
        archives.names(archive)
    assert repr(name) in str(caught.value)
    archive = tarred(tmp_path / "a.tar", (tar_entry("cat/0.jpg"), b"x"), (tar_entry(name), b"evil"))
    with pytest.raises(archives.ArchiveError, match="its member") as caught:
        archives.names(archive)
    assert repr(name) in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} == {"a.zip", "a.tar"}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "is a link, to '/etc'"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is not a regular file"),
        (tarfile.BLKTYPE, "is not a regular file"),
        (tarfile.FIFOTYPE, "is not a regular file"),
    ],
)
def test_links_and_devices_in_tar(kind, what, tmp_path):
    archive = tarred(tmp_path / "a.tar", (tar_entry("cat/1.jpg", kind, "/etc"), b""))
    with pytest.raises(archives.ArchiveError, match=f"'cat/1.jpg' {what}"):
        archives.names(archive)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o666, stat.S_IFCHR])
def test_links_and_devices_in_zip(mode, tmp_path):
    archive = zipped(tmp_path / "a.zip", (zip_entry("cat/1.jpg", mode), b"/etc/passwd"))
    with pytest.raises(archives.ArchiveError, match=r"'cat/1\.jpg' is (a link|not a regular file)"):
        archives.names(archive)


def test_encrypted(tmp_path):
    path = zipped(tmp_path / "a.zip", ("cat/1.jpg", b"x" * 100))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(archives.ArchiveError, match=r"'cat/1\.jpg' is encrypted"):
        archives.names(path)


def test_a_bomb_of_one_member(tmp_path):
    archive = zipped(tmp_path / "a.zip", ("cat/1.jpg", bytes(50_000_000)))
    with pytest.raises(archives.ArchiveError, match=r"'cat/1\.jpg' unpacks from .*bomb"):
        archives.names(archive)


def test_a_bomb_of_many_members(tmp_path):
    members = ((f"cat/{i}.jpg", bytes(15_000_000)) for i in range(12))
    with pytest.raises(archives.ArchiveError, match=r"'cat/\d+\.jpg' brings the archive.*bomb"):
        archives.names(zipped(tmp_path / "a.zip", *members))


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_a_bomb_in_tar(kind, tmp_path):
    members = ((tar_entry(f"cat/{i}.jpg"), bytes(15_000_000)) for i in range(12))
    archive = tarred(tmp_path / f"a.tar.{kind}", *members, mode=f"w:{kind}")
    with pytest.raises(archives.ArchiveError, match="bomb"):
        archives.names(archive)


def test_a_header_that_claims_gigabytes(tmp_path):
    info = tar_entry("x", tarfile.XHDTYPE)
    info.size = 2**32
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) * 3))
    with pytest.raises(archives.ArchiveError, match="claims"):
        archives.names(tmp_path / "a.tar.gz")


def test_a_member_that_claims_gigabytes(tmp_path):
    info = tar_entry("cat/0.jpg")
    info.size = 2**33
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(10240))
    with pytest.raises(archives.ArchiveError, match=r"cat/0\.jpg"):
        archives.names(tmp_path / "a.tar")


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MEMBERS", 20)
    archive = zipped(tmp_path / "a.zip", *((f"cat/{i}.jpg", b"") for i in range(21)))
    with pytest.raises(archives.ArchiveError, match=r"'cat/20\.jpg' is one of more than 20"):
        archives.names(archive)


def test_what_escapes_inside_a_nested_archive(tmp_path):
    inner = zipped(tmp_path / "train.zip", (zip_entry("../../evil.jpg"), b"evil"))
    archive = zipped(tmp_path / "a.zip", ("train.zip", inner.read_bytes()))
    with pytest.raises(archives.ArchiveError, match=r"'train\.zip/\.\./\.\./evil\.jpg' leads out"):
        archives.names(archive)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 and no more", b"\x1f\x8b\x08cut"])
def test_no_archive(data, tmp_path):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(
        archives.ArchiveError, match=r"a\.zip: (a damaged|neither a zip archive nor)"
    ):
        archives.names(tmp_path / "a.zip")


def test_a_cut_tar(tmp_path):
    path = pets.kaggle(tmp_path / "a.tar.gz", 4)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(archives.ArchiveError, match=r"a\.tar\.gz: "):
        archives.names(path)


def spec(**more):
    return HttpDataset(
        source="http",
        archive={"file": "a"},
        image_size=16,
        **({"classes": ("cat", "dog")} | more),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: pets.kaggle(folder / "a.zip", 12),
        lambda folder: pets.kaggle(folder / "a.zip", 12, nested=True),
        lambda folder: pets.kaggle(folder / "a.tar", 12),
        lambda folder: pets.kaggle(folder / "a.tar.gz", 12),
        lambda folder: pets.kaggle(folder / "a.tar.xz", 12),
        lambda folder: pets.kaggle(folder / "a.tar.bz2", 12),
    ],
    ids=["zip", "nested", "tar", "gz", "xz", "bz2"],
)
def test_every_packing_gives_the_same_images(make, tmp_path):
    archive = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    got = {item.file.removeprefix("train.zip/"): (item.label, item.read()) for item in
           items(spec(), archive)}  # fmt: skip
    expected = {name: (int("dog" in name), data) for name, data in pets._kaggle_files(12)}
    assert got == expected
    assert sorted(tmp_path.iterdir()) == before  # nothing is unpacked


def test_a_tar_archive_of_the_current_folder(tmp_path):
    """``tar cf a.tar .`` begins every name with a dot."""
    members = ((tar_entry(f"./{kind}/{i}.jpg"), b"x") for kind in ("cat", "dog") for i in range(2))
    got = [
        (item.label, item.read()) for item in items(spec(), tarred(tmp_path / "a.tar", *members))
    ]
    assert got == [(0, b"x"), (0, b"x"), (1, b"x"), (1, b"x")]


def test_public_layout(tmp_path):
    got = list(items(spec(), pets.petimages(tmp_path / "a.zip", 12)))
    assert {item.file for item in got} == pets.JUNK | {
        f"PetImages/{kind}/{i}.jpg" for kind in ("Cat", "Dog") for i in range(12)
    }
    assert all(item.label == ("/Dog/" in item.file) for item in got)


def test_classes_that_are_not_there(tmp_path):
    archive = pets.petimages(tmp_path / "a.zip", 3)
    with pytest.raises(ValueError, match=r"a\.zip: no file is of the class 'dogs'.*did you mean"):
        list(items(spec(classes=("cat", "dogs")), archive))


def test_a_damaged_member_alone_is_quarantined(tmp_path):
    path = pets.kaggle(tmp_path / "a.zip", 4)
    data = bytearray(path.read_bytes())
    data[2000] ^= 0xFF
    path.write_bytes(data)
    bad = []
    for item in items(spec(), path):
        try:
            item.read()
        except zipfile.BadZipFile:
            bad.append(item.file)
    assert len(bad) == 1


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_damaged_header_in_the_middle_is_not_the_end(kind, tmp_path):
    path = pets.kaggle(tmp_path / f"a.{kind}", 4)
    data = bytearray(gzip.decompress(path.read_bytes()) if kind == "tar.gz" else path.read_bytes())
    data[data.index(b"train/cat.2.jpg") + 3] ^= 1
    path.write_bytes(gzip.compress(data) if kind == "tar.gz" else data)
    with pytest.raises(archives.ArchiveError, match=r"a\.tar.*bad checksum at byte [\d,]+$"):
        archives.names(path)


def test_a_tar_archive_without_its_end(tmp_path):
    """Some programs write none."""
    path = pets.kaggle(tmp_path / "a.tar", 4)
    expected = archives.names(path)
    path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(511))
    size = path.stat().st_size // 512 * 512
    os.truncate(path, size)
    assert archives.names(path) == expected


@pytest.mark.parametrize(("name", "number"), [("cat/b.zip", 3), ("b.zip", 2)])
def test_a_damaged_archive_in_an_archive_is_not_left_out_in_silence(name, number, tmp_path, capsys):
    inner = zipped(tmp_path / "b.zip", ("cat/0.jpg", b"x"), ("dog/0.jpg", b"y")).read_bytes()
    members = [("cat/1.jpg", b"x"), ("dog/1.jpg", b"y"), (name, inner[:-30])]
    found = [item.file for item in items(spec(), zipped(tmp_path / "a.zip", *members))]
    assert len(found) == number
    assert (name in found) == (number == 3)  # it is read, and quarantined as no image
    assert ("no class 1" in capsys.readouterr().out) == (number == 2)


def test_what_is_found_no_more_is_an_error(tmp_path, monkeypatch):
    archive = pets.kaggle(tmp_path / "a.zip", 2)
    monkeypatch.setattr(archives, "contents", lambda *_: iter([("train/cat.0.jpg", b"x")]))
    with pytest.raises(archives.ArchiveError, match=r"'train/cat\.1\.jpg' was in it"):
        list(items(spec(), archive))


@cache
def whole(kind):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{kind}")
        return pets.kaggle(path, 2, nested=kind == "nested.zip").read_bytes()


KINDS = ["zip", "nested.zip", "tar", "tar.gz", "tar.xz", "tar.bz2"]
EXAMPLES = int(os.environ.get("SIGMOID_BCE_EXAMPLES", "40"))


@st.composite
def damaged(draw):
    """Return an archive with changes: mostly in its headers, and most of them small."""
    data = bytearray(whole(draw(st.sampled_from(KINDS))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(
            st.one_of(st.integers(0, 600), st.integers(-400, -1), st.integers(0, len(data)))
        )
        start = place % max(1, len(data))
        new = draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"\xff" * 8, bytes(8), b"PK"]))
        )
        data[start : start + draw(st.sampled_from([len(new), 0, 1, 5000]))] = new
    return bytes(data)


@settings(max_examples=EXAMPLES)
@given(damaged())
def test_a_damaged_archive_is_one_line(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        path.write_bytes(data)
        try:
            for item in items(spec(), path):
                with contextlib.suppress(*archives.BROKEN):
                    assert isinstance(item.read(), bytes)
        except (archives.ArchiveError, DataError) as error:
            lines = str(error).splitlines()
            assert len(lines) == 1
            assert lines[0].startswith(str(path))
