"""The laboratory as a whole: every framework, one more added as a file, and the record."""

import os

import ml_dtypes
import mpmath
import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.numerics.catalogue import DTYPES
from sigmoid_bce.numerics.names import BCE, TITLES
from sigmoid_bce.numerics.record import PLACES, PROCESSORS
from sigmoid_bce.numerics.tables import KEY, read_all, read_thresholds
from support.brought import sigmoid_bce
from support.checkout import ROOT, checkout, snakemake

RECORD = ROOT / "tests/record/thresholds.csv"
INSTALLED = [name for name in frameworks.names() if None not in frameworks.versions(name).values()]
MINE = '''"""A clip at 1e-4, by hand."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "mine"
PACKAGES = ("numpy",)
INSTEAD = "anything else"


def clipped(x, y):
    p = 1 / (1 + np.exp(-x))
    inside = (p > 1e-4) & (p < 1 - 1e-4)
    q = np.clip(p, 1e-4, 1 - 1e-4)
    loss = -(y * np.log(q) + (1 - y) * np.log(1 - q))
    return loss, np.where(inside, p - y, 0)


def implementations():
    return [Implementation("clip at 1e-4", clipped, ("float32", "float64"))]
'''


@pytest.fixture(scope="module")
def numerics(tmp_path_factory):
    """Return the numerics of a checkout to which a framework was added."""
    folder = checkout(tmp_path_factory.mktemp("laboratory"))
    (folder / "workflow/src/sigmoid_bce/numerics/frameworks/mine.py").write_text(MINE)
    snakemake(folder, "numerics", seconds=1800)  # another worker may take half of the cores
    return folder / "results/default/numerics"


@pytest.fixture(scope="module")
def implementations(numerics):
    return pd.read_csv(numerics / "implementations.csv", dtype=str).fillna("")


@pytest.fixture(scope="module")
def sweep(numerics):
    return pd.read_parquet(numerics / "sweep.parquet")


def test_nothing_is_left_out(implementations):
    titles = {catalogue.module(name).TITLE for name in frameworks.names()}
    assert set(implementations["framework"]) == titles | {"mine"}
    missing = implementations[implementations["status"] != "measured"]
    assert missing["status"].str.fullmatch("not measured: .* not installed").all(), missing
    if os.environ.get("SIGMOID_BCE_CI"):
        # `make soak` installs these
        assert set(missing["framework"]) <= {"CatBoost", "PaddlePaddle", "TensorFlow.js"}, (
            missing.to_string()
        )
    # the default install has these
    for name in ("Keras on TensorFlow", "TensorFlow", "NumPy", "SciPy", "scikit-learn"):
        assert name not in set(missing["framework"])


def test_a_framework_of_ones_own_is_one_file(numerics):
    table = read_thresholds(numerics / "thresholds.csv")
    mine = table[(table["framework"] == "mine") & table["y"].isin([0, 1])]
    edge = np.log((1 - 1e-4) / 1e-4)
    for place in ("gradient_zero", "loss_flat"):
        assert mine[place].to_numpy() == pytest.approx(edge, rel=1e-4)
    found = pd.read_csv(numerics / "findings.csv")
    kinds = set(found.loc[found["framework"] == "mine", "finding"])
    assert {"dead when wrong", "flat", "understated", "double gains nothing"} <= kinds


def test_the_sweep_is_the_contract_s(sweep, implementations):
    names = "implementation framework version objective mode dtype y x loss gradient loss_exact"
    names += " gradient_exact loss_ulp gradient_ulp"
    assert list(sweep.columns) == names.split()
    single = sweep[(sweep["dtype"] == "float32") & sweep["y"].isin([0, 1])]
    grids = {step: np.arange(-120, 120 + step, step) for step in (1 / 64, 1 / 16)}
    programs = single.groupby(["framework", "implementation", "mode", "y"], observed=True)
    for (*_, mode, _), part in programs:
        assert np.isin(grids[1 / 16 if "a sample a" in mode else 1 / 64], part["x"]).all()
        assert part["x"].is_unique
    measured = implementations[implementations["status"] == "measured"]
    assert len(measured) == len(sweep[["framework", *KEY[:1], "mode", "dtype"]].drop_duplicates())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_exact_values_and_ulps_of_the_sweep(sweep, dtype):
    table = sweep[sweep["dtype"] == dtype].sample(120, random_state=1)
    info = ml_dtypes.finfo(DTYPES[dtype])
    with mpmath.workprec(3000):
        for row in table.itertuples():
            x, y = mpmath.mpf(row.x), mpmath.mpf(row.y)
            truth = mpmath.log1p(mpmath.exp(-abs(x))) + (x * (1 - y) if x > 0 else -x * y)
            exponent = max(mpmath.frexp(truth)[1] - 1, int(info.minexp)) - info.nmant
            unit = mpmath.ldexp(1, exponent)
            assert abs(mpmath.mpf(row.loss_exact) - truth) <= unit / 2
            if np.isfinite(row.loss):
                error = abs(mpmath.mpf(row.loss) - truth) / unit
                assert row.loss_ulp == pytest.approx(float(error), rel=1e-5, abs=1e-2)


def test_evaluate_sample_by_sample_agrees_with_the_step_of_many(sweep):
    """Kernels differ by the length of a batch, so both are measured."""
    keras = sweep[
        (sweep["framework"] == "Keras on TensorFlow")
        & (sweep["implementation"] == "Dense(1, sigmoid), BinaryCrossentropy()")
        & (sweep["dtype"] == "float32")
        & sweep["y"].isin([0, 1])
    ]
    both = keras.pivot_table(index=["y", "x"], columns="mode", values="loss", observed=True)
    one, many = both["evaluate, a sample a batch"], both["graph"]
    common = one.notna() & many.notna() & (many > 1e-37)
    assert common.sum() > 6_500
    np.testing.assert_allclose(one[common], many[common], rtol=1e-6)


def moved(both, place):
    """Return which rows have another threshold now."""
    a, b = both[f"{place}_then"], both[f"{place}_now"]
    return (a.isna() != b.isna()) | ((a - b).abs() > 0.02 * a.abs())


def test_thresholds_are_those_of_the_record(numerics):
    """If not, the message says which threshold moved, from where, to where, by which release."""
    key = ["framework", "implementation", "mode", "dtype", "y", "side"]
    now, then = read_thresholds(numerics / "thresholds.csv"), read_thresholds(RECORD)
    now = now[now["y"].isin([0, 1]) & now["framework"].isin(then["framework"])]
    then = then[then["framework"].isin(now["framework"])]
    both = then.merge(now, on=key, how="outer", suffixes=("_then", "_now"), indicator=True)
    lines = [
        f"{row['_merge']}: {tuple(row[key])}"
        for _, row in both[both["_merge"] != "both"].iterrows()
    ]
    # in float16 TensorFlow's results depend on the processor: either all rows differ or none
    other = read_all([PROCESSORS]).merge(now, on=key, suffixes=("_then", "_now"))
    known = [place for place in PLACES if f"{place}_then" in other]
    as_there = not any(moved(other, place).any() for place in known)
    known = set(other[key].itertuples(index=False, name=None)) if as_there else set()
    for place in PLACES:
        lines += [
            f"{tuple(row[key])}: {place} {row[f'{place}_then']:.9g} ({row['version_then']}) -> "
            f"{row[f'{place}_now']:.9g} ({row['version_now']})"
            for _, row in both[moved(both, place) & (both["_merge"] == "both")].iterrows()
            if tuple(row[key]) not in known
        ]
    assert not lines, (
        "thresholds differ from the record; `make record` accepts the new ones:\n"
        + "\n".join(lines)
    )


@pytest.mark.parametrize("name", ["keras_numpy", "torchvision"])
def test_other_losses_are_those_of_the_record(name, tmp_path):
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    wanted = [word for one in TITLES if one != BCE for word in ("--objective", one)]
    done = sigmoid_bce(tmp_path, "measure", name, *wanted, "--against", "record")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "nothing moved" in done.stdout


def test_special_values_are_reported_as_they_behave(numerics):
    special = pd.read_csv(numerics / "special.csv")
    assert set(special["x"].dropna()) == {-np.inf, np.inf}
    assert special["x"].isna().any()
    raising = special["raises"].notna()
    assert special.loc[~raising & special["x"].isna(), "loss"].isna().mean() > 0.5


def test_the_reference_says_how_often_it_fell_back(numerics):
    share = pd.read_csv(numerics / "reference.csv").set_index(["dtype", "quantity"])
    share = share["fallback_share"]
    assert share["longdouble"].eq(1).all()
    assert share["float32"].lt(0.001).all()
    assert share["float64"].lt(0.1).all()


def test_figures_quote_what_was_measured(numerics):
    figures = numerics.parent / "figures"
    for name in ("figure-1", "figure-2", "figure-3", "gradient", "conformance", "ulp", "staircase"):
        assert (figures / f"{name}.svg").read_text().count("</text>") > 10
        assert (figures / f"{name}.png").stat().st_size > 20_000
    values = (figures / "figure-2.values.rst").read_text()
    # the article: 1 % from about 14.6, the limit at about 16.6, log(eps) = 15.9
    for number in ("14.7", "16.6", "15.9"):
        assert number in values
    assert "|ceiling| replace:: 16.1" in (figures / "figure-3.values.rst").read_text()
