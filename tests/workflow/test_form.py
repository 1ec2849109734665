"""The workflow's form: lint, complete rules, pins in step, dry runs of every study."""

import ast
import re
import subprocess
import sys
import textwrap
import tomllib

import pytest
import yaml

import sigmoid_bce
from sigmoid_bce.jobs import plugins
from sigmoid_bce.planning.inputs import PLUGINS
from sigmoid_bce.planning.locate import TAKEN
from sigmoid_bce.planning.pins import PINS
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
    "localrule",
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
    optional = {"name", "wildcard_constraints", "priority", "group", "localrule"}
    optional |= {"input"} if name in WITHOUT_INPUT else set()
    assert set(ORDER) - optional <= set(keys)
    assert "mem_mb" in body
    assert "runtime" in body
    assert f"../scripts/{name}.py" in body
    assert re.search(rf'code=PLAN\.code(_with)?\(\s*"{name}"', body) or name == "fetch"


def test_every_script_is_a_rule_s():
    texts = [file.read_text() for file in RULE_FILES]
    names = {name for text in texts for name in re.findall(r'"../scripts/(\w+).py"', text)}
    assert {file.stem for file in (ROOT / "workflow/scripts").glob("*.py")} == names


@pytest.mark.parametrize("file", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=str)
def test_scripts_are_thin_and_read_no_config(file):
    tree = ast.parse(file.read_text())
    imports = (ast.Import, ast.ImportFrom)
    nodes = list(ast.walk(tree))
    statements = [node for node in nodes if isinstance(node, ast.stmt)]
    assert sum(not isinstance(node, imports) for node in statements) <= 25
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in nodes)
    assert "snakemake.config" not in file.read_text()


def test_profiles_agree():
    """A profile cannot inherit from another one, so the keys that they share are compared."""
    profiles = {
        file.parent.name: yaml.safe_load(file.read_text())
        for file in (ROOT / "workflow/profiles").glob("*/config.yaml")
    }
    default = profiles["default"]
    for name, profile in profiles.items():
        assert default.items() <= profile.items(), name


def test_names_in_snakefiles_hide_none_of_snakemake():
    """Snakemake runs Snakefiles in the namespace of its own module."""
    probe = "import snakemake.cli, snakemake.workflow as w; print(*vars(w))"
    names = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout
    assert "Workflow" in names
    assigned = set()
    for file in [ROOT / "workflow/Snakefile", *RULE_FILES]:
        text = file.read_text()
        assigned |= set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
        assigned |= set(re.findall(r"^def (\w+)", text, re.MULTILINE))
        for line in re.findall(r"^(?:from .* )?import (.*)$", text, re.MULTILINE):
            assigned |= {part.split()[-1] for part in line.split(",")}
    # the same objects
    own = {"HostingProviderFile", "LocalSourceFile", "Path", "WorkflowError", "sys"}
    assert not (assigned - own) & set(names.split())


def test_the_release_is_in_step():
    """A module needs the installed package to be of its release: all are changed together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rules = (ROOT / "workflow/rules/package.smk").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    found = [*re.findall(r'^RELEASE = "(.*)"$', rules, re.MULTILINE), str(citation["version"])]
    assert {project["version"]} == {sigmoid_bce.__version__, *found}
    assert len(found) == 2
    named = re.findall(r"\bv(\d+\.\d+\.\d+)", (ROOT / "docs/deploy.md").read_text())
    assert set(named) == {project["version"]}


def test_pins_are_in_step():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*extras["workflow"], *extras["slurm"]]
    _, locked = lock()
    for package, pin in PINS.items():
        assert f"{package}{pin.accepted}" in wanted
        assert locked.get(package, pin.tested) == pin.tested


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow/Snakefile", *map(str, RULE_FILES)],
    ],
    ids=lambda command: command[0],
)
def test_tools_are_content(command):
    command = [f"{sys.prefix}/bin/{command[0]}", *command[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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
    for values in config.get("grid", {}).values():
        cells *= len(values)
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    for rule in ("train", "compare"):
        assert int(planned.get(rule, 0)) == cells * ("grid" in config)
    maps = [name for name in planned if name.startswith("laboratory_conformance_")]
    assert len(maps) == len((config.get("numerics") or {}).get("objectives", []))
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
    for name in ("frameworks", "frameworks-more"):
        pins |= dict(pin.split("==") for pin in extra["optional-dependencies"][name])
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


def modules(file):
    """Yield the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def third_party(*files):
    """Return the packages that files and the package's code behind them import."""
    source = ROOT / "workflow/src"
    seen, todo, names = set(), list(files), set()
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        for module in modules(file):
            place = source.joinpath(*module.split("."))
            own = (place / "__init__.py", place.with_suffix(".py"))
            todo += [path for path in own if path.is_file()]
            names.add(module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"sigmoid_bce"}


@pytest.mark.parametrize(("name", "body"), list(rules()))
def test_conda_specs_hold_what_their_rules_import(name, body):
    spec = ROOT / "envs" / re.search(r"envs/(\w+\.yaml)", body)[1]
    entries = yaml.safe_load(spec.read_text())["dependencies"]
    held = {entry.split("=")[0] for entry in entries if isinstance(entry, str)}
    held |= {
        line.split("==")[0] for entry in entries if isinstance(entry, dict) for line in entry["pip"]
    }
    packages = {
        "PIL": "pillow",
        "ai_edge_litert": "ai-edge-litert",
        "mlx": "mlx[cpu]",
        "paddle": "paddlepaddle",
        "matplotlib": "matplotlib-base",
        "pydantic_core": "pydantic",
        "sklearn": "scikit-learn",
        "snakemake": "snakemake-minimal",
        "tf_keras": "tf-keras",
        "torch": "pytorch-cpu",
        "xgboost": "py-xgboost-cpu",
    }
    kinds = re.findall(
        r'"(\w+)"', re.search(r"code=PLAN\.code_with\((.*?)\)|$", body, re.S)[1] or ""
    )
    loaded = [plugins.files(PLUGINS[kind]).values() for kind in kinds[1:]]
    files = [file for group in loaded for file in group]
    imported = third_party(ROOT / "workflow/scripts" / f"{name}.py", *files)
    assert {packages.get(module, module) for module in imported} <= held


def test_the_lock_names_no_address():
    text, pins = lock()
    assert "://" not in text
    assert "--index" not in text
    entries = re.findall(r"^[a-z0-9_.-]+==.*\n +--hash=sha256:", text, re.MULTILINE)
    assert {entry.split("==")[0] for entry in entries} == set(pins)
    assert len(pins) > 100


def test_users_modules_may_hide_none_that_jobs_import():
    imported = third_party(*(ROOT / "workflow").glob("s*/**/*.py"))
    assert imported <= TAKEN
