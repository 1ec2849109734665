"""The catalogue: each file is complete, and imports its framework only when it is measured."""

import shutil
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.numerics import catalogue, frameworks, record, tables
from sigmoid_bce.numerics.measure import measure_framework

HEAVY = (
    *("tensorflow", "keras", "tf_keras", "torch", "jax", "xgboost", "lightgbm", "sklearn"),
    *("ai_edge_litert", "catboost", "mlx", "onnx", "onnxruntime", "openvino", "paddle"),
)


@pytest.mark.parametrize("name", frameworks.names())
def test_a_file_says_what_it_needs(name):
    module = catalogue.module(name)
    assert module.TITLE
    assert module.PACKAGES
    assert isinstance(module.INSTEAD, str)
    assert frameworks.packages(name) == module.PACKAGES
    assert list(frameworks.versions(name)) == list(module.PACKAGES)


def test_listing_frameworks_imports_none():
    code = (
        "import sys; from sigmoid_bce.numerics import catalogue, frameworks\n"
        "[catalogue.module(name) for name in frameworks.names()]\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_planning_runs_no_file_and_imports_no_numpy():
    code = (
        "import sys; from sigmoid_bce.numerics import frameworks\n"
        "[frameworks.versions(name) for name in frameworks.names()]\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('numpy', 'ml_dtypes', 'pandas')],"
        "[n for n in sys.modules if n.startswith(frameworks.__name__ + '.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


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
        ("TITLE = 'broken'; PACKAGES = ()", "broken.py: .* INSTEAD, implementations"),
    ],
)
def test_a_broken_file_is_named(broken, text, message):
    broken(text)
    with pytest.raises(UserError, match=message):
        catalogue.module("broken")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TITLE = 'broken", r"frameworks/broken.py, line 1: unterminated"),
        ("PACKAGE = ('numpy',)", "frameworks/broken.py: .* PACKAGES"),
        (
            "PACKAGES = (name,)",
            r"frameworks/broken.py: PACKAGES must be a tuple literal, found \(name,\)",
        ),
        ("PACKAGES = ('numpy')", "PACKAGES must be a tuple literal, found 'numpy'"),
        ("PACKAGES = (1,)", r"PACKAGES: expected a tuple .*, found \(1,\)"),
    ],
)
def test_a_file_with_other_packages_is_named_while_planning(broken, text, message):
    broken(text)
    with pytest.raises(UserError, match=message) as error:
        frameworks.versions("broken")
    assert "\n" not in str(error.value)


def test_a_package_that_is_not_installed_has_no_version(broken):
    broken("PACKAGES: tuple[str, ...] = ('numpy', 'no-such-package')")
    assert frameworks.versions("broken") == {"numpy": np.__version__, "no-such-package": None}


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
    """A column would be broadcast against the reference to a matrix, of 64 GiB in a search."""
    entry = catalogue.Implementation("column", function)
    with pytest.raises(ValueError, match=f"column: expected .* found {found}"):
        entry(np.ones(3, np.float32), 1.0)


@pytest.mark.parametrize("dtypes", ["float32", ("float8",)])
def test_unknown_dtypes_are_refused(dtypes):
    with pytest.raises(ValueError, match="expected a tuple of float16"):
        catalogue.Implementation("some", lambda x, y: (x, None), dtypes)


OPTIONAL = (
    *("torch", "jax", "jaxlib", "optax", "tf_keras", "xgboost", "lightgbm"),
    *("ai-edge-litert", "catboost", "mlx", "onnx", "onnxruntime", "openvino", "paddlepaddle"),
    *("torchvision", "kornia", "timm"),
    "npm:@tensorflow/tfjs",
)
DEFAULT = [n for n in frameworks.names() if not set(catalogue.module(n).PACKAGES) & set(OPTIONAL)]


def test_the_default_install_has_these():
    assert {"keras_tensorflow", "tensorflow", "numpy", "scipy", "scikit_learn"} <= set(DEFAULT)


@pytest.mark.parametrize("name", DEFAULT)
def test_the_default_install_is_enough(name):
    """A framework needs no package that its file does not list."""
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import pandas as pd
from sigmoid_bce.numerics import catalogue, reference
for entry in catalogue.module({name!r}).implementations():
    name = entry.dtypes[0]
    loss, _ = entry(np.zeros(2, catalogue.DTYPES[name]), 1.0)
    exact = reference.loss([0.0], [1.0], "float64", entry.objective)
    assert abs(loss[0] - exact[0]) < 0.01, entry
print("measured")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("measured"), done.stderr[-2000:]


FILES = ("sweep", "thresholds", "special", "implementations")
ENTRIES = """
import numpy as np
from sigmoid_bce.numerics.catalogue import Implementation
TITLE, INSTEAD = "broken", ""
PACKAGES = {packages}
def implementations():
    def raising(x, y):
        raise RuntimeError("first line\\nsecond line")
    def zero(x, y):
        return 0 * x, None
    {body}
"""
MEASURED = [
    ("raise ImportError('no such library')", ["failed: ImportError: no such library"]),
    ("return []", ["not measured: no implementations"]),
    (
        "n = iter(range(10**6))\n"
        "    unsure = lambda x, y: (x * 0 + next(n), None)\n"
        "    return [Implementation('a', unsure), Implementation('b', zero, soft=False)]",
        [
            "not repeatable: the loss of raw output -0 and label 0 is 0 in one call and 18 in the "
            "next",
            "measured",
        ],
    ),
    (
        "return [Implementation('raises', raising), Implementation('zero', zero, soft=False)]",
        ["failed: RuntimeError: first line", "measured"],
    ),
]


@pytest.mark.parametrize(("body", "status"), MEASURED)
def test_a_failure_is_a_status_and_stops_nothing(broken, tmp_path, body, status):
    broken(ENTRIES.format(packages=("numpy",), body=body))
    files = {name: tmp_path / name for name in FILES}
    measure_framework("broken", **files)
    found = pd.read_csv(files["implementations"])
    assert list(found) == tables.STATUS
    assert list(found["status"]) == status
    assert set(found["version"]) == {np.__version__}
    measured = "measured" in status
    assert len(tables.read_thresholds(files["thresholds"])) == 4 * measured  # labels and sides
    assert len(pd.read_csv(files["special"])) == 6 * measured
    assert list(pd.read_parquet(files["sweep"])) == tables.SCHEMA.names


def test_a_framework_that_is_not_installed_is_not_imported(broken, tmp_path):
    broken(ENTRIES.format(packages=("numpy", "no-such-package"), body="1 / 0"))
    files = {name: tmp_path / name for name in FILES}
    measure_framework("broken", **files)
    found = pd.read_csv(files["implementations"])
    assert list(found["status"]) == ["not measured: no-such-package not installed"]


def test_merged_tables(broken, tmp_path):
    broken(ENTRIES.format(packages=("numpy",), body=MEASURED[-1][0]))
    one = {name: tmp_path / f"{name}-1" for name in FILES}
    measure_framework("broken", **one)
    broken(ENTRIES.format(packages=("numpy",), body="return []"))
    none = {name: tmp_path / f"{name}-2" for name in FILES}
    measure_framework("broken", **none)
    for name in FILES[1:]:
        both = tables.read_all([none[name], one[name]])
        assert len(both) == len(pd.read_csv(one[name])) + (name == "implementations")
    tables.merge_sweeps([none["sweep"], one["sweep"]], tmp_path / "sweep")
    assert parquet.read_table(tmp_path / "sweep").equals(parquet.read_table(one["sweep"]))


