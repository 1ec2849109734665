"""The workflow's form: lint, complete rules, pins in step, dry runs of every study."""

import ast
import re
import subprocess
import sys
import textwrap
import tomllib

import pytest
import yaml

from sigmoid_bce.planning import digest as code
from support.checkout import DEFAULT, ROOT, checkout, snakemake

RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))
ORDER = [
    "name",
    "input",
    "output",
    "log",
    "benchmark",
    "wildcard_constraints",
    "threads",
    "resources",
    "params",
    "conda",
    "priority",
    "group",
    "script",
]
WITHOUT_INPUT = ("download", "fetch", "sweep", "article_models")
STUDIES = [
    "config/config.yaml",
    *(f"config/studies/{p.name}" for p in (ROOT / "config/studies").glob("*.yaml")),
]


def rules():
    for file in RULE_FILES:
        for _, name, body in re.findall(
            r"^( *)rule ?(\w*):\n((?:\1    .*\n|\n)+)", file.read_text(), re.MULTILINE
        ):
            body = textwrap.dedent(body).replace("\n", "\n    ")
            # a rule in a loop has no name of its own
            name = name or re.search(r"scripts/(\w+)\.py", body)[1]
            yield pytest.param(name, f"    {body}", id=name)


@pytest.mark.parametrize(("name", "body"), list(rules()))
def test_rules_are_complete_and_ordered(name, body):
    keys = re.findall(r"^    (\w+):", body, re.MULTILINE)
    assert keys == [key for key in ORDER if key in keys]
    optional = {"name", "wildcard_constraints", "priority", "group"}
    optional |= {"input"} if name in WITHOUT_INPUT else set()
    assert set(ORDER) - optional <= set(keys)
    assert "mem_mb" in body
    assert "runtime" in body
    assert f"../scripts/{name}.py" in body
    assert re.search(rf'code=code\(\s*"{name}"', body) or name == "fetch"


def test_every_script_is_a_rule_s():
    names = {parameter.values[0] for parameter in rules()}
    assert {file.stem for file in (ROOT / "workflow/scripts").glob("*.py")} == names


def test_scripts_read_no_config_and_are_thin():
    for file in (ROOT / "workflow/scripts").glob("*.py"):
        assert "snakemake.config" not in file.read_text(), file


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow"],
    ],
    ids=" ".join,
)
def test_tools_are_content(command):
    command = [f"{sys.prefix}/bin/{command[0]}", *command[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint():
    done = snakemake(ROOT, "--lint", check=False)
    assert "Congratulations" in done.stdout, done.stdout


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("profile", ["default", "gpu", "slurm"])
def test_dry_run_plans_every_stage(study, profile, tmp_path):
    folder = checkout(tmp_path)
    done = snakemake(
        folder,
        "--dry-run",
        "--configfile",
        study,
        "--workflow-profile",
        f"workflow/profiles/{profile}",
    )
    config = yaml.safe_load((ROOT / study).read_text())
    cells = 1
    for values in config["grid"].values():
        cells *= len(values)
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert int(planned["train"]) == cells
    assert int(planned["compare"]) == cells
    assert planned["report"] == planned["track_study"] == "1"


def test_a_mistake_stops_before_any_job(tmp_path):
    folder = checkout(tmp_path)
    config = {**DEFAULT, "trainign": {}}
    (folder / "my.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(folder, "--configfile", "my.yaml", check=False)
    assert done.returncode != 0
    assert "my.yaml: trainign: unknown key; did you mean 'training'?" in done.stdout
    assert not (folder / "results").exists()


def lock():
    text = (ROOT / "envs/requirements.lock").read_text()
    return text, dict(re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE))


def test_conda_specs_are_in_step_with_the_lock():
    _, pins = lock()
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins |= dict(pin.split("==") for pin in extra["optional-dependencies"]["frameworks"])
    renamed = {
        "pytorch-cpu": "torch",
        "py-xgboost-cpu": "xgboost",
        "ml_dtypes": "ml-dtypes",
        "matplotlib-base": "matplotlib",
        "snakemake-minimal": "snakemake",
    }
    specs = list((ROOT / "envs").glob("*.yaml"))
    assert specs
    for file in specs:
        *entries, last = yaml.safe_load(file.read_text())["dependencies"]
        entries += [p.replace("==", "=") for p in last["pip"]] if isinstance(last, dict) else [last]
        for entry in entries:
            name, _, version = entry.partition("=")
            if name not in ("python", "pip", "gxx"):
                assert pins[renamed.get(name, name)] == version, (file.name, name)


def third_party(script):
    """Return what a script and the package's code behind it import from elsewhere."""
    seen, todo, names = set(), [script], set()
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        # config.py stands outside a rule's digest, not outside its imports
        todo += [*code._imported(file), *code.APART]
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"sigmoid_bce"}


@pytest.mark.parametrize(("name", "body"), list(rules()))
def test_conda_specs_hold_what_their_rules_import(name, body):
    spec = ROOT / "envs" / re.search(r"envs/(\w+\.yaml)", body)[1]
    entries = yaml.safe_load(spec.read_text())["dependencies"]
    held = {entry.split("=")[0] for entry in entries if isinstance(entry, str)}
    packages = {
        "PIL": "pillow",
        "sklearn": "scikit-learn",
        "matplotlib": "matplotlib-base",
        "snakemake": "snakemake-minimal",
    }
    imported = third_party(ROOT / "workflow/scripts" / f"{name}.py")
    assert {packages.get(module, module) for module in imported} <= held


def test_the_lock_names_no_address():
    text, pins = lock()
    assert "://" not in text
    assert "--index" not in text
    entries = re.findall(r"^[a-z0-9_.-]+==.*\n +--hash=sha256:", text, re.MULTILINE)
    assert {entry.split("==")[0] for entry in entries} == set(pins)
    assert len(pins) > 100
