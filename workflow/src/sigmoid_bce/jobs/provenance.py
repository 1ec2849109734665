"""Where a job runs, and with which code and packages."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from socket import gethostname
from typing import NamedTuple

from sigmoid_bce.jobs.records import Circumstances
from sigmoid_bce.jobs.releases import releases

PACKAGES = ("tensorflow", "keras", "numpy", "pandas")
"""Packages whose releases an attempt's record names, whether its result depends on them or not."""

ROOT = Path(__file__).resolve().parents[4]
GIT_LIMIT = 10.0  # seconds that one question to git may take
SETTINGS = ("GIT_CONFIG", "GIT_EXEC_PATH")  # variables that say how git works, not on what


class Version(NamedTuple):
    """A commit, and whether files differ from it; None where that is unknown."""

    commit: str | None
    dirty: bool | None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's answer about a folder's own repository; None if there is none in time."""
    # a hook or an editor sets GIT_DIR, GIT_WORK_TREE or GIT_INDEX_FILE for another repository
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(SETTINGS)
    }
    # no enclosing repository is asked, and jobs that ask at once do not lock the index
    own = {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env=kept | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def version(file: Path, folder: Path = ROOT) -> Version:
    """Return the commit that holds a file, and whether its checkout has other changes.

    Parameters
    ----------
    file : Path
        A file below `folder`.
    folder : Path
        The root of the checkout. A repository that encloses it is not asked.

    Returns
    -------
    Version
        None for what git does not say: it is missing, too slow or refuses the folder, or the
        folder is no checkout, or the file is in no commit of it.

    Examples
    --------
    >>> version(Path("/tmp/file"), Path("/tmp"))
    Version(commit=None, dirty=None)
    """
    about = ("--is-inside-work-tree", "--show-prefix", "HEAD", f"HEAD:./{file.relative_to(folder)}")
    match (_git(folder, "rev-parse", *about) or "").splitlines():
        case ["true", "", commit, _]:
            return Version(commit, _dirty(folder))
    return Version(None, None)


def _dirty(folder: Path) -> bool | None:
    """Return whether a checkout has changes, whatever the user's settings hide."""
    changes = _git(folder, "status", "--porcelain", "--untracked-files=normal")
    if changes:
        return True
    flags = _git(folder, "ls-files", "-v")
    if changes is None or flags is None:
        return None
    # git does not look at files that it was told to assume unchanged (h), or to skip (S)
    unseen = any(line[:1].islower() or line[:1] == "S" for line in flags.splitlines())
    return None if unseen else False


def installed(package: Path) -> Version:
    """Return the commit that a package was installed from; None where pip has no record of one.

    Parameters
    ----------
    package : Path
        The folder of the package that is imported.

    Examples
    --------
    >>> installed(Path("/nowhere"))
    Version(commit=None, dirty=None)
    """
    with suppress(PackageNotFoundError, ValueError):
        record = distribution("sigmoid-bce")
        origin = json.loads(record.read_text("direct_url.json") or "{}")
        commit = origin.get("vcs_info", {}).get("commit_id")
        if commit and Path(str(record.locate_file(package.name))).resolve() == package:
            return Version(commit, False)
    return Version(None, None)


def circumstances() -> Circumstances:
    """Return the host, the process, the commit and the packages of this job.

    Examples
    --------
    >>> circumstances()["pid"] == os.getpid()
    True
    """
    lock = ROOT / "envs" / "requirements.lock"
    here = Path(__file__).resolve()
    found = version(here)
    if not found.commit:
        found = installed(here.parents[1])
    return {
        "host": gethostname(),
        "pid": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "git_commit": found.commit,
        "git_dirty": found.dirty,
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "versions": releases(*PACKAGES),
    }
