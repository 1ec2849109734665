"""The core, from a wheel in an empty environment: no TensorFlow, SciPy, Snakemake or MLflow."""

import json
import re
import shutil
import subprocess
import sys
import venv

import pytest

from support.checkout import ROOT

MEGABYTES = 450
ABSENT = ("tensorflow", "keras", "scipy", "snakemake", "mlflow", "torch", "sklearn", "pydantic")
EXAMPLE = "raw_output,label\n20,1\n-18,1\n3,0\n-40,0\n"


def run(*command, folder, code=0):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The `bin` of an environment with the wheel and what it needs, at the lock's releases."""
    folder = tmp_path_factory.mktemp("core")
    source = folder / "source"
    shutil.copytree(ROOT / "workflow/src/sigmoid_bce", source / "workflow/src/sigmoid_bce")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    lock = (ROOT / "envs/requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9_.-]+==[^\s\\]+.*?) \\$", lock, re.MULTILINE)
    (folder / "constraints.txt").write_text("\n".join(pins))
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    run(*pip, "--python", python, "install", "-c", folder / "constraints.txt", wheel, folder=folder)
    return folder / "venv/bin"


def test_the_core_is_small(core):
    (place,) = core.parent.glob("lib/python*/site-packages")
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6
    assert size <= MEGABYTES
    assert not [name for name in ABSENT if (place / name).exists()]


def test_the_core_judges_and_explains(core, tmp_path):
    (tmp_path / "outputs.csv").write_text(EXAMPLE)
    command = core / "sigmoid-bce"
    said = run(command, "verdict", "outputs.csv", folder=tmp_path)
    assert "4 raw outputs: read and compared" in said
    assert (tmp_path / "results/verdict-outputs/verdict.html").stat().st_size < 2e6
    assert "7.9712 is 0.5 times" in run(command, "explain", "7.9712", folder=tmp_path)
    assert "BCELoss() after sigmoid" in run(command, "record", "--loss", "BCELoss", folder=tmp_path)
    code = """
import json, sigmoid_bce
from sigmoid_bce.numerics import reference
import numpy as np
verdict = sigmoid_bce.verdict([20.0, -18.0], [1, 1])
(loss,) = reference.loss(np.float32([-18]), np.float32([1]), "float32")
print(json.dumps([str(verdict)[:20], float(loss)]))
"""
    assert json.loads(run(core / "python", "-c", code, folder=tmp_path))[1] == 18


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vredict"], "there is no command 'vredict': expected"),
        (["verdict", "none.csv"], "error: none.csv"),
        (["explain", "much"], "error: LOSS: expected a number such as 7.9712, found 'much'"),
        (
            ["record", "--framework", "pytroch"],
            "the record has no 'pytroch'; nearest: 'Keras on PyT",
        ),
    ],
)
def test_bad_input_is_a_line_and_exit_code_2(core, tmp_path, arguments, words):
    said = run(core / "sigmoid-bce", *arguments, folder=tmp_path, code=2)
    assert words in said
    assert "Traceback" not in said
