"""Digests of code that an earlier start of Snakemake computed: they hold until a file changes.

To compute them takes most of a second, and each job that SLURM starts is a start of Snakemake.
"""

from __future__ import annotations

import atexit
import hashlib
import json
from functools import cache
from pathlib import Path

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.planning import digest as computed

FILE = Path(".snakemake/digests.json")
"""Where they are kept, in the working directory, beside Snakemake's own records."""

PACKAGE = computed.PACKAGE


@cache
def _code() -> str:
    """Return a digest of the content of every file of the package."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            found.update(f"{path.relative_to(PACKAGE)} {path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _key(file: Path) -> str:
    """Return a name of a file: of a script, which is no part of the package, with its content."""
    if file.is_relative_to(PACKAGE):
        return str(file.relative_to(PACKAGE))
    return f"{file.name}:{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


@cache
def _kept() -> dict[str, str]:
    """Return the digests by their files; those of other code are forgotten."""
    try:
        record = json.loads(FILE.read_bytes())
        return dict(record["digests"]) if record["code"] == _code() else {}
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one that we wrote
        return {}


@cache
def _keep_at_the_end() -> None:
    """Have the digests written when this process ends, once."""
    atexit.register(_write, FILE.absolute())


def _write(file: Path) -> None:
    record = {"code": _code(), "digests": _kept()}
    try:
        with replacing(file) as part:
            part.write_text(json.dumps(record, indent=1, sort_keys=True))
    except OSError:  # the next start computes them again
        return


@cache
def digest(*files: Path) -> str:
    """Return the digest of a script and of plug-ins, as `planning.digest.digest` computes it.

    Parameters
    ----------
    *files : Path
        Scripts, and files of the package.

    Examples
    --------
    >>> module = PACKAGE / "data/resize.py"
    >>> digest(module) == computed.digest(module)
    True
    """
    key = " ".join(map(_key, files))
    if key not in _kept():
        _kept()[key] = computed.digest(*files)
        _keep_at_the_end()
    return _kept()[key]
