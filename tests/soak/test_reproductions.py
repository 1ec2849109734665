"""Each report's reproduction in a new environment that holds that framework alone."""

import shutil
import subprocess
import sys

import pytest

from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.upstream import findings
from support import reproductions

NAMES = findings.names()


@pytest.mark.parametrize("name", NAMES)
def test_reproduction_alone(name, tmp_path, record_property):
    """The text, followed to the letter: pip installs what it names, the script prints its table."""
    finding = findings.load(name)
    releases = finding.measured["releases"]
    pins = [f"{package}=={releases[package.split('[')[0]]}" for package in finding.packages]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "alone"], check=True)
    python = tmp_path / "alone/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, "--no-cache-dir", *pins], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    script = tmp_path / "reproduction.py"
    script.write_text(finding.reproduction)
    done = subprocess.run(
        [python, "-W", "ignore", script], capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": "",
             "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    exact = finding.measured["processor"] == processor()
    assert reproductions.near(done.stdout.strip(), finding.measured["output"], exact), done.stdout
    shutil.rmtree(tmp_path / "alone")  # up to 2 GB
    record_property("said", f"{' '.join(pins)} alone prints the table of the text")
