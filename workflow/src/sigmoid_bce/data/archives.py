"""Zip and tar archives, read in place: nothing of them is ever written to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MEMBERS = 1_000_000
MEMBER_BYTES = 2**28
"""Most members of an archive, and most bytes of one, that are taken for honest."""
RATIO, RATIO_FROM = 100, 2**27
"""An archive may unpack to so many times its own size, or to so many bytes."""
MEMBER_RATIO, MEMBER_RATIO_FROM = 200, 2**24

MAGIC = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
BROKEN = (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


class ArchiveError(ValueError):
    """An archive that is damaged, or that would do harm: which member, and how."""


class _Guard:
    """Count members and bytes, and refuse what no archive of images has."""

    def __init__(self, path: Path):
        self.path, self.members, self.bytes = path, 0, 0
        self.most = max(RATIO * path.stat().st_size, RATIO_FROM)

    def refuse(self, name: str, why: str):
        raise ArchiveError(f"{self.path}: refused: its member {name!r} {why}")

    def check(self, name: str, size: int, packed: int | None = None) -> None:
        self.members += 1
        self.bytes += size
        if "\0" in name or not name:
            self.refuse(name, "has no proper name")
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
            self.refuse(name, "has an absolute path")
        if ".." in re.split(r"[/\\]", name):
            self.refuse(name, "leads out of the folder that the archive is unpacked to")
        if self.members > MEMBERS:
            self.refuse(name, f"is one of more than {MEMBERS:,}: an archive bomb")
        if packed is not None and size > max(MEMBER_RATIO * packed, MEMBER_RATIO_FROM):
            self.refuse(name, f"unpacks from {packed:,} to {size:,} bytes: an archive bomb")
        if self.bytes > self.most:
            self.refuse(
                name,
                f"brings the archive to {self.bytes:,} bytes unpacked, from "
                f"{self.path.stat().st_size:,}: an archive bomb",
            )

    def small(self, name: str, size: int) -> None:
        if size > MEMBER_BYTES:
            self.refuse(name, f"has {size:,} bytes: no image has more than {MEMBER_BYTES:,}")


def _zip_infos(archive: zipfile.ZipFile, guard: _Guard, prefix: str = ""):
    """Return the files of a zip archive in the order in which they lie there, checked."""
    infos = {}
    for info in archive.infolist():
        name = prefix + info.orig_filename
        guard.check(name, info.file_size, info.compress_size)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            guard.refuse(name, "is a link" if kind == stat.S_IFLNK else "is no regular file")
        if info.flag_bits & 1:
            guard.refuse(name, "is encrypted")
        if not info.is_dir():
            infos[info.filename] = info
    return sorted(infos.values(), key=lambda info: info.header_offset)


@contextmanager
def _inner(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[zipfile.ZipFile | None]:
    """Open a zip archive inside another one, or None if it is none."""
    with archive.open(info) as file:
        try:
            inner = zipfile.ZipFile(file)
        except BROKEN:
            yield None
            return
        with inner:
            yield inner


def _zip(path: Path, wanted: Collection[str] | None) -> Iterator[tuple[str, bytes | Exception]]:
    guard = _Guard(path)
    with zipfile.ZipFile(path) as archive:
        for info in _zip_infos(archive, guard):
            if info.filename.casefold().endswith(".zip"):
                # Kaggle packs train.zip into the archive that it hands out
                prefix = f"{info.filename}/"
                if wanted is not None and not any(name.startswith(prefix) for name in wanted):
                    continue
                with _inner(archive, info) as inner:
                    for member in _zip_infos(inner, guard, prefix) if inner else ():
                        guard.small(prefix + member.filename, member.file_size)
                        yield from _zip_member(inner, member, prefix, wanted)
            else:
                guard.small(info.filename, info.file_size)
                yield from _zip_member(archive, info, "", wanted)


def _zip_member(archive, info, prefix, wanted):
    name = prefix + info.filename
    if wanted is None:
        yield name, b""
    elif name in wanted:
        try:
            yield name, archive.read(info)
        except (*BROKEN, NotImplementedError) as error:
            yield name, error


class _Measured:
    """A file that no header can make read more than a member may have."""

    def __init__(self, file: BinaryIO, path: Path):
        self.file, self.path = file, path
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MEMBER_BYTES:
            raise ArchiveError(f"{self.path}: refused: a header of it claims {size:,} bytes")
        return self.file.read(size)


def _tar(path: Path, wanted: Collection[str] | None) -> Iterator[tuple[str, bytes | Exception]]:
    guard = _Guard(path)
    with open(path, "rb") as raw:
        magic = raw.read(6)
    opener = next((MAGIC[start] for start in MAGIC if magic.startswith(start)), open)
    with (
        opener(path, "rb") as file,
        tarfile.open(fileobj=_Measured(file, path), mode="r:") as archive,
    ):
        for info in archive:
            guard.check(info.name, info.size)
            if info.issym() or info.islnk():
                guard.refuse(info.name, f"is a link, to {info.linkname!r}")
            if not (info.isreg() or info.isdir()):
                guard.refuse(info.name, "is no regular file")
            guard.small(info.name, info.size)
            if info.isreg() and (wanted is None or info.name in wanted):
                yield info.name, b"" if wanted is None else archive.extractfile(info).read()
            archive.members = []  # or it would hold every header it has seen


def _read(path: str | Path, wanted: Collection[str] | None):
    path = Path(path)
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    try:
        yield from (_zip if is_zip else _tar)(path, wanted)
    except tarfile.ReadError as error:
        raise ArchiveError(f"{path}: neither a zip nor a whole tar archive: {error}") from None
    except (*BROKEN, OSError) as error:
        raise ArchiveError(f"{path}: a damaged archive: {error}") from None


def names(path: str | Path) -> list[str]:
    """Return the names of all files in an archive, after looking at every member.

    Parameters
    ----------
    path : str or Path
        A zip archive (one that holds further zip archives shows theirs as ``outer.zip/inner``)
        or a tar archive, also compressed by gzip, bzip2 or xz.

    Returns
    -------
    list of str

    Raises
    ------
    ArchiveError
        If a member has an absolute path or one with ``..``, is a link, a device or encrypted, or
        if there are more members, or more bytes, than an honest archive of images has.
    """
    return list(dict.fromkeys(name for name, _ in _read(path, None)))


def contents(path: str | Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes | Exception]]:
    """Yield the wanted members' content in the order in which they lie in the archive.

    Parameters
    ----------
    path : str or Path
    wanted : collection of str
        Names, as `names` returned them.

    Yields
    ------
    (str, bytes or Exception)
        Name, and content, or what is wrong with the member.

    Raises
    ------
    ArchiveError
        As `names`.
    """
    yield from _read(path, wanted)
