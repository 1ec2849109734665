"""Zip and tar archives, read in place: their members are never written to disk."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from sigmoid_bce.data.faults import is_fault, line, stopping
from sigmoid_bce.jobs.logs import UserError

MEMBERS = 1_000_000
"""The most members that an archive may have."""
MEMBER_BYTES = 2**30
"""The most bytes that a member may unpack to: `MAX_PIXELS` in colour are 3/4 of it."""
RATIO, RATIO_FROM = 100, 2**27
"""The most that an archive may unpack to: this many times its size, or this many bytes."""
MEMBER_RATIO, MEMBER_RATIO_FROM = 200, 2**24
"""The most that one member may unpack to: as many times its packed size, or as many bytes."""

OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""Functions that open a compressed file, by its first bytes."""

BROKEN = (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)
"""The errors of a damaged archive."""

Member = tuple[str, bytes | Exception]


class ArchiveError(UserError, ValueError):
    """An archive that is damaged or may be an attack. The message names the member."""


def _at_fault(error: Exception) -> bool:
    """Return whether the machine is at fault, and not the archive."""
    # a damaged archive may name a position before its start
    return is_fault(error) and getattr(error, "errno", None) != errno.EINVAL


@contextmanager
def whole(path: str | Path) -> Iterator[None]:
    """Raise an error of one line if an archive that a block reads is damaged.

    Parameters
    ----------
    path : str or Path
        For the message.

    Raises
    ------
    ArchiveError
        If the archive is damaged. The libraries raise many kinds of errors then.
    FaultError
        If it cannot be read.
    """
    with stopping(path):
        try:
            yield
        except UserError:
            raise
        except tarfile.ReadError as error:
            raise ArchiveError(
                f"{path}: neither a zip archive nor a complete tar archive: {line(error)}"
            ) from None
        except Exception as error:
            if _at_fault(error):
                raise
            raise ArchiveError(f"{path}: a damaged archive: {line(error)}") from None


class _Guard:
    """Count members and bytes, and refuse those that no archive of images has."""

    def __init__(self, path: Path):
        self.path, self.members, self.bytes = path, 0, 0
        self.most = max(RATIO * path.stat().st_size, RATIO_FROM)

    def refuse(self, name: str, why: str) -> NoReturn:
        """Raise an error that names a member."""
        raise ArchiveError(f"{self.path}: refused: its member {name!r} {why}")

    def check(self, name: str, size: int, packed: int | None = None) -> None:
        """Count a member, and refuse a dangerous path or an archive bomb."""
        self.members += 1
        self.bytes += size
        if size < 0:
            self.refuse(name, "has a negative size")
        if "\0" in name or not name:
            self.refuse(name, "has an empty or invalid name")
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
            self.refuse(name, "has an absolute path")
        if ".." in re.split(r"[/\\]", name):
            self.refuse(name, "leads out of the archive's folder")
        if self.members > MEMBERS:
            self.refuse(name, f"is one of more than {MEMBERS:,}: an archive bomb")
        if packed is not None and size > max(MEMBER_RATIO * packed, MEMBER_RATIO_FROM):
            self.refuse(name, f"unpacks from {packed:,} to {size:,} bytes: an archive bomb")
        if self.bytes > self.most:
            packed = self.path.stat().st_size
            self.refuse(
                name,
                f"brings the archive from {packed:,} to {self.bytes:,} bytes: an archive bomb",
            )

    def check_size(self, name: str, size: int) -> None:
        """Refuse a member that is too large for an image."""
        if size > MEMBER_BYTES:
            self.refuse(name, f"has {size:,} bytes: more than the {MEMBER_BYTES:,} bytes allowed")


def _zip_infos(archive: zipfile.ZipFile, guard: _Guard, prefix: str = "") -> list[zipfile.ZipInfo]:
    """Check every member of a zip archive, and return the files in their order on disk."""
    infos = {}
    for info in archive.infolist():
        name = prefix + info.orig_filename
        guard.check(name, info.file_size, info.compress_size)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            guard.refuse(name, "is a link" if kind == stat.S_IFLNK else "is not a regular file")
        if info.flag_bits & 1:
            guard.refuse(name, "is encrypted")
        if not info.is_dir():
            infos[info.filename] = info
    return sorted(infos.values(), key=lambda info: info.header_offset)


