import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

# terminated, the tests take down what they started, as after Ctrl-C
signal.signal(signal.SIGTERM, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
# before anything imports TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
SMOKE = yaml.safe_load((ROOT / "config/studies/smoke.yaml").read_text())
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def snakemake(folder, *arguments, check=True, **environment):
    """Run Snakemake in a folder, its output in one string."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert not check or done.returncode == 0, done.stdout[-6000:]
    return done


def checkout(folder):
    """Copy what a clone holds to a folder, results of its own."""
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """A folder in which the smoke study has run."""
    folder = checkout(tmp_path_factory.mktemp("smoke"))
    snakemake(folder, "--configfile", "config/studies/smoke.yaml")
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A folder in which the study of the faults has run, and its state."""
    from broken import CONFIG, configured, state

    folder = configured(tmp_path_factory.mktemp("undisturbed") / "study")
    snakemake(folder, "tables", *CONFIG)
    return folder, state(folder)


@pytest.fixture
def fresh(tmp_path):
    """A folder for the study of the faults in which nothing has run yet."""
    from broken import configured, running

    folder = configured(tmp_path / "study")
    yield folder
    for record in running(folder):  # what Snakemake's death left behind
        os.kill(record["pid"], signal.SIGKILL)


@pytest.fixture
def finished(undisturbed, tmp_path):
    """A copy of the undisturbed folder, to be damaged."""
    return shutil.copytree(undisturbed[0], tmp_path / "study", symlinks=True)


@pytest.fixture(scope="session")
def cluster():
    """A SLURM of one node: partitions `cpu` and `gpu`, two GPUs."""
    from slurm import missing, slurm

    if (why := missing()) and not os.environ.get("SIGMOID_BCE_CI"):
        pytest.skip(why)
    with slurm() as daemons:
        yield daemons
