"""Questions to git about a folder's own repository, whatever the user's environment names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

LIMIT = 10.0  # seconds that one question may take
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
    # no enclosing repository is asked, and jobs that ask at once do not lock the index
    own = {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env=kept | own | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