@contextmanager
def _inner(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[zipfile.ZipFile | None]:
    """Open a zip archive inside another one; yield None if it is not a zip archive."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(archive.open(info))
            inner = stack.enter_context(zipfile.ZipFile(file))
        except Exception as error:
            if _at_fault(error):
                raise
            inner = None
        yield inner


def _zip(path: Path, wanted: Collection[str] | None) -> Iterator[Member]:
    guard = _Guard(path)
    with zipfile.ZipFile(path) as archive:
        for info in _zip_infos(archive, guard):
            if info.filename.casefold().endswith(".zip") and info.filename not in (wanted or ()):
                # Kaggle's archive contains train.zip
                prefix = f"{info.filename}/"
                if wanted is not None and not any(name.startswith(prefix) for name in wanted):
                    continue
                with _inner(archive, info) as inner:
                    for member in _zip_infos(inner, guard, prefix) if inner else ():
                        guard.check_size(prefix + member.filename, member.file_size)
                        yield from _zip_member(inner, member, prefix, wanted)
                if inner:
                    continue
            guard.check_size(info.filename, info.file_size)
            yield from _zip_member(archive, info, "", wanted)


def _zip_member(
    archive: zipfile.ZipFile | None,
    info: zipfile.ZipInfo,
    prefix: str,
    wanted: Collection[str] | None,
) -> Iterator[Member]:
    """Yield a member if it is wanted, with its content or the error that reading it gave."""
    name = prefix + info.filename
    if wanted is None:
        yield name, b""
    elif name in wanted and archive:
        try:
            data: bytes | Exception = archive.read(info)
        except Exception as error:
            if _at_fault(error):
                raise
            data = zipfile.BadZipFile(line(error))
        yield name, data


class _Limited:
    """A file that refuses to read more at once than a member may have, whatever a header says."""

    def __init__(self, file: BinaryIO, path: Path):
        self.file, self.path = file, path
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MEMBER_BYTES:
            raise ArchiveError(f"{self.path}: refused: one of its headers claims {size:,} bytes")
        return self.file.read(size)


class _Header(tarfile.TarInfo):
    """The header of a member. tarfile takes a damaged one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ in ("InvalidHeaderError", "TruncatedHeaderError"):
                raise tarfile.ReadError(f"{error} at byte {archive.offset:,}") from None
            raise


def _tar(path: Path, wanted: Collection[str] | None) -> Iterator[Member]:
    guard = _Guard(path)
    with open(path, "rb") as raw:
        magic = raw.read(6)
    openers = (opener for start, opener in OPENERS.items() if magic.startswith(start))
    with next(openers, open)(path, "rb") as file:
        limited: Any = _Limited(file, path)
        with tarfile.open(fileobj=limited, mode="r:", tarinfo=_Header) as archive:
            yield from _tar_members(archive, guard, wanted)


def _tar_members(archive: Any, guard: _Guard, wanted: Collection[str] | None) -> Iterator[Member]:
    """Check every member of a tar archive, and yield the wanted files."""
    for info in archive:
        guard.check(info.name, info.size)
        if info.issym() or info.islnk():
            guard.refuse(info.name, f"is a link, to {info.linkname!r}")
        if not (info.isreg() or info.isdir()):
            guard.refuse(info.name, "is not a regular file")
        guard.check_size(info.name, info.size)
        if info.isreg() and (wanted is None or info.name in wanted):
            yield info.name, b"" if wanted is None else archive.extractfile(info).read()
        archive.members = []  # tarfile would otherwise keep every header in memory


def _read(path: str | Path, wanted: Collection[str] | None) -> Iterator[Member]:
    """Yield the wanted members with their content; without `wanted`, every name and no content."""
    path = Path(path)
    with whole(path):
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        yield from (_zip if is_zip else _tar)(path, wanted)


def names(path: str | Path) -> list[str]:
    """Check every member of an archive, and return the names of its files.

    Parameters
    ----------
    path : str or Path
        A zip archive, or a tar archive, which may be compressed by gzip, bzip2 or xz. Files of a
        zip archive inside a zip archive are named ``inner.zip/file``.

    Returns
    -------
    list of str

    Raises
    ------
    ArchiveError
        If a member has an absolute path or one with ``..``, is a link or a device, or is
        encrypted; or if the archive has more members or unpacks to more bytes than the limits
        above.
    """
    return list(dict.fromkeys(name for name, _ in _read(path, None)))


def contents(path: str | Path, wanted: Collection[str]) -> Iterator[Member]:
    """Yield the content of the wanted members, in the order of the archive.

    Parameters
    ----------
    path : str or Path
    wanted : collection of str
        Some of the names that `names` returns.

    Yields
    ------
    (str, bytes or Exception)
        The name, and the content or the error that reading it gave.

    Raises
    ------
    ArchiveError
        As `names`.
    """
    yield from _read(path, wanted)
