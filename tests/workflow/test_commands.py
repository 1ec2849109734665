"""Every command that a document names works, at least as a dry run; so does every block of code."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from sigmoid_bce.commands import main as sigmoid_bce_command
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.parse import parse
from support import documents
from support.checkout import DEFAULT, ROOT, checkout
from support.documents import DOCUMENTS

PROFILES = sorted(ROOT.glob("workflow/profiles/*/config.yaml"))
ELSEWHERE = r"rate-limit|imports|mlflow\.env"
"""Commands of other projects, in notes for them."""


def blocks(file):
    """Return the texts of a document's indented blocks."""
    return [block.text for block in documents.blocks(file) if not block.kind]


def commands(*names):
    """Return the commands in documents and profiles that begin with one of some names."""
    lines = set()
    for file in [*DOCUMENTS, *PROFILES]:
        text = file.read_text()
        if file.parent.name == "upstream":
            continue
        whole = "\n".join(blocks(file)).replace("\\\n", " ")
        inline = " ".join(documents.FENCED.sub("", text).split())
        lines |= {*whole.splitlines(), *re.findall(r"`([^`]+)`", inline)}
        lines |= set(re.findall(r"^# (snakemake [^,\n]+)", text, re.MULTILINE))
    split = (
        shlex.split(line, comments=True)
        for line in lines
        if re.match(r"[\w./-]+ ", line + " ")
        if line.split()[:1] and line.split()[0] in names
    )
    return sorted({tuple(words) for words in split if len(words) > 1 or words[0] == "make"})


def made(*words, **environment):
    """Return the commands that a call of make would run, by programs that only note their names."""
    return subprocess.run(
        ["make", "--no-print-directory", "-o", "install", "-o", ".venv/slurm", *words],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip


PROGRAMS = (
    "snakemake",
    "python",
    "sigmoid-bce",
    "mlflow",
    "uv",
    "ruff",
    "snakefmt",
    "lint-imports",
    "mypy",
    "npm",
)
NOTE = """#!/bin/sh
for word in "$(basename "$0")" "$@"; do printf '%s\\0' "$word" >> "$NOTED"; done
printf '\\n\\0' >> "$NOTED"
case "$*" in *study.reading*) echo study;; esac
"""


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    """A function that runs make with programs that note their arguments, and returns these."""
    folder = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS:
        (folder / name).write_text(NOTE)
        (folder / name).chmod(0o755)

    def run(*words):
        file = folder / "noted"
        file.unlink(missing_ok=True)
        place = os.path.relpath(folder, ROOT)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        done = made(*words, f"BIN={place}", PATH=path, NOTED=str(file))
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        found, word = [[]], b""
        for word in (file.read_bytes() if file.exists() else b"").split(b"\0")[:-1]:
            if word == b"\n":
                found.append([])
            else:
                found[-1].append(word.decode())
        return [part for part in found if part]

    return run


RUN = """
import json, os, sys
from snakemake import api, cli, dag, workflow
from snakemake.executors import dryrun
sys.path.insert(0, os.path.abspath("workflow/src"))
from sigmoid_bce.figures import registry
from sigmoid_bce.planning import data, inputs, locate
from sigmoid_bce.slurm import plugin
from sigmoid_bce.study import parse, reading

for words in json.loads(sys.argv[1]):
    if (process := os.fork()) == 0:
        sys.argv, status = ["snakemake", *words], 1
        try:
            _, given = cli.parse_args(words)
            if not (given.cores or given.executor or given.unlock):
                sys.exit("neither --cores nor an executor is given")
            # test_form plans every study with every profile
            if given.targets or given.forcerun or given.config:
                cli.main([*words, "--dry-run", "--quiet", "all"])
            status = 0
        except SystemExit as end:
            print(end.code if isinstance(end.code, str) else "", file=sys.stderr, flush=True)
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            os._exit(status)
    _, status = os.waitpid(process, 0)
    print("ends with", os.waitstatus_to_exitcode(status), *words, flush=True)
"""


def test_every_command_of_snakemake_is_a_dry_run(noted, tmp_path):
    """Those of make, too; in forks of one process, since the imports take half of the time."""
    called = [words[1:] for words in commands("snakemake")]
    for words in commands("make"):
        called += [line[1:] for line in noted(*words[1:]) if line[0] == "snakemake"]
    elsewhere = {"--lint", "--report", "--reporter"}  # test_catalog, test_smoke
    called = [words for words in called if not elsewhere & set(words)]
    folder = checkout(tmp_path)
    # a small study is planned faster
    for name in ("rust.yaml", "photos.yaml", "config/config.yaml"):
        shutil.copy(ROOT / "config/studies/smoke.yaml", folder / name)
    (folder / "dogs-vs-cats.zip").touch()
    unique = sorted({tuple(word.replace("/data/", "") for word in words) for words in called})
    assert any("numerics" in words for words in unique)
    assert any("verdicts" in words for words in unique)
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(unique)],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    ends = re.findall(r"^ends with (\S+)", done.stdout, re.MULTILINE)
    assert ends == ["0"] * len(unique), done.stdout + done.stderr[-5000:]


def test_every_command_of_sigmoid_bce_is_understood():
    documented = commands("sigmoid-bce")
    assert {words[1] for words in documented} >= {"verdict", "explain"}
    for _, name, *arguments in documented:
        command = sigmoid_bce_command.get_command(None, name)
        assert command is not None, name
        # prose names commands without their arguments
        command.make_context(name, list(arguments), resilient_parsing=not arguments)