def test_the_record_keeps_hard_labels_to_nine_digits(tmp_path):
    row = dict.fromkeys(tables.THRESHOLDS, "")
    row |= {"from_sigmoid": True, "has_gradient": True, "gradient_by_hand": False, "side": "wrong"}
    row |= {"version": "2.1", "objective": "bce", "processor": "P", "loss_off": 1 / 3}
    path, kept, others = (tmp_path / f"{name}.csv" for name in ("new", "record", "processors"))
    pd.DataFrame([{**row, "y": 0.125}, {**row, "y": 1.0}]).to_csv(path, index=False)
    for file in (kept, others):
        pd.DataFrame(columns=tables.THRESHOLDS).to_csv(file, index=False)
    record.keep(path, kept, others)
    found = tables.read_thresholds(kept)
    assert found["y"].tolist() == [1.0]
    assert found["loss_off"].tolist() == [0.333333333]
    assert found["date"].tolist() == [date.today().isoformat()]
    assert found["differs_on"].isna().all()
    assert not len(pd.read_csv(others))


def test_the_record_says_which_rows_depend_on_the_processor(tmp_path):
    row = dict.fromkeys(tables.THRESHOLDS, "")
    row |= {"from_sigmoid": True, "has_gradient": True, "gradient_by_hand": False, "side": "wrong"}
    row |= {"version": "2.1", "y": 1.0}
    path, kept, others = (tmp_path / f"{name}.csv" for name in ("new", "record", "processors"))
    pd.DataFrame(columns=tables.THRESHOLDS).to_csv(others, index=False)
    same, moving = {"implementation": "same", "loss_off": 4}, {"implementation": "moving"}
    first = [{**same}, {**moving, "loss_off": 4}]
    second = [{**same, "loss_off": 4.04}, {**moving, "loss_off": 5}]
    renewed = [{**same}, {**moving, "version": "2.2", "loss_off": 6}]
    expected = [("P", first, ["", ""]), ("Q", second, ["", "P"]), ("Q", second, ["", "P"]),
                ("P", first, ["", "Q"]), ("Q", renewed, ["", ""])]  # fmt: skip
    (kept).write_text(others.read_text())
    for processor, rows, names in expected:
        pd.DataFrame([{**row, **r, "processor": processor} for r in rows]).to_csv(path, index=False)
        record.keep(path, kept, others)
        found = pd.read_csv(kept, keep_default_na=False)
        assert found["differs_on"].tolist() == names, processor
        assert len(pd.read_csv(others)) == sum(map(bool, names))


def test_only_thresholds_become_the_record(tmp_path):
    with pytest.raises(UserError, match="does not exist: run `make numerics` first"):
        record.keep(tmp_path / "thresholds.csv")
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(UserError, match=r"history.csv: not a table of thresholds: .* side"):
        record.keep(tmp_path / "history.csv")


def test_the_record_grows_without_what_it_has(tmp_path):
    before = tables.read_all([tables.RECORD])
    known = before[before["framework"] == "SciPy"]
    old = before[before["framework"] == "XGBoost"].assign(version="1.0")
    moved = known.assign(processor="P", loss_off=known["loss_off"] * 2)
    new = known.head(4).assign(objective="focal", processor="P")
    path, kept, others = (tmp_path / f"{name}.csv" for name in ("new", "record", "processors"))
    pd.concat([moved, new, old]).to_csv(path, index=False)
    before.to_csv(kept, index=False)
    shutil.copy(record.PROCESSORS, others)
    record.keep(path, kept, others, add=True)
    found = pd.read_csv(kept, keep_default_na=False)
    assert len(found) == len(before) + len(new)
    assert set(found.loc[found["framework"] == "XGBoost", "version"]) == {"1.0"}
    scipy = found[found["framework"] == "SciPy"]
    assert list(scipy.index) == list(range(scipy.index[0], scipy.index[0] + len(scipy)))
    stayed = scipy[scipy["objective"] == "bce"]
    assert set(stayed["processor"]) == set(known["processor"])
    elsewhere = known["loss_off"].notna().to_numpy()
    assert elsewhere.any()
    assert (stayed["differs_on"].str.contains("P$") == elsewhere).all()
    assert (pd.read_csv(others)["processor"] == "P").sum() == elsewhere.sum()
