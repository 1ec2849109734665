"""What the Snakemake Workflow Catalog reads and runs, and what a release says of itself."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from support.checkout import ROOT, checkout

# what jobs need and the catalog does not have: it installs Snakemake, as Conda packages it
ABSENT = ["PIL", "h5py", "keras", "matplotlib", "ml_dtypes", "mlflow", "mpmath", "pyarrow", "scipy"]
ABSENT += ["seaborn", "sklearn", "statsmodels", "tensorflow"]
RUN = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT}))
from snakemake.cli import main
main()
"""
COMMANDS = {
    "--lint": "Congratulations, your workflow is in a good condition!",
    "--forceall -s workflow/Snakefile -d .test -c 1 --rulegraph": 'label = "train"',
}
STUDIES = sorted((ROOT / "config").rglob("*.yaml"))
SMALL = [
    {"study": "laboratory", "numerics": {}},
    {"study": "laboratory", "question": "Where?", "numerics": {}, "grid": None, "learning": None},
]


def test_a_release_has_one_number_and_one_date():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    headings = re.findall(r"^## .*", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert f"## {project['version']} - {citation['date-released']}" in headings
    assert str(citation["version"]) == project["version"]
    (article,) = citation["references"]
    assert article["year"] == 2019
    assert article["title"].split("?")[0] in (ROOT / "README.md").read_text().replace("\n", " ")


def test_the_catalog_s_file():
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert settings == {"usage": {"software-stack-deployment": {"conda": True}, "report": True}}
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme


@pytest.mark.parametrize(("arguments", "said"), COMMANDS.items(), ids=["lint", "rule graph"])
def test_the_catalog_s_commands(arguments, said, tmp_path):
    folder = checkout(tmp_path)
    shutil.copytree(ROOT / ".test/config", folder / ".test/config", symlinks=True)
    command = [sys.executable, "-c", RUN, *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr
