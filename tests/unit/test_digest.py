"""A rule's digest moves with the code that it can reach, and with no other."""

import subprocess
import sys

import pytest

from sigmoid_bce.planning.digest import module_digest
from support.checkout import checkout

NAMES = ("train", "figure_cell", "figure_laboratory", "compare")
PROBE = """
import sys
from pathlib import Path
from sigmoid_bce.jobs.plugins import files
from sigmoid_bce.planning.digest import digest
loaded = {
    "train": [files("training/losses")["sigmoid_clipped"], files("training/optimizers")["rmsprop"]],
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
    "a line for the log": ("training/metrics.py", swap("{name} {value:.4g}", "{name}={value:.3g}")),
    "a message": ("numerics/formulas.py", lambda text: text + "\n\n'a string'\n"),
    "an annotation": ("comparison/compare.py", swap("-> pd.DataFrame", "-> object")),
    "a function that nobody calls": (
        "models/networks.py",
        lambda text: text + "\n\ndef nobody_calls_this():\n    1 / 0\n",
    ),
    "a lock": ("jobs/locks.py", swap("LOCK_EX", "LOCK_SH")),
    "how a job starts": ("jobs/forkserver.py", swap("START = 10.0", "START = 20.0")),
    "a key of the configuration": ("study/config.py", swap("patience: Epochs", "pat: Epochs")),
}


@pytest.mark.parametrize(("path", "edit"), WORDS.values(), ids=WORDS)
def test_what_moves_no_digest(copy, path, edit):
    assert moved(copy, f"src/sigmoid_bce/{path}", edit) == set()


FORMULAS = "numerics/formulas.py"
MEANING = {
    "a constant": (FORMULAS, swap("EPSILON = 1e-7", "EPSILON = 1e-6"), {*NAMES} - {NAMES[2]}),
    "a training's constant": ("training/steps.py", swap("CHUNK = 64", "CHUNK = 32"), {"train"}),
    "a loss": (
        "training/losses/sigmoid_clipped.py",
        swap("return -(", "return 2 * -("),
        {"train"},
    ),
    "a loss of other cells": ("training/losses/logits.py", swap("=True", "=False"), set()),
    "a colour": ("figures/style.py", swap("DPI = 200", "DPI = 100"), {*NAMES[1:3]}),
    "figures of one kind": (
        "figures/batch_mean.py",
        swap("MOST = 200", "MOST = 201"),
        {"figure_cell"},
    ),
    "one figure": ("figures/laboratory/gradient.py", swap("1e-18", "1e-20"), {"figure_laboratory"}),
    "another figure": ("figures/laboratory/ulp.py", swap("0.5", "0.6"), set()),
}


@pytest.mark.parametrize(("path", "edit", "rules"), MEANING.values(), ids=MEANING)
def test_what_moves_some_digests(copy, path, edit, rules):
    assert moved(copy, f"src/sigmoid_bce/{path}", edit) == rules


@pytest.fixture
def written(tmp_path):
    """Return the digest of a user's module with a given text, and files beside it."""

    def digest(text, main="own.py", **beside):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in {main: text, **beside}.items():
            file = folder / (name if "." in name else f"{name}.py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        return module_digest(folder / main, folder)

    return digest


BEFORE = """
import numpy as np
RATE: float = 0.5

class Layer:
    size: int = 3

def f(x):
    assert x > 0, "positive"
    if x > 9:
        raise ValueError(f"{x} is too large")
    return np.exp(x) * RATE
"""
SAME = {
    "other words": lambda t: t.replace("is too large", "exceeds 9").replace("positive", "over 0"),
    "annotations": lambda t: t.replace("f(x)", "f(x: float) -> float").replace(": float = ", " = "),
    "the type of a field": lambda t: t.replace("size: int", "size: float"),
    "lines for the log": lambda t: t.replace("    if", "    print(x)\n    log.info(x)\n    if"),
    "a docstring": lambda t: t.replace("f(x):\n", "f(x):\n    '''Do it.'''\n"),
    "layout": lambda t: t.replace("np.exp(x) * RATE", "(\n        np.exp( x )*RATE  # why\n    )"),
    "an import for the type checker": lambda t: t + "\nif TYPE_CHECKING:\n    import pandas\n",
    "the order of definitions": lambda t: t.replace("RATE: float = 0.5\n", "") + "RATE = 0.5\n",
    "imports for annotations": lambda t: (
        "from typing import Any\n" + t.replace("(x)", "(x: Any)", 1)
    ),
    "imports for the log": lambda t: (
        "import sys\n" + t.replace("    if", "    print(sys.path)\n    if")
    ),
    "a line on standard error": lambda t: t.replace(
        "    if", "    print(x, file=sys.stderr)\n    if"
    ),
    "a line for the log now and then": lambda t: t.replace(
        "    if", "    if len(x) > 8:\n        logger.error(x)\n    if"
    ),
}
OTHER = {
    "a constant": lambda t: t.replace("0.5", "0.25"),
    "another function": lambda t: t.replace("np.exp", "np.expm1"),
    "the module of a name": lambda t: t.replace("import numpy as np", "import torch as np"),
    "another error": lambda t: t.replace("ValueError", "KeyError"),
    "a field that is none": lambda t: t.replace("size: int = 3", "size = 3"),
    "a printed result": lambda t: t.replace("    if", "    print(x, file=open('r', 'w'))\n    if"),
    "a branch that runs": lambda t: t + "\nif TYPE_CHECKING:\n    pass\nelse:\n    RATE = 2\n",
    "a name in a printed line": lambda t: t.replace("    if", "    print(x := 3)\n    if"),
    "a method called info": lambda t: t.replace("    if", "    x.info()\n    if"),
    "another decorator": lambda t: t.replace("class", "@cache\n@register('cache')\nclass"),
    "text that is used": lambda t: t + "\nNAME = f'{RATE:.2f}'\n",
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_the_same_meaning(written, edit):
    assert edit(BEFORE) != BEFORE
    assert written(edit(BEFORE)) == written(BEFORE)


@pytest.mark.parametrize("edit", OTHER.values(), ids=OTHER)
def test_another_meaning(written, edit):
    assert edit(BEFORE) != BEFORE
    assert written(edit(BEFORE)) != written(BEFORE)


def test_imported_modules_and_named_files_count(written):
    text = "import other\nTEMPLATE = 'page.jinja'\n"
    files = {"other": "A = 1\n", "page.jinja": "a"}
    before = written(text, **files)
    assert written(text, **{**files, "other": "A = 1  # one\n"}) == before
    assert written(text, **{**files, "other": "A = 2\n"}) != before
    assert written(text, **{**files, "page.jinja": "b"}) != before


TWO = {
    "a": "def f(): return 1\n\ndef g(): return 2\n",
    "b": "def f(): return 3\n\ndef g(): return 4\n",
}
PAIRS = {
    "names from two modules": (
        "from a import f\nfrom b import g\n",
        "from b import f\nfrom a import g\n",
    ),
    "a name under another": ("from a import f as h, g\n", "from a import g as h, f\n"),
    "a module under another name": ("import a as m, b\n", "import b as m, a\n"),
    "the order of statements": ("D = {}\nD[0] = 1\nD[0] = 2\n", "D = {}\nD[0] = 2\nD[0] = 1\n"),
    "the order of values of a name": ("X = 1\nX = 2\n", "X = 2\nX = 1\n"),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_what_is_swapped_counts(written, one, other):
    assert written(one, **TWO) != written(other, **TWO)


def test_modules_of_a_user_s_package_and_files_below_it_count(written):
    text = "from net.layers import N\nWEIGHTS = 'data/w.txt'\n"
    before = written(text, main="net/__init__.py", **{"net/layers.py": "N = 1\n"})
    assert written(text, main="net/__init__.py", **{"net/layers.py": "N = 2\n"}) != before
    data = {"data/w.txt": "1"}
    assert written(text, **data) != written(text, **{"data/w.txt": "2"})


def test_swapped_contents_of_two_plug_ins_count(copy):
    folder, before = copy
    files = [folder / f"workflow/src/sigmoid_bce/figures/cell/figure_{n}.py" for n in (4, 5)]
    texts = [file.read_text() for file in files]
    for file, text in zip(files, reversed(texts), strict=True):
        file.write_text(text)
    try:
        after = digests(folder)
    finally:
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
    assert [a != b for a, b in zip(after, before, strict=True)] == [
        n == "figure_cell" for n in NAMES
    ]


def test_a_name_s_other_origin_counts(copy):
    edit = swap("import headed", "import _other as headed")
    assert moved(copy, "src/sigmoid_bce/models/networks.py", edit) == {"train"}
