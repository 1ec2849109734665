"""Every block of the documents is run, or a table says by which test, or why not."""

import contextlib
import io
import os
import re
import shlex
from fnmatch import fnmatch
from importlib.util import find_spec

import pytest
import yaml
from click.testing import CliRunner

from sigmoid_bce.commands import main as sigmoid_bce_command
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.parse import parse
from support.checkout import DEFAULT, ROOT, checkout, snakemake
from support.documents import DOCUMENTS, blocks

FOLLOWED = (
    "docs/faq.md",
    "docs/how-to/ci-gate.md",
    "docs/how-to/own-model.md",
    "docs/how-to/own-table.md",
    "docs/how-to/precision.md",
    "docs/how-to/serving.md",
    "docs/tutorials/own-images.md",
    "docs/tutorials/own-raw-outputs.md",
)
"""Pages whose fenced blocks are followed here, in their order, in one folder."""
COMMANDS = "tests/workflow/test_commands.py"
BY = {
    # page, kind of the block, beginning of its text: the test that runs it, or why none does
    ("CONTRIBUTING.md", "python", ""): "tests/integration/test_recipes.py",
    ("CONTRIBUTING.md", "rst", ""): "tests/integration/test_recipes.py",
    ("README.md", "python", ""): COMMANDS,
    ("README.md", "text", ""): COMMANDS,
    ("config/README.md", "", "study: rust"): "tests/unit/test_config.py",
    ("config/README.md", "", "source: table"): "tests/unit/test_config.py",
    ("config/README.md", "", "models:"): COMMANDS,
    ("docs/architecture.md", "mermaid", ""): "tests/workflow/test_architecture.py",
    ("docs/check.md", "", "train.py:41"): "tests/unit/test_checking.py",
    ("docs/check.md", "yaml", ""): COMMANDS,
    ("docs/deploy.md", "snakemake", ""): "tests/integration/test_modules.py",
    ("docs/deploy.md", "bash", ""): "tests/integration/test_modules.py",
    ("docs/how-to/own-framework.md", "python", ""): "tests/unit/test_config.py",
    ("docs/how-to/where-a-number-came-from.md", "", "git "): "tests/unit/test_provenance.py",
    ("docs/how-to/where-a-number-came-from.md", "", "grep "): "tests/integration/test_verify.py",
    ("docs/how-to/where-a-number-came-from.md", "python", ""): "tests/integration/test_verify.py",
    ("docs/learning.md", "python", ""): COMMANDS,
    ("docs/measure.md", "python", ""): "tests/unit/test_measure.py",
    ("docs/measure.md", "toml", ""): "tests/unit/test_measure.py",
    ("docs/monitor.md", "python", "import keras"): "tests/unit/test_monitors.py",
    ("docs/monitor.md", "python", "import torch"): "tests/unit/test_torch_monitor.py",
    ("docs/monitor.md", "text", ""): "tests/unit/test_monitors.py",
    ("docs/reference/command-line.md", "text", ""): "tests/workflow/test_documents.py",
    ("docs/tracking.md", "", "MLFLOW_BACKEND_STORE_URI"): "tests/integration/test_servers.py",
    ("docs/tracking.md", "", "[mlflow]"): "tests/integration/test_servers.py",
    ("docs/tracking.md", "", "set -a"): "tests/integration/test_servers.py",
    ("docs/tracking.md", "", "python3 -m venv mlflow"): "tests/integration/test_servers.py",
    ("docs/upstream/*", "*", ""): "notes for other projects: their code, not ours",
    ("docs/verdict.md", "python", ""): COMMANDS,
    ("docs/verdict.md", "text", ""): COMMANDS,
    ("docs/verdict.md", "yaml", ""): COMMANDS,
    ("docs/verdict.md", "", "import sigmoid_bce"): COMMANDS,
    ("docs/verdict.md", "", "sigmoid_bce.explain_stuck_loss"): "tests/unit/test_stuck_loss.py",
}
PROGRAMS = r"(make|snakemake|sigmoid-bce|python|python3|mlflow|uv)( |$)"
"""Programs whose commands test_commands tries, in indented blocks."""
LINES = {
    # other lines of commands: the test that runs the like, or why none does
    r"(\.venv/bin/)?pip install \S+tensorflow": "CUDA's libraries: several GB, and of no use here",
    r"pip install \.": "tests/integration/test_wheel.py",
    r"pip install 'sigmoid-bce": "tests/integration/test_modules.py",
    r"pip install \"snakemake-executor": "`make cluster` installs it: .ci/run",
    r"pip install snakedeploy": "needs GitHub",
    r"snakedeploy ": "needs GitHub; tests/integration/test_modules.py has its layout",
    r"python3 -m venv|\. \.venv": "the environment that the tests run in",
    r"make install": "the environment that the tests run in",
    r"export |--": "tests/integration/test_servers.py",
    r"'datasets=": COMMANDS,
}
"""Also which lines of followed pages are not run there."""
PLANNED = r"snakemake "
"""Commands of followed pages that train for minutes: planned only."""


