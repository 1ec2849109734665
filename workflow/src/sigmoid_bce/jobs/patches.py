"""The changes of a checkout that its commit lacks, as a patch that `git apply` takes."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sigmoid_bce.jobs.credentials import without_known
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.git import ask

LARGEST_NEW = 1_000_000  # bytes of a new file that is taken up: larger ones are data
LARGEST = 5_000_000  # bytes of a patch
PRIVATE = re.compile(r"(^|/)\.|secret|passw|credential|token|\.pem$|\.key$", re.I)
"""Names of new files that may hold a secret."""
FOLDER = "patches"
SHORT = 16  # digits of a patch's SHA-256


def _new_files(folder: Path, temporary: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return new files for a patch, and those left out, with the reason."""
    listed = ask(folder, "ls-files", "-z", "--others", "--exclude-standard", **temporary) or ""
    taken, left = [], []
    for name in filter(None, listed.split("\0")):
        size = (folder / name).lstat().st_size if (folder / name).exists() else 0
        if PRIVATE.search(name):
            left.append(f"{name} (it may hold a secret)")
        elif size > LARGEST_NEW:
            left.append(f"{name} ({size:,} bytes)")
        else:
            taken.append(name)
    return taken, left


def _texts(folder: Path, commit: str) -> Iterator[str]:
    """Yield the head of a patch, and the patch; nothing without changes."""
    objects = ask(folder, "rev-parse", "--git-path", "objects")
    if objects is None:
        return
    with tempfile.TemporaryDirectory() as name:
        # neither the index nor the objects of the checkout are touched
        (Path(name) / "objects").mkdir()
        temporary = {
            "GIT_INDEX_FILE": f"{name}/index",
            "GIT_OBJECT_DIRECTORY": f"{name}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((folder / objects.strip()).resolve()),
        }
        new = Path(name) / "new"
        answers = [ask(folder, "read-tree", commit, **temporary)]
        answers.append(ask(folder, "add", "--update", ".", **temporary))
        taken, left = _new_files(folder, temporary)
        if taken:
            # by a file: there may be thousands
            new.write_bytes(b"\0".join(map(os.fsencode, taken)))
            add = ("--literal-pathspecs", "add", f"--pathspec-from-file={new}")
            answers.append(ask(folder, *add, "--pathspec-file-nul", **temporary))
        difference = ("diff", "--cached", "--no-color", "--no-ext-diff", "--no-textconv")
        text = ask(folder, *difference, "--binary", commit, **temporary)
        if None in (*answers, text):
            left.append("some or all changes: git failed, or gave no answer in time")
        text = text or ""
        if len(text) > LARGEST:
            left.append(f"the patch itself, which has {len(text):,} characters")
            text = ask(folder, *difference, "--stat=200", commit, **temporary) or ""
        if text or left:
            yield f"# changes since commit {commit}\n"
            yield from (f"# left out: {one}\n" for one in left)
            yield text


def keep(folder: Path, commit: str, results: Path) -> str | None:
    """Write the changes of a checkout to patches/ of a study's folder, once for each content.

    The patch holds changed, deleted and new files, but not those that git ignores, large new ones,
    and new ones whose name looks like that of a secret: its first lines name them. The values of
    secrets in the environment are masked.

    Parameters
    ----------
    folder : Path
        The root of the checkout.
    commit : str
    results : Path
        The study's folder.

    Returns
    -------
    str or None
        The name of the patch, the first digits of its SHA-256; None if there is no change.
    """
    text = without_known("".join(_texts(folder, commit)))
    if not text:
        return None
    content = text.encode("utf-8", "surrogateescape")
    name = hashlib.sha256(content).hexdigest()[:SHORT]
    file = place(results, name)
    if not file.exists():
        with replacing(file) as part:
            part.write_bytes(content)
    return name


def place(results: Path, name: str) -> Path:
    """Return the file of a patch.

    Examples
    --------
    >>> str(place(Path("results/s"), "0123"))
    'results/s/patches/0123.patch'
    """
    return results / FOLDER / f"{name}.patch"
