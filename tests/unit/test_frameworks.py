"""The catalogue: complete entries, and files that import no framework until it is measured."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.numerics import measure as record

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


OPTIONAL = ("torch", "jax", "jaxlib", "optax", "tf_keras", "xgboost", "lightgbm")
DEFAULT = [n for n in frameworks.names() if not set(catalogue.module(n).PACKAGES) & set(OPTIONAL)]


def test_the_default_install_has_these():
    assert {"keras_tensorflow", "tensorflow", "numpy", "scipy", "scikit_learn"} <= set(DEFAULT)


@pytest.mark.parametrize("name", DEFAULT)
def test_the_default_install_is_enough(name):
    """What a framework's file does not list, it must not need."""
    code = f"""
import sys
from types import SimpleNamespace

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import pandas as pd
from sigmoid_bce.numerics import catalogue
for entry in catalogue.module({name!r}).implementations():
    loss, _ = entry(np.zeros(2, catalogue.DTYPES[entry.dtypes[0]]), 1.0)
    assert abs(loss[0] - np.log(2)) < 0.01, entry
print("measured")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("measured"), done.stderr[-2000:]


def test_a_framework_that_does_not_start_stops_no_other(tmp_path, monkeypatch):
    def broken():
        raise ImportError("no such library")

    module = SimpleNamespace(TITLE="broken", PACKAGES=("numpy",), implementations=broken)
    monkeypatch.setattr(catalogue, "module", lambda name: module)
    files = {n: tmp_path / n for n in ("sweep", "thresholds", "special", "implementations")}
    record.measure_framework("broken", **files)
    state = pd.read_csv(files["implementations"])["status"]
    assert list(state) == ["failed: ImportError: no such library"]
    assert record.read_thresholds(files["thresholds"]).empty