def by(block):
    """Return the keys of `BY` that are about a block."""
    return [
        key
        for key in BY
        if fnmatch(block.page, key[0])
        and fnmatch(block.kind, key[1])
        and block.text.startswith(key[2])
    ]


def known(line):
    """Return whether a line of an indented block is tried, or in the table."""
    return (
        not line
        or line.startswith("#")
        or any(re.match(pattern, line.strip()) for pattern in (PROGRAMS, *LINES))
    )


ALL = [block for file in DOCUMENTS for block in blocks(file)]


@pytest.mark.parametrize("page", sorted({block.page for block in ALL}))
def test_every_block_is_covered(page):
    for block in (block for block in ALL if block.page == page):
        if by(block) or (page in FOLLOWED and block.kind):
            continue
        if block.kind == "yaml":
            part(block.text)
            continue
        assert block.kind == "", f"no test runs this block, and no table says why:\n{block.text}"
        unknown = [line for line in block.text.splitlines() if not known(line)]
        assert unknown == [], f"no test runs this block, and no table says why:\n{block.text}"


def test_the_tables_name_what_is_there():
    used = {key for block in ALL for key in by(block)}
    assert set(BY) == used
    lines = [line.strip() for block in ALL for line in block.text.splitlines()]
    assert [p for p in LINES if not any(re.match(p, line) for line in lines)] == []
    for test in {*BY.values(), *LINES.values()}:
        assert not test.startswith("tests/") or (ROOT / test.split()[0].rstrip(";")).is_file(), test


def part(text):
    """Parse a block of YAML as a part of the default study."""
    given = yaml.safe_load(text)
    assert given.keys() <= Study.model_fields.keys(), text
    parse(DEFAULT | {key: {**DEFAULT[key], **value} for key, value in given.items()})


def masked(text):
    """Return a text with each number the same: another processor gives other digits."""
    return re.sub(r"[\d.,]*\d[\d.,]*", "N", " ".join(text.split()))


def left_out(text):
    """Return the pattern of a text that says with … where something is left out."""
    return re.compile(" ?.*".join(re.escape(part.strip()) for part in masked(text).split("…")))


def python(code, names):
    """Run code, and return what it printed; skip it where its framework is not installed."""
    needed = re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)
    if missing := [name for name in needed if not find_spec(name)]:
        assert not os.environ.get("SIGMOID_BCE_CI"), missing
        return None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "page", "exec"), names)
    return printed.getvalue()


def command(line, folder):
    """Run a command of a page, or plan it; return what it printed."""
    program, *words = shlex.split(line.split(" > ")[0], comments=True)
    if program == "sigmoid-bce":
        done = CliRunner().invoke(sigmoid_bce_command, words)
        assert done.exit_code == 0, (line, done.output[-2000:])
        return done.stdout
    assert re.match(PLANNED, line), line
    return snakemake(folder, *words, "--dry-run", "--quiet", "all").stdout


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_is_followed(page, tmp_path, monkeypatch):
    folder = checkout(tmp_path / "checkout")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sigmoid_bce.verdicts.page.write", lambda *_: None)  # its own tests draw
    names, printed, compared = {}, "", 0
    for block in blocks(ROOT / page):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text + "\n")
        elif block.kind == "python":
            printed = python(block.text, names)
        elif block.kind == "bash":
            lines = [line for line in block.text.splitlines() if not known_elsewhere(line)]
            printed = "".join(command(line, folder) for line in lines)
        elif block.kind == "yaml":
            part(block.text)
        elif block.kind == "text" and printed:
            assert left_out(block.text).search(masked(printed))
            compared += 1
    shown = [block for block in blocks(ROOT / page) if block.kind == "text"]
    assert compared >= len(shown) - 1  # a listing of the reader's own files


def known_elsewhere(line):
    return any(re.match(pattern, line.strip()) for pattern in LINES)
