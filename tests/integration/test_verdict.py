"""The verdict's door: raw outputs of real models, as files, and the numbers worked out again."""

import re
import shutil
import subprocess
import sys

import mpmath
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from pyarrow import parquet
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sigmoid_bce.verdicts.shares import RECORD
from support.checkout import ROOT

KEYS = ["implementation", "framework", "version", "mode", "dtype"]


def verdict(folder, *arguments, check=True, limit=""):
    command = f"{limit} exec {sys.prefix}/bin/sigmoid-bce verdict {' '.join(map(str, arguments))}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def shares(x, y):
    """Return counts of clipped and dead samples by side, straight from the record."""
    record = pd.read_csv(RECORD, keep_default_na=False, na_values=[""], dtype={"version": str})
    record = record[record["objective"] == "bce"]
    record[KEYS] = record[KEYS].fillna("")
    wanted = {}
    for row in record[record["y"].isin([0, 1])].to_dict("records"):
        agrees = (x > 0) == (row["y"] == 1)
        here = (y == row["y"]) & (agrees if row["side"] == "correct" else ~agrees)
        key = tuple(row[k] for k in KEYS)
        for column, name in (("loss_flat", "clipped"), ("gradient_zero", "dead")):
            # in float64: NumPy would round the threshold to the precision of x
            hits = int((here & (np.abs(x.astype(float)) >= row[column])).sum())  # nan: none
            if name == "dead" and not row["has_gradient"]:
                hits = np.nan
            name = f"{name}_{row['side']}_share"
            wanted.setdefault(key, {}).setdefault(name, 0)
            wanted[key][name] += hits
    return wanted


def assert_right(table, x, y):
    table = table.fillna({"mode": ""}).set_index(KEYS)
    wanted = shares(x, y)
    assert set(table.index) == set(wanted)
    for key, counts in wanted.items():
        for name, count in counts.items():
            found = table.loc[key, name] * len(x)
            np.testing.assert_allclose(found, count, atol=1e-6, err_msg=f"{key}, {name}")


def mean_loss(x, y):
    with mpmath.workprec(200):
        terms = [
            mpmath.log1p(mpmath.exp(-mpmath.mpf(float(a)) * (1 if b else -1)))
            for a, b in zip(x, y, strict=True)
        ]
        return float(mpmath.fsum(terms) / len(terms))


def tables(folder):
    text = dict.fromkeys([*KEYS, "label"], str)
    return tuple(
        pd.read_csv(
            folder / f"tables/{name}.csv", dtype=text, keep_default_na=False, na_values=[""]
        )
        for name in ("outputs", "implementations", "batches")
    )


@pytest.fixture(scope="module")
def cancer():
    data, labels = load_breast_cancer(return_X_y=True)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(data, labels)
    boosted = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(
        data[::2], labels[::2]
    )
    return labels, linear.decision_function(data), boosted.decision_function(data)


