"""The workflow as a module: from a git repository, in snakedeploy's layout, and from a checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import hostile
from support.checkout import ROOT, SMOKE, checkout, snakemake

DOCUMENT = (ROOT / "docs/deploy.md").read_text()
(BLOCK,) = re.findall(r"```snakemake\n(.*?)```", DOCUMENT, re.DOTALL)
RUN, COPY = (block.splitlines() for block in re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL))
PLACE = '"/path/of/sigmoid-bce"'
# as `snakedeploy deploy-workflow` 0.17.1 writes it
DEPLOYED = """
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


# declare it as a module
module sigmoid_bce:
    snakefile:
        github("owner/name", path="workflow/Snakefile", tag="v0.1.0")
    config:
        config


# use all rules from it
use rule * from sigmoid_bce
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository of this checkout, tagged; its path has blanks and braces."""
    folder = tmp_path_factory.mktemp("git") / "re po {dataset} {1, 0}"
    checkout(folder)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    author = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    subprocess.run(["git", "tag", "v0.1.0"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def package(repository, tmp_path_factory):
    """A folder with the installed package, and nothing else of the repository."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(repository, folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    options = ["--no-deps", "--no-build-isolation", "--target", folder / "site"]
    subprocess.run([*pip, *options, source], check=True)
    return folder / "site"


def host(folder, repository, study, block=BLOCK):
    """Write the document's Snakefile and a configuration; return the folder."""
    folder.mkdir(exist_ok=True)
    assert PLACE in block
    (folder / "Snakefile").write_text(block.replace(PLACE, repr(str(repository))))
    (folder / "config.yaml").write_text(yaml.safe_dump({"sigmoid_bce": study, "mine": 1}))
    return folder


def typed(folder, line, package):
    """Run a line of the document; `all` cores are two here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line.replace("--cores all", "--cores 2")],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def planned(text):
    return dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def ran(repository, package, tmp_path_factory):
    """The document's host, in which the smoke study has run from git."""
    study = hostile.spoil(yaml.safe_load((ROOT / "config/studies/smoke.yaml").read_text()))
    folder = host(tmp_path_factory.mktemp("host") / "my {seed} 100%", repository, study)
    for line in RUN[:2]:
        typed(folder, line, package)
    return folder


def test_a_git_module_runs_to_its_report(ran, package):
    results = ran / "bce/results/smoke"
    assert (ran / "own/cells.csv").read_bytes() == (results / "tables/cells.csv").read_bytes()
    assert not (ran / "results").exists()
    report = (results / "report.html").read_text()
    # the front page quotes a table below the prefix, captions quote values
    for part in ("In no regime are", "|raw_min|", "is 0 from x = 44"):
        assert (part in " ".join(report.split())) == ("|" not in part)
    # names of users are texts in it
    assert "</script><script>window.hostile" not in report
    typed(ran, RUN[2], package)
    assert "Every cell" in (ran / "report.html").read_text()
    again = snakemake(ran, "bce_all", "all", "--dry-run", PYTHONPATH=str(package))
    assert "Nothing to be done" in again.stdout


def test_a_checkout_goes_on_from_what_the_git_module_made(ran, repository, package):
    (gitfile,) = re.findall(r"gitfile\(.*\)", BLOCK)
    local = BLOCK.replace(gitfile, repr(f"{repository}/workflow/Snakefile"))
    (ran / "Local").write_text(local)
    typed(ran, COPY[0], package)
    assert os.access(ran / "profiles/slurm/bin/sacct", os.X_OK)
    command = ("--snakefile", "Local", "--forcerun", "bce_report", "--", "bce_report")
    done = snakemake(ran, *command, PYTHONPATH="")
    assert "Using workflow specific profile profiles/default" in done.stdout
    assert planned(done.stdout) == {"bce_report": "1", "total": "1"}


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda f: f.stem)
def test_every_study_is_planned_as_in_a_checkout(file, repository, package, tmp_path):
    study = yaml.safe_load(file.read_text())
    folder = host(tmp_path / "a b", repository, study)
    done = snakemake(folder, "bce_all", "--dry-run", "--quiet", "rules", PYTHONPATH=str(package))
    cells = 1
    for values in study.get("grid", {}).values():
        cells *= len(values)
    found = planned(done.stdout)
    for rule in ("bce_train", "bce_compare"):
        assert int(found.get(rule, 0)) == cells * ("grid" in study)
    assert found["bce_report"] == found["bce_track_study"] == found["bce_all"] == "1"
    assert "cells" not in found


def test_snakedeploy_s_layout_is_planned(repository, package, tmp_path):
    folder = tmp_path / "my study"
    shutil.copytree(repository / "config", folder / "config")
    shutil.copytree(repository / "profiles", folder / "profiles")
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(DEPLOYED)
    # as if Snakemake had cloned it from github.com
    clone = tmp_path / "snakemake/snakemake/source-cache/snakemake-git-cache/github.com/owner/name"
    subprocess.run(["git", "clone", "--quiet", "--bare", repository, clone], check=True)
    variables = {"PYTHONPATH": str(package), "XDG_CACHE_HOME": str(tmp_path)}
    done = snakemake(folder, "--dry-run", "--quiet", "rules", **variables)
    assert "Using workflow specific profile profiles/default" in done.stdout
    assert planned(done.stdout)["all"] == "1"
    smoke = DEPLOYED.replace("config/config.yaml", "config/studies/smoke.yaml")
    (folder / "workflow/Snakefile").write_text(smoke)
    done = snakemake(folder, "--dry-run", "--quiet", "rules", **variables)
    assert planned(done.stdout)["total"] == "38"


def test_files_of_the_user_have_no_prefix(repository, package, tmp_path):
    study = {**SMOKE, "models": {"linear": {**LINEAR}}, "grid": {**SMOKE["grid"]}}
    study["datasets"] = {"mine": {"source": "features", "path": "my {v1} table.csv"}}
    study["datasets"]["mine"]["split"] = {"train": 40, "validation": 20}
    study["grid"] |= {"dataset": ["mine"], "model": ["linear"]}
    folder = host(tmp_path / "{a} b", repository, study)
    rows = "".join(f"{n},{n % 7},{n % 2}\n" for n in range(60))
    (folder / "my {v1} table.csv").write_text(f"a,b,label\n{rows}")
    target = "bce/results/smoke/data/mine/manifest.parquet"
    snakemake(folder, target, PYTHONPATH=str(package))
    assert (folder / target).exists()
    assert not (folder / "results").exists()
    done = snakemake(
        folder, "bce_verdicts", "--dry-run", "--quiet", "rules", PYTHONPATH=str(package)
    )
    assert planned(done.stdout)["bce_verdict"] == "4"


LINEAR = {"architecture": "linear", "optimizer": "adam", "learning_rate": 0.01, "max_epochs": 8}

MISSING = """
import sys
from importlib import metadata
sys.modules["sigmoid_bce"] = None
from snakemake.cli import main
main(["--dry-run", "--cores", "1"])
"""
CORE = """
from importlib import metadata
found = metadata.version
def version(name):
    if name == "tensorflow":
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.version = version
from snakemake.cli import main
main(["--dry-run", "--cores", "1"])
"""
PLAIN = "from snakemake.cli import main; main(['--dry-run', '--cores', '1'])"


@pytest.mark.parametrize(
    ("release", "code", "words"),
    [
        ("0.2.0", PLAIN, "this workflow is of sigmoid-bce 0.1.0, the package {site} is 0.2.0. "),
        (None, PLAIN, "the package {site} is too old to say its release. "),
        ("0.1.0", MISSING, "needs its package sigmoid-bce 0.1.0, which is not installed. "),
        ("0.1.0", CORE, "jobs need what is not installed: tensorflow. "),
    ],
)
def test_another_package_is_a_line_before_any_job(
    release, code, words, repository, package, tmp_path
):
    folder = host(tmp_path / "host", repository, SMOKE)
    shutil.copytree(package, tmp_path / "site")
    file = tmp_path / "site/sigmoid_bce/__init__.py"
    line = f'__version__ = "{release}"' if release else ""
    file.write_text(file.read_text().replace('__version__ = "0.1.0"', line))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert words.format(site=file.parent) in said
    command = re.search(r"Run: (pip install .*)", said)[1]
    assert command.startswith("pip install 'sigmoid-bce[workflow] @ git+file://localhost/")
    assert "%7Bdataset%7D" in command
    assert command.endswith("@v0.1.0'")
    assert not list(folder.glob("bce/*"))
    assert "Traceback" not in said
