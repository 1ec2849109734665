"""Questions to git about a folder's own repository, whatever the user's environment names."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

LIMIT = 10.0  # seconds that one question may take
NO_CODE = re.compile(r"(^|/)(\.|__pycache__/)|\.egg-info/|~$")
"""What Python, editors and tools leave between the code."""
SETTINGS = ("GIT_CONFIG", "GIT_EXEC_PATH")  # variables that say how git works, not on what


def ask(folder: Path, *arguments: str, **environment: str) -> str | None:
    """Return git's answer about a folder's own repository; None if there is none in time.

    Parameters
    ----------
    folder : Path
        A repository that encloses it is not asked.
    *arguments : str
        Of `git`.
    **environment : str
        Further variables.

    Examples
    --------
    >>> ask(Path("/"), "no-such-command") is None
    True
    """
    # a hook or an editor sets GIT_DIR, GIT_WORK_TREE or GIT_INDEX_FILE for another repository
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(SETTINGS)
    }
    # a checkout may be another user's: its code is run, so that git may trust it, too
    # no enclosing repository is asked, and jobs that ask at once do not lock the index
    own = {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "safe.directory=*", *arguments],
            cwd=folder,
            env=kept | own | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def names(folder: Path, *arguments: str, **environment: str) -> list[str]:
    """Return the files that git lists with -z; none if it gives no answer."""
    return [name for name in (ask(folder, *arguments, **environment) or "").split("\0") if name]


def ignored(folder: Path, below: str) -> list[str]:
    """Return the files below a folder of a checkout that git ignores, and that may be code.

    Parameters
    ----------
    folder : Path
        The root of the checkout.
    below : str
    """
    listed = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", below)
    return [name for name in names(folder, *listed) if not NO_CODE.search(name)]
