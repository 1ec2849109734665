"""Where a job runs, and with which code and packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from socket import gethostname
from typing import NamedTuple

from sigmoid_bce.jobs import patches
from sigmoid_bce.jobs.ends import kernel
from sigmoid_bce.jobs.git import ask, ignored
from sigmoid_bce.jobs.logs import CODE as CODE_OF_JOBS
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.jobs.records import Circumstances
from sigmoid_bce.jobs.releases import releases

PACKAGES = ("tensorflow", "keras", "numpy", "pandas")
"""Packages whose releases an attempt's record names, whether its result depends on them or not."""

ROOT = Path(__file__).resolve().parents[4]
CODE = "workflow"
"""The folder of the code, below the root."""
SHOWN = 5  # files that an error names
ARCHIVED = ".git_archival.txt"
"""A file into which `git archive`, and so a download of the repository, writes its commit."""


class Version(NamedTuple):
    """A commit, and whether files differ from it; None where that is unknown."""

    commit: str | None
    dirty: bool | None


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
        None for what git does not say: it is missing or too slow, or the folder is no checkout, or
        the file is in no commit of it. A file beside the code that git ignores counts as a change.
        An archive that git made names its commit; whether it was changed is unknown.

    Examples
    --------
    >>> version(Path("/tmp/file"), Path("/tmp"))
    Version(commit=None, dirty=None)
    """
    about = ("--is-inside-work-tree", "--show-prefix", "HEAD", f"HEAD:./{file.relative_to(folder)}")
    match (ask(folder, "rev-parse", *about) or "").splitlines():
        case ["true", "", commit, _]:
            code = file.relative_to(folder).parts[0]
            return Version(commit, bool(ignored(folder, code)) or _dirty(folder))
    return Version(_archived(folder), None)


def _archived(folder: Path) -> str | None:
    """Return the commit of which a folder is an archive."""
    file = folder / ARCHIVED
    found = re.search(r"^node: ([0-9a-f]{40,64})$", file.read_text() if file.exists() else "", re.M)
    return found[1] if found and not (folder / ".git").exists() else None


def _changes(folder: Path) -> str | None:
    # settings of the user or of .gitmodules may hide what is changed in a submodule
    seen = ("--untracked-files=normal", "--ignore-submodules=none")
    return ask(folder, "status", "--porcelain", *seen)


def _dirty(folder: Path) -> bool | None:
    """Return whether a checkout has changes, whatever the user's settings hide."""
    changes = _changes(folder)
    if changes:
        return True
    flags = ask(folder, "ls-files", "-v")
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


def refuse_changes(folder: Path = ROOT) -> None:
    """Raise unless the code is that of a commit.

    Parameters
    ----------
    folder : Path
        The root of the checkout.

    Raises
    ------
    UserError
        With the commit and the files that differ from it, or with what is unknown.
    """
    found = code(folder)
    otherwise = "or leave out tracking: {uncommitted: refuse}"
    kept = f"{otherwise}, so that changes are kept as a patch"
    # only a repository of its own tells what was changed
    unknown = f"{otherwise}, and go on without knowing which code ran"
    if found.commit is None:
        raise UserError(
            f"the commit of the code in {folder} is unknown: it is in no repository of its own, or "
            f"git does not answer. Run a clone of the repository, {unknown}"
        )
    if found.dirty is None:
        here = (folder / ".git").exists()
        why = "git was told to overlook files (git ls-files -v)" if here else "it is an archive"
        raise UserError(
            f"whether the code in {folder} differs from commit {found.commit[:12]} is unknown: "
            f"{why}. Run a clone of the repository, {kept if here else unknown}"
        )
    if found.dirty:
        changed = [line[3:] for line in (_changes(folder) or "").splitlines()]
        changed += ignored(folder, CODE)
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise UserError(
            f"the code differs from commit {found.commit[:12]}: "
            f"{', '.join(changed[:SHOWN])}{more}. Commit the changes, or move files that are no "
            f"code out of the checkout, {kept}"
        )


def code(folder: Path = ROOT) -> Version:
    """Return the commit of this package's code: of its checkout, or that it was installed from.

    Parameters
    ----------
    folder : Path
        The root of the checkout.

    Examples
    --------
    >>> code() == code()
    True
    """
    here = Path(__file__).resolve()
    file = folder / here.relative_to(ROOT)
    found = version(file, folder)
    return found if found.commit else installed(here.parents[1])


def _patch(found: Version, results: Path) -> str | None:
    """Keep what differs from a commit; return the patch's name, None if nothing does."""
    changed = found.commit is not None and found.dirty is not False
    return patches.keep(ROOT, str(found.commit), results) if changed else None


def tell_jobs(results: Path) -> None:
    """Tell the jobs of this workflow which code they run: the first line of their logs says so.

    Git is asked once for all of them.

    Parameters
    ----------
    results : Path
        The study's folder, which gets the patch of a changed checkout.

    Examples
    --------
    >>> tell_jobs(Path("/tmp/sigmoid-bce/s"))
    >>> os.environ.pop(CODE_OF_JOBS)[:7] in ("commit ", "unknown")
    True
    """
    found = code()
    text = f"commit {found.commit}" if found.commit else "unknown commit"
    if patch := _patch(found, results):
        text += f" with {patches.FOLDER}/{patch}.patch"
    elif found.commit and found.dirty is None:
        text += ", changes unknown"
    os.environ[CODE_OF_JOBS] = text


def visible_devices() -> str | None:
    """Return the GPUs that this process sees; None before it has taken one, or none."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def circumstances(results: Path) -> Circumstances:
    """Return the host, the process, the commit and the packages of this job.

    Parameters
    ----------
    results : Path
        The study's folder, which gets the patch of a changed checkout.

    Examples
    --------
    >>> circumstances(Path("/tmp/sigmoid-bce/s"))["pid"] == os.getpid()
    True
    """
    lock = ROOT / "envs" / "requirements.lock"
    found = code()
    return {
        "host": gethostname(),
        "pid": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "cuda_visible_devices": visible_devices(),
        "git_commit": found.commit,
        "git_dirty": found.dirty,
        "git_patch": _patch(found, results),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "versions": releases(*PACKAGES),
        **kernel(),
    }
