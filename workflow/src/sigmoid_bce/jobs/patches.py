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
from sigmoid_bce.jobs.git import ask, ignored, names
from sigmoid_bce.jobs.logs import one_line

LARGEST_NEW = 1_000_000  # bytes of a new file that is taken up: larger ones are data
LARGEST = 5_000_000  # bytes of a patch
PRIVATE = re.compile(r"(^|/)\.|secret|passw|credential|token|\.pem$|\.key$", re.I)
"""Names of new files that may hold a secret."""
LOG = re.compile(r"\.(?:log|out|err|tmp|swp)$|~$")
"""Names of new files that grow while jobs run: each job would have a patch of its own."""
SECRET = re.compile(
    r"(^|/)\.(?:env|netrc|pgpass)|\.(?:pem|key)$|"
    r"(?:secret|passw|credential|token)[^/]*(?<!\.py)(?<!\.smk)(?<!\.md)$",
    re.I,
)
"""Names of changed files that may hold one."""
STATUS = ("--porcelain", "-z", "--ignore-submodules=none")
FOLDER = "patches"
SHORT = 16  # digits of a patch's SHA-256


def _new_files(folder: Path, code: str, temporary: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return new files for a patch, and those left out, with the reason."""
    listed = names(folder, "ls-files", "-z", "--others", "--exclude-standard", **temporary)
    taken, left = [], []
    for name in sorted({*listed, *ignored(folder, code)}):
        size = (folder / name).lstat().st_size if os.path.lexists(folder / name) else 0
        if name.endswith("/"):
            left.append(f"{name} (a repository of its own)")
        elif LOG.search(name):
            left.append(f"{name} (it looks like a log)")
        elif PRIVATE.search(name):
            left.append(f"{name} (it may hold a secret)")
        elif size > LARGEST_NEW:
            left.append(f"{name} ({size:,} bytes)")
        else:
            taken.append(name)
    return taken, left


class _Index:
    """An index of its own, in which a patch is put together; that of the checkout stays as it is.

    Parameters
    ----------
    folder : Path
        The root of the checkout.
    commit : str
    objects : str
        The folder of the checkout's objects.
    place : Path
        A temporary folder.
    """

    def __init__(self, folder: Path, commit: str, objects: str, place: Path):
        (place / "objects").mkdir()
        self.folder, self.commit, self.list = folder, commit, place / "names"
        self.own = {
            "GIT_INDEX_FILE": str(place / "index"),
            "GIT_OBJECT_DIRECTORY": str(place / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((folder / objects).resolve()),
        }
        self.failed = False
        self.ask("read-tree", commit)
        self.ask("add", "--update", ".")

    def ask(self, *arguments: str) -> str:
        """Return git's answer about this index; nothing if there is none."""
        answer = ask(self.folder, *arguments, **self.own)
        self.failed |= answer is None
        return answer or ""

    def ask_of(self, files: list[str], *arguments: str) -> None:
        """Let git do something with some files."""
        if files:
            # by a file: there may be thousands
            self.list.write_bytes(b"\0".join(map(os.fsencode, files)))
            by_file = (f"--pathspec-from-file={self.list}", "--pathspec-file-nul")
            self.ask("--literal-pathspecs", *arguments, *by_file)

    def difference(self, *form: str) -> str:
        """Return the changes; of git's plumbing, which no setting of the user's changes."""
        return self.ask("diff-index", "--cached", "--ignore-submodules=none", *form, self.commit)


def _texts(folder: Path, commit: str, code: str) -> Iterator[str]:
    """Yield the head of a patch, and the patch."""
    objects = ask(folder, "rev-parse", "--git-path", "objects")
    if objects is None:
        return
    with tempfile.TemporaryDirectory() as place:
        index = _Index(folder, commit, objects.strip(), Path(place))
        changed = index.difference("--name-only", "-z").split("\0")
        secret = [name for name in changed if SECRET.search(name)]
        index.ask_of(secret, "reset", "--quiet", commit)
        taken, left = _new_files(folder, code, index.own)
        left += [f"{name} (it may hold a secret)" for name in secret]
        index.ask_of(taken, "add", "--force")
        text = index.difference("--patch", "--binary", "--no-ext-diff", "--no-textconv")
        if index.failed:
            left.append("some or all changes: git failed, or gave no answer in time")
        if len(text) > LARGEST:
            left.append(f"the patch itself, which has {len(text):,} characters")
            text = index.difference("--stat=200")
    yield f"# changes since commit {commit}\n"
    yield from (f"# left out: {one_line(one)}\n" for one in left)
    # such as a change within another repository, or one that is undone but not in the index
    rest = names(folder, "status", *STATUS) if not (text or left) else []
    yield from (f"# no patch, although git status says: {one_line(one)}\n" for one in rest)
    yield text


def keep(folder: Path, commit: str, results: Path, code: str = "workflow") -> str | None:
    """Write the changes of a checkout to patches/ of a study's folder, once for each content.

    The patch holds changed, deleted and new files, below `code` also those that git ignores. Large
    new files, and files whose name looks like that of a secret, are left out: its first lines name
    them. The values of secrets in the environment are masked.

    Parameters
    ----------
    folder : Path
        The root of the checkout.
    commit : str
    results : Path
        The study's folder.
    code : str
        The folder of the code, below `folder`.

    Returns
    -------
    str or None
        The name of the patch, the first digits of its SHA-256; None if there is no change.
    """
    text = without_known("".join(_texts(folder, commit, code)))
    if text.count("\n") < 2:  # the head alone
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