def test_every_program_in_python_exists():
    for words in commands("python", "python3"):
        if words[1] == "-m" and words[2] != "venv":
            assert find_spec(words[2]), words
        elif words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


def test_make_lists_what_documents_name(noted):
    listed = made("help").stdout
    known = {name for names in re.findall(r"^make ([a-z -]+?) {2,}", listed, re.M)
             for name in names.split()}  # fmt: skip
    assert {"run", "test", "cluster-await"} <= known
    for name in sorted(known - {"help", "install"}):
        assert noted(name, "RAW=outputs.csv"), name


HOSTILE = """my "one" 'two' $HOME $(touch three) `touch four`; #%.yaml"""


@pytest.mark.parametrize("target", ["run", "numerics", "record", "report", "reconcile", "cluster"])
def test_make_takes_any_name_of_a_configuration(target, noted):
    lines = noted(target, f"CONFIG={HOSTILE}")
    assert sum(HOSTILE in line for line in lines) == (2 if target == "run" else 1)
    assert not list(ROOT.glob("three")) + list(ROOT.glob("four"))


def test_make_takes_any_names_of_a_verdict(noted):
    (line,) = noted("verdict", f"RAW={HOSTILE}", "LABEL=-a b", f"TO={HOSTILE}", "REALLY_RAW=1")
    assert line == [
        "sigmoid-bce", "verdict", "--label=-a b", f"--to={HOSTILE}", "--really-raw", "--", HOSTILE,
    ]  # fmt: skip


def test_every_block_of_yaml_is_a_part_of_a_study():
    """Blocks with a source are data sets; those with keys of a study extend the default one."""
    checked = 0
    for file in DOCUMENTS:
        for block in blocks(file):
            if not re.match(r"\w+:( |$)", block, re.MULTILINE):
                continue
            part = yaml.safe_load(block)
            if "source" in part:
                part = {"datasets": {"elpv": {"image_size": 8, **part}}}
            assert part.keys() <= Study.model_fields.keys(), block
            parse(part if "study" in part else DEFAULT | {
                key: {**DEFAULT[key], **value} for key, value in part.items()
            })  # fmt: skip
            checked += 1
    assert checked >= 3


def test_every_block_of_python_compiles():
    for file in DOCUMENTS:
        text = file.read_text()
        found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        found += [block for block in blocks(file) if re.match(r"(import|from) \w", block)]
        for code in found:
            entry = code.startswith("    ")  # of a table, in a recipe
            compile("{\n" + code + "}" if entry else code, str(file), "exec")


def test_the_manual_s_verdict_runs():
    (code,) = (
        block
        for block in blocks(ROOT / "docs/verdict.md")
        if block.startswith("import sigmoid_bce")
    )
    x, y = np.float32([-3, 20, 4]), np.int8([0, 1, 1])
    names = {"raw_output": x, "label": y, "model": lambda x: x, "batches": [(x, y), (x, y)]}
    exec(code, names)
    assert len(names["found"].to_frame())


def test_the_example_of_a_verdict_is_what_the_manual_shows(tmp_path, monkeypatch):
    text = (ROOT / "docs/verdict.md").read_text()
    (code,), (shown,) = (
        re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text")
    )
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    (command,) = {
        words
        for words in commands("sigmoid-bce")
        if words[2:3] == ("outputs.csv",) and words[-1] == "nn.BCELoss()"
    }
    done = CliRunner().invoke(sigmoid_bce_command, command[1:])
    assert done.exit_code == 0
    # numbers of a model differ by processor

    def words(text):
        return re.sub(r"[\d.,]+", "N", text).split()

    assert words(done.stdout)[: len(words(shown))] == words(shown)
    (step,) = re.findall(r"- run: (sigmoid-bce .*) > ", text)
    assert CliRunner().invoke(sigmoid_bce_command, shlex.split(step)[1:]).exit_code == 3


def test_the_readme_s_example_says_what_it_shows(capsys):
    text = (ROOT / "README.md").read_text()
    (code,), (shown,) = (
        re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text")
    )
    exec(code, {})
    said = capsys.readouterr().out
    assert all(part.strip("\n") in said for part in shown.split("…"))


def test_the_example_of_a_stuck_loss_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/learning.md").read_text(), re.DOTALL)
    exec(code, {})
    assert "15.9424" in capsys.readouterr().out


def test_the_hook_of_pre_commit_stops_a_commit_with_a_finding(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/check.md").read_text(), re.DOTALL)
    (tmp_path / ".pre-commit-config.yaml").write_text(block)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    path = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"
    clean |= {"PATH": path, "PRE_COMMIT_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}

    def run(*words):
        return subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True)

    def commit(name, text):
        (tmp_path / name).write_text(text)
        run("git", "add", name)
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        return run("git", *author, "commit", "-m", name)

    run("git", "init", "--quiet")
    done = run("pre-commit", "install")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = "import torch\nloss = -torch.log(torch.sigmoid(x))\n"
    done = commit("a train.py", wrong)
    assert done.returncode == 1
    assert "a train.py:2: log-sigmoid" in done.stderr
    for name, text in {
        "a train.py": wrong.replace("))\n", "))  # sigmoid-bce: ignore\n"),
        "notes.md": wrong,
    }.items():
        done = commit(name, text)
        assert done.returncode == 0, done.stderr
