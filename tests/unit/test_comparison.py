"""The comparison's columns, recomputed in higher precision, and its tables."""

import mpmath
import numpy as np
import pandas as pd

from sigmoid_bce.comparison import compare, summary
from sigmoid_bce.study.cells import Cell


def raw_table(x, y):
    return pd.DataFrame(
        {
            "sample_id": np.arange(len(x)),
            "label": np.asarray(y, np.int8),
            "split": ["train"] * len(x),
            "raw_output": np.asarray(x, np.float32),
        }
    )


def test_columns_against_higher_precision():
    rng = np.random.default_rng(3)
    x = np.float32(rng.uniform(-40, 40, 400))
    y = rng.integers(0, 2, 400)
    table = compare.samples(raw_table(x, y))
    with mpmath.workprec(300):
        sign = [1 if label else -1 for label in y]
        p = [1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))) for v in x]
        loss = [
            mpmath.log1p(mpmath.exp(-s * mpmath.mpf(float(v))))
            for s, v in zip(sign, x, strict=True)
        ]
        grad = [q - int(label) for q, label in zip(p, y, strict=True)]
        np.testing.assert_array_equal(table["bce_exact"], [float(v) for v in loss])
        np.testing.assert_array_equal(table["grad_exact"], [float(v) for v in grad])
    np.testing.assert_allclose(table["sigmoid"], [float(v) for v in p], rtol=3e-7)
    np.testing.assert_allclose(table["bce_raw"], table["bce_exact"], rtol=5e-7)
    np.testing.assert_allclose(table["grad_raw"], table["grad_exact"], rtol=1e-4)


def test_clipped_and_dead_on_both_sides():
    table = compare.samples(raw_table([-30, -30, 30, 30, 5], [0, 1, 0, 1, 1]))
    assert list(table["clipped"]) == [True] * 4 + [False]
    assert list(table["dead"]) == [True] * 4 + [False]
    assert (table["bce_sigmoid"][[1, 2]] < 17).all()  # the true loss is 30
    assert (table["bce_raw"][[1, 2]] == 30).all()


def test_batches_are_means():
    rng = np.random.default_rng(5)
    table = compare.samples(raw_table(rng.normal(0, 8, 50), rng.integers(0, 2, 50)))
    batches = compare.batches(table, [4, 50], seed=1)
    assert batches["batch_size"].value_counts().to_dict() == {4: 12, 50: 1}
    whole = batches[batches["batch_size"] == 50].iloc[0]
    assert np.isclose(whole["bce_exact"], table["bce_exact"].mean(), rtol=1e-14)
    assert batches["bce_raw"].dtype == np.float32
    pd.testing.assert_frame_equal(batches, compare.batches(table, [4, 50], seed=1))


def test_summary_counts_by_side():
    raw = raw_table([-30, 30, 30, 1], [1, 1, 0, 0])
    (row,) = summary.stage_rows(
        Cell("d", "m", "logits", 4, 0), "full", 9, 2, raw, compare.samples(raw)
    )
    assert row["accuracy"] == 0.25
    assert row["clipped_correct_share"] == 0.25
    assert row["dead_wrong_share"] == 0.5
    assert row["quarantined"] == 2
    assert np.isclose(row["bce_sigmoid_error_max"], 30 - 15.942385, rtol=1e-6)
