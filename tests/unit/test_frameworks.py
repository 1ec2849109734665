"""The catalogue: complete entries, and files that import no framework until it is measured."""

import subprocess
import sys

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
