"""A rule's digest moves with the code that it can reach, and with no other."""

import subprocess
import sys

import pytest

from support.checkout import checkout

NAMES = ("train", "figure_cell", "figure_laboratory", "compare")
PROBE = """
import sys
from pathlib import Path
from sigmoid_bce.jobs.plugins import files
from sigmoid_bce.planning.digest import digest
loaded = {
    "figure_cell": files("figures/cell").values(),
    "figure_laboratory": [files("figures/laboratory")["gradient"]],
}
for name in sys.argv[1:]:
    print(digest(Path("workflow/scripts", f"{name}.py"), *loaded.get(name, [])))
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
    "a line for the log": ("training/train.py", swap("accuracy {row", "right {row")),
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
    "a training's constant": ("training/train.py", swap("CHUNK = 64", "CHUNK = 32"), {"train"}),
    "a colour": ("figures/style.py", swap("DPI = 150", "DPI = 100"), {*NAMES[1:3]}),
    "figures of one kind": (
        "figures/batch_mean.py",
        swap("4.4 *", "4.5 *"),
        {"figure_cell"},
    ),
    "one figure": ("figures/laboratory/gradient.py", swap("1e-19", "1e-20"), {"figure_laboratory"}),
    "another figure": ("figures/laboratory/ulp.py", swap("0.5", "0.6"), set()),
}


@pytest.mark.parametrize(("path", "edit", "rules"), MEANING.values(), ids=MEANING)
def test_what_moves_some_digests(copy, path, edit, rules):
    assert moved(copy, f"src/sigmoid_bce/{path}", edit) == rules
