"""A rule's digest moves with the code that it can reach, and with no other."""

import subprocess
import sys

import pytest

from support.checkout import checkout

NAMES = ("train", "figure_cell", "figure_laboratory", "compare")
PROBE = """
import sys
from pathlib import Path
from sigmoid_bce.planning.digest import digest
PLUGINS = {"train": ["training/losses/sigmoid_clipped.py", "training/optimizers/rmsprop.py"]}
for name in sys.argv[1:]:
    plugins = (Path("workflow/src/sigmoid_bce", file) for file in PLUGINS.get(name, []))
    print(digest(Path("workflow/scripts", f"{name}.py"), *plugins))
"""


def digests(folder):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *NAMES],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "workflow/src"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("digests"))
    return folder, digests(folder)


def moved(copy, path, edit):
    """Return the rules whose digest an edit of a file moves."""
    folder, before = copy
    file = folder / "workflow" / path
    text = file.read_text()
    edited = edit(text)
    assert edited != text
    file.write_text(edited)
    try:
        after = digests(folder)
    finally:
        file.write_text(text)
    return {name for name, a, b in zip(NAMES, before, after, strict=True) if a != b}


def swap(old, new):
    def edit(text):
        assert old in text
        return text.replace(old, new)

    return edit


# what no result depends on
WORDS = {
    "a comment": ("training/train.py", lambda text: f"{text}\n# edited\n"),
    "a docstring": ("training/train.py", swap('"""Train one cell', '"""Train a cell')),
    "a line for the log": ("training/metrics.py", swap("{name} {value:.4g}", "{name}={value:.3g}")),
    "a message": ("numerics/formulas.py", lambda text: text + "\n\n'a string'\n"),
    "an annotation": ("comparison/compare.py", swap("-> pd.DataFrame", "-> object")),
    "a function that nobody calls": (
        "models/networks.py",
        lambda t: t + "\n\ndef nobody_calls_this():\n    1 / 0\n",
    ),
    "a lock": ("jobs/locks.py", swap("LOCK_EX", "LOCK_SH")),
    "how a job starts": ("jobs/forkserver.py", swap("START = 10.0", "START = 20.0")),
    "a key of the configuration": ("study/config.py", swap("patience: Positive", "pat: Positive")),
}


@pytest.mark.parametrize(("path", "edit"), WORDS.values(), ids=WORDS)
def test_what_moves_no_digest(copy, path, edit):
    assert moved(copy, f"src/sigmoid_bce/{path}", edit) == set()


FORMULAS = "numerics/formulas.py"
MEANING = {
    "a constant": (FORMULAS, swap("EPSILON = 1e-7", "EPSILON = 1e-6"), {*NAMES} - {NAMES[2]}),
    "a training's constant": ("training/steps.py", swap("CHUNK = 64", "CHUNK = 32"), {"train"}),
    "a colour": ("figures/style.py", swap("DPI = 200", "DPI = 100"), {"figure_cell"}),
    "a loss": (
        "training/losses/sigmoid_clipped.py",
        swap("return -(", "return 2 * -("),
        {"train"},
    ),
    "a loss of other cells": ("training/losses/logits.py", swap("=True", "=False"), set()),
    "one figure": ("figures/batch_mean.py", swap("def draw(", "def draw_("), {"figure_cell"}),
}


@pytest.mark.parametrize(("path", "edit", "rules"), MEANING.values(), ids=MEANING)
def test_what_moves_some_digests(copy, path, edit, rules):
    assert moved(copy, f"src/sigmoid_bce/{path}", edit) == rules