def test_logistic_regression_through_make(tmp_path, cancer):
    labels, x, _ = cancer
    pd.DataFrame({"id": range(len(x)), "target": labels, "score": x}).to_csv(tmp_path / "a.csv")
    done = subprocess.run(
        [
            *("make", "--silent", "--old-file=install", "verdict", f"BIN={sys.prefix}/bin"),
            *(f"RAW={tmp_path}/a.csv", "LABEL=target", "RAW_OUTPUT=score", f"TO={tmp_path}/out"),
        ],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out"
    outputs, implementations, batches = tables(folder)
    assert_right(implementations, x, labels)
    (row,) = outputs.to_dict("records")
    assert row["samples"] == len(x)
    assert np.isclose(row["mean_loss"], mean_loss(x, labels), rtol=1e-12)
    assert row["raw_output_min"] == x.min()  # float64, as written
    assert np.isclose(row["correct_share"], ((x > 0) == (labels == 1)).mean())
    assert list(batches["batch_size"]) == [1, 4, 20, 128]
    # the single sample that is furthest off, in the file's precision
    p = np.clip(1 / (1 + np.exp(-x)), 1e-7, 1 - 1e-7)
    bce = -np.log(np.where(labels == 1, p, 1 - p))
    exact = np.logaddexp(0, np.where(labels == 1, -x, x))
    single = batches["relative_error_max"].iloc[0]
    assert np.isclose(single, (np.abs(bce - exact) / exact).max(), rtol=1e-6)

    words = (folder / "verdict.txt").read_text()
    assert words in done.stdout
    assert "mistakes (raw outputs of the wrong sign)" in words
    assert max(map(len, words.splitlines())) <= 100
    page = (folder / "verdict.html").read_text()
    for name in ("figure-4", "figure-5", "figure-6", "batch-mean"):
        assert (folder / f"figures/{name}.svg").read_text().count("</text>") > 10
        assert (folder / f"figures/{name}.png").stat().st_size > 15_000
    assert page.count('src="data:image/svg+xml') == 4
    assert not re.findall(r'(?:src|href)="(?!data:)', page)  # the page stands alone


def test_gradient_boosting(tmp_path, cancer):
    labels, _, x = cancer
    pd.DataFrame({"label": labels, "raw_output": x}).to_parquet(tmp_path / "Boosted 1.parquet")
    verdict(tmp_path, "'Boosted 1.parquet'")
    outputs, implementations, _ = tables(tmp_path / "results/verdict-boosted-1")
    assert_right(implementations, x, labels)
    assert (implementations["clipped_correct_share"] > 0.1).any()
    assert np.isclose(outputs["mean_loss"].iloc[0], mean_loss(x, labels), rtol=1e-12)


def test_digits_as_three_labels(tmp_path):
    images, digits = load_digits(return_X_y=True)
    attributes = {
        "odd": digits % 2 == 1,
        "above_four": digits > 4,
        "has_a_loop": np.isin(digits, [0, 6, 8, 9]),
    }
    table, raw = {}, {}
    for name, labels in attributes.items():
        model = LogisticRegression(C=1000, max_iter=2000).fit(images[:1200] / 16, labels[:1200])
        raw[name] = model.decision_function(images / 16)
        table |= {f"label_{name}": labels.astype(int), f"raw_output_{name}": raw[name]}
    pd.DataFrame(table).to_csv(tmp_path / "digits.csv", index=False)
    done = verdict(tmp_path, "digits.csv")
    assert "of 3 labels" in done.stdout
    outputs, implementations, batches = tables(tmp_path / "results/verdict-digits")
    assert list(outputs["label"]) == [*attributes, "all"]
    for name, labels in attributes.items():
        part = implementations[implementations["label"] == name].drop(columns="label")
        assert_right(part, raw[name], labels.astype(int))
    x, y = (np.concatenate(list(part.values())) for part in (raw, attributes))
    total = implementations[implementations["label"] == "all"].drop(columns="label")
    assert_right(total, x, y.astype(int))
    assert np.isclose(outputs["mean_loss"].iloc[-1], mean_loss(x, y), rtol=1e-12)
    # a batch of 4 is 4 rows of 3 labels
    assert batches.set_index("batch_size").loc[4, "batches"] == len(digits) // 4
    assert (tmp_path / "results/verdict-digits/figures/labels.svg").exists()


def test_pixels_of_a_photograph(tmp_path):
    """A flower against what is behind it, by a classifier of single pixels' colours."""
    photograph = load_sample_image("flower.jpg") / 255
    red, green, _ = np.moveaxis(photograph, 2, 0)
    flower = (red > 0.35) & (red > 1.3 * green)
    colours = photograph.reshape(-1, 3)
    model = LogisticRegression(C=1000).fit(colours[::50], flower.ravel()[::50])
    x = model.decision_function(colours).astype(np.float32).reshape(flower.shape)
    np.savez(tmp_path / "flower.npz", raw_output=x[None], label=flower[None])
    verdict(tmp_path, "flower.npz")
    folder = tmp_path / "results/verdict-flower"
    outputs, implementations, _ = tables(folder)
    assert outputs["samples"].iloc[0] == flower.size
    assert_right(implementations.drop(columns="label"), x.ravel(), flower.ravel().astype(int))
    assert "pixels" in (folder / "figures/figure-5.svg").read_text()
    assert (folder / "figures/map.png").stat().st_size > 50_000


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_rows(tmp_path, ending):
    rows = {"csv": 4_000_000, "parquet": 20_000_000}[ending]
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "label": rng.integers(0, 2, rows, np.int8),
            "raw_output": rng.normal(0, 8, rows).astype(np.float32),
        }
    )
    path = tmp_path / f"outputs.{ending}"
    if ending == "csv":
        pa.csv.write_csv(table, path)
    else:
        # one group of rows, which must not be in memory as a whole
        parquet.write_table(table, path, row_group_size=rows)
    # address space, in kB, of which libraries alone take most
    limit = "ulimit -v 1500000;"
    probe = f'{limit} exec {sys.executable} -c "{PEAK}" {path} --to {tmp_path}/out'
    done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{rows:,} raw outputs" in done.stdout
    assert int(re.search(r"peak (\d+)", done.stdout)[1]) < 800_000
    shutil.rmtree(tmp_path / "out")


PEAK = """
import sys
from sigmoid_bce.commands import main
main(['verdict', *sys.argv[1:]], standalone_mode=False)
print('peak', *[line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line])
"""


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("label,raw_output\n1,2\n0,0.5x\n")
    done = verdict(tmp_path, "a.csv", check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: a.csv: row 2 (line 3), column 'raw_output': expected a number, found '0.5x'\n"
    )
    assert not done.stdout
    (tmp_path / "p.csv").write_text("label,raw_output\n1,0.9\n0,0.5\n")
    done = verdict(tmp_path, "p.csv", check=False)
    assert done.returncode == 2
    assert "log(p) - log1p(-p)" in done.stderr
    assert not (tmp_path / "results").exists()
    verdict(tmp_path, "p.csv", "--really-raw")
    assert (tmp_path / "results/verdict-p/verdict.html").exists()
