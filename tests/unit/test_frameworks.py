"""The catalogue: complete entries, and files that import no framework until it is measured."""

import subprocess
import sys

import numpy as np
import pytest

from sigmoid_bce.numerics import catalogue, frameworks

HEAVY = ("tensorflow", "keras", "tf_keras", "torch", "jax", "xgboost", "lightgbm", "sklearn")


@pytest.mark.parametrize("name", frameworks.names())
def test_a_file_says_what_it_needs(name):
    module = catalogue.module(name)
    assert module.TITLE
    assert module.PACKAGES
    assert isinstance(module.INSTEAD, str)
    assert list(catalogue.versions(name)) == list(module.PACKAGES)


def test_listing_frameworks_imports_none():
    code = (
        "import sys; from sigmoid_bce.numerics import catalogue, frameworks\n"
        "[catalogue.versions(name) for name in frameworks.names()]\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["exact", "history", "numpy", "scipy", "scikit_learn"])
def test_entries_name_formula_source_and_no_pair_twice(name):
    entries = catalogue.module(name).implementations()
    assert len({(e.name, e.mode) for e in entries}) == len(entries)
    for entry in entries:
        assert entry.formula
        assert entry.source
        assert set(entry.dtypes) <= set(catalogue.DTYPES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TITLE = 'broken", "frameworks/broken.py: SyntaxError"),
        ("import no_such_module", "frameworks/broken.py: ModuleNotFoundError"),
        ("TITLE = 'broken'; PACKAGES = ()", "INSTEAD, implementations missing"),
    ],
)
def test_a_broken_file_is_named(monkeypatch, tmp_path, text, message):
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.setattr(frameworks, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{frameworks.__name__}.broken", raising=False)
    assert frameworks.names() == ["broken"]
    with pytest.raises(ImportError, match=message):
        catalogue.module("broken")


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x, y: (x[:, None], x[:, None]), r"\(4096, 1\) and \(4096, 1\)"),
        (lambda x, y: (x.mean(), None), r"\(\) and None"),
        (lambda x, y: x, r"\(\) and \(\)"),
        (lambda x, y: (None, x), r"None and \(4096,\)"),
    ],
)
def test_other_shapes_are_refused(function, found):
    """A column against the truth's row would be a matrix, of 64 GiB in a search."""
    entry = catalogue.Implementation("column", function)
    with pytest.raises(ValueError, match=f"column: expected .* found {found}"):
        entry(np.ones(3, np.float32), 1.0)


@pytest.mark.parametrize("dtypes", ["float32", ("float8",)])
def test_unknown_dtypes_are_refused(dtypes):
    with pytest.raises(ValueError, match="expected a tuple of float16"):
        catalogue.Implementation("some", lambda x, y: (x, None), dtypes)
