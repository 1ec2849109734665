"""The verdict on raw outputs: counts against brute force, chunks, soft labels, bad input."""

import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pandas as pd
import pytest

import sigmoid_bce
from sigmoid_bce.numerics import reference
from sigmoid_bce.verdicts import count, shares, tally
from sigmoid_bce.verdicts.judge import judge
from sigmoid_bce.verdicts.outputs import CHUNK, BadOutputs, from_arrays
from sigmoid_bce.verdicts.read import from_file
from sigmoid_bce.verdicts.sample import Sample

RECORD = shares.read()
EDGES = shares.edges(RECORD)


def drawn(n, dtype=np.float32, seed=0, spread=12):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return ((2 * y - 1) * rng.normal(4, spread, n)).astype(dtype), y


def brute_force(x, y):
    """Return each implementation's shares by comparing every sample with its threshold."""
    size, correct, counted = np.abs(x.astype(np.float64)), np.where(y > 0.5, x > 0, x <= 0), {}
    rows = {}
    for place in RECORD.to_dict("records"):
        row = rows.setdefault(tuple(place[k] for k in shares.KEYS), {})
        here = (y == place["y"]) & (correct == (place["side"] == "correct"))
        for column, name in shares.SHARES.items():
            at = (place["y"], place["side"], place[column])
            if at not in counted:
                counted[at] = (size[here] >= place[column]).sum() / len(x)  # nan: none
            share = f"{name}_share" if name in ("nan", "inf") else f"{name}_{place['side']}_share"
            lacks = column.startswith("gradient") and not place["has_gradient"]
            row[share] = row.get(share, 0) + (np.nan if lacks else counted[at])
    return pd.DataFrame(rows.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares_are_those_of_every_sample(dtype):
    x, y = drawn(20_000, dtype)
    # the thresholds themselves and their neighbours
    edges = np.unique(np.concatenate(list(EDGES.at.values())))
    near = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, np.inf)])
    x = np.concatenate([x, near.astype(dtype), -near.astype(dtype)])
    x = x[np.abs(x) < 1e30]
    y = np.concatenate([y, np.arange(len(x) - len(y)) % 2])
    found = sigmoid_bce.verdict(x, y).to_frame()
    wanted = brute_force(x, y)
    assert (found["clipped_wrong_share"] > 0).any()
    for name in wanted.columns:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, err_msg=name)


def test_the_mean_loss_and_what_flat_losses_add_to_it():
    x, y = drawn(5000, np.float64)
    found = sigmoid_bce.verdict(x, y)
    exact = reference.loss(x, y.astype(float), "float64")
    assert np.isclose(found.outputs["mean_loss"].iloc[0], exact.mean(), rtol=1e-12)
    correct = np.where(y == 1, x > 0, x <= 0)
    table = found.to_frame().set_index(shares.KEYS)
    for key, part in RECORD.groupby(shares.KEYS, sort=False):
        change = 0.0
        for _, place in part.iterrows():
            here = (y == place["y"]) & (correct == (place["side"] == "correct"))
            flat = here & (np.abs(x) >= place["loss_flat"])
            if flat.any():
                change += (place["loss_flat_value"] - exact[flat]).sum()
        np.testing.assert_allclose(table.loc[key, "loss_change"], change / len(x), rtol=1e-9)


def test_chunks_of_any_size_give_the_same():
    x, y = drawn(70_000)
    whole = sigmoid_bce.verdict(x, y, name="x")
    for size in (1_000, 33_333):
        pairs = ((x[i : i + size], y[i : i + size]) for i in range(0, len(x), size))
        parts = sigmoid_bce.verdict(pairs, name="x")
        pd.testing.assert_frame_equal(whole.to_frame(), parts.to_frame(), rtol=1e-12)
        pd.testing.assert_frame_equal(whole.batches, parts.batches)
        assert repr(whole) == repr(parts)


def test_the_sample_is_even_whatever_the_chunks():
    kept = {}
    for size in (1, 977, 40_000):
        sample = Sample(500)
        for start in range(0, 40_000, size):
            rows = np.arange(start, min(start + size, 40_000), dtype=float)[:, None, None]
            sample.take(start, rows, rows)
        kept[size] = sample.arrays()[0].ravel()
    assert all(np.array_equal(kept[1], other) for other in kept.values())
    rows = kept[1]
    assert 250 < len(rows) <= 500
    # one in each block of 2**level rows
    blocks = np.bincount((rows // 128).astype(int))
    assert (blocks[:-1] == 1).all()
    assert 0.4 < np.mean(rows % 128 < 64) < 0.6


def test_histograms_count_every_sample():
    x, y = drawn(30_000)
    x[:3] = [400, -0.25, 1e-3]
    pairs = [(x[i : i + 7_000], y[i : i + 7_000]) for i in range(0, len(x), 7_000)]
    found = count.run(from_arrays(pairs), EDGES).total()
    edges = np.arange(-tally.HALF_BINS, tally.HALF_BINS + 1) * found.bin_width
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    for label in (0, 1):
        counts, _ = np.histogram(x[y == label], edges)
        np.testing.assert_array_equal(found.histogram[label], counts)
        bins = np.linspace(0, 1, tally.SIGMOID_BINS + 1)
        counts, _ = np.histogram(p[y == label], bins)
        np.testing.assert_array_equal(found.sigmoid_histogram[label], counts)
        ends = np.sort(x[y == label])
        np.testing.assert_array_equal(found.extremes[label][:5], ends[:5])
        np.testing.assert_array_equal(found.extremes[label][-5:], ends[-5:])


def test_soft_labels():
    x, _ = drawn(4000, np.float64)
    y = np.random.default_rng(1).choice([0, 0.2, 0.5, 0.9, 1], len(x))
    found = sigmoid_bce.verdict(x, y)
    exact = reference.loss(x, y, "float64")
    assert np.isclose(found.outputs["mean_loss"].iloc[0], exact.mean(), rtol=1e-12)
    sided = y != 0.5
    correct = np.where(y > 0.5, x > 0, x <= 0)
    assert np.isclose(found.outputs["correct_share"].iloc[0], correct[sided].mean())
    hard = brute_force(x[sided], (y[sided] > 0.5).astype(int))
    share = found.to_frame()["dead_correct_share"] * len(x)
    np.testing.assert_allclose(share, hard["dead_correct_share"] * sided.sum())
    assert found.to_frame()["loss_change"].isna().all()
    assert any("0.5" in text for text in found.warnings)


def test_shapes_are_labels_or_pixels():
    x, y = drawn(2 * 6 * 5 * 3)
    for shape, labels in (((60, 3), 3), ((2, 6, 15), 1), ((2, 6, 15, 1), 1), ((2, 6, 5, 3), 3)):
        found = sigmoid_bce.verdict(x.reshape(shape), y.reshape(shape))
        assert len(found.outputs) == (labels + 1 if labels > 1 else 1)
        assert found.outputs["samples"].iloc[-1] == x.size
        total = found.to_frame().query("label == 'all'")
        wanted = brute_force(x, y)
        np.testing.assert_allclose(total["clipped_wrong_share"], wanted["clipped_wrong_share"])
        for j in range(labels if labels > 1 else 0):
            one = found.to_frame().query(f"label == '{j}'")
            wanted = brute_force(x.reshape(-1, labels)[:, j], y.reshape(-1, labels)[:, j])
            np.testing.assert_allclose(one["clipped_wrong_share"], wanted["clipped_wrong_share"])


def test_a_batch_of_maps_is_a_mean_over_pixels():
    x, y = drawn(8 * 6 * 5, spread=20)
    batches = judge(from_arrays(x.reshape(8, 6, 5), y.reshape(8, 6, 5)))[3]
    assert batches["batch_size"].value_counts().to_dict() == {1: 8, 4: 2}
    exact = reference.loss(x.astype(float), y.astype(float), "float64").reshape(8, -1).mean(axis=1)
    single = batches[batches["batch_size"] == 1]["bce_exact"]
    np.testing.assert_allclose(np.sort(single), np.sort(exact), rtol=1e-12)


def test_float64_is_not_rounded_and_half_is_taken():
    x = np.array([16.5 + 1e-9, -3.25, 2.0])
    found = sigmoid_bce.verdict(x, [1, 0, 1])
    assert found.outputs["raw_output_max"].iloc[0] == x[0]
    for dtype in (np.float16, ml_dtypes.bfloat16, np.longdouble, np.int64):
        values = np.array([16, -3, 2]).astype(dtype)
        found = sigmoid_bce.verdict(values, np.array([True, False, True]))
        assert found.outputs["raw_output_max"].iloc[0] == 16


def test_a_frame_names_its_labels():
    x = pd.DataFrame({"cat": [3.0, -2.0], "dog": [-30.0, 4.0]})
    found = sigmoid_bce.verdict(x, x > 0)
    assert list(found.outputs["label"]) == ["cat", "dog", "all"]


def test_importing_stays_light():
    probe = "import sys, sigmoid_bce; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "tensorflow"} & set(done.stdout.split())
    probe = "import sys, sigmoid_bce as s; s.verdict([3., -2.], [1, 0]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "keras", "tensorflow"} & set(done.stdout.split())


def test_the_code_to_write_instead_is_right():
    """The advice for frameworks of the default install, executed far beyond the clip."""
    import scipy.special
    import tensorflow as tf
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([np.linspace(-700, 700, 501), np.linspace(-40, 40, 501)])
    y = np.arange(len(x)) % 2.0
    model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    model.coef_[:], model.intercept_[:] = 1, 0
    names = {"np": np, "scipy": scipy, "tf": tf, "model": model, "X": x[:, None], "x": x, "y": y}
    exact = reference.loss(x, y, "float64")
    lines = sigmoid_bce.verdict(x, y).instead
    for title in ("NumPy", "SciPy", "TensorFlow", "scikit-learn"):
        found = np.asarray(eval(lines[title], names))
        np.testing.assert_allclose(found, exact, rtol=2e-15, err_msg=title)


# --- files


def saved(folder, x, y, dtype=np.float32):
    """Write the same values as every kind of file."""
    x = x.astype(dtype)
    table = pd.DataFrame({"label": y, "raw_output": x})
    table.to_csv(folder / "a.csv", index=False)
    table.to_parquet(folder / "a.parquet")
    np.savez(folder / "a.npz", label=y, raw_output=x)
    np.savez_compressed(folder / "b.npz", label=y, raw_output=x)
    np.save(folder / "raw.npy", x)
    np.save(folder / "label.npy", y)
    for name in ("a.csv", "a.parquet", "a.npz", "b.npz"):
        yield from_file(folder / name)
    yield from_file(folder / "raw.npy", label=str(folder / "label.npy"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_kind_of_file_gives_the_same(tmp_path, dtype):
    x, y = drawn(3000, dtype)
    wanted = sigmoid_bce.verdict(x, y).to_frame()
    for outputs in saved(tmp_path, x, y, dtype):
        found = judge(outputs)[0].to_frame()
        pd.testing.assert_frame_equal(found, wanted, rtol=1e-6)


def test_several_labels_in_a_table(tmp_path):
    x, y = drawn(300)
    columns = {}
    for j, name in enumerate(["odd", "has_a_loop"]):
        columns[f"target_{name}"], columns[f"z_{name}"] = y[j::2], x[j::2]
    pd.DataFrame(columns).to_parquet(tmp_path / "a.parquet")
    outputs = from_file(tmp_path / "a.parquet", label="target", raw_output="z")
    assert outputs.labels == ("odd", "has_a_loop")
    found = judge(outputs)[0].to_frame().query("label == 'has_a_loop'")
    wanted = brute_force(x[1::2], y[1::2])
    np.testing.assert_allclose(found["dead_correct_share"], wanted["dead_correct_share"])


HEAD = "label,raw_output\n"
HALF = "label_a,raw_output_a,raw_output_b\n1,2,3\n"
X = "row 2 (line 3), column 'raw_output': "
Y = "column 'label': expected a "
BAD = {
    "column": ("label,score\n1,2\n", "column 'raw_output' is missing; there are 'label', 'score'"),
    "semicolons": ("label;raw_output\n1;2\n", "separate columns by commas"),
    "twice": ("label,raw_output,label\n1,2,1\n", "two columns are called 'label'"),
    "half": (HALF, "'label_b' is missing; there are 'label_a', 'raw_output_a', 'raw_output_b'"),
    "range": (HEAD + "1,2\n\n2,3\n", f"row 2 (line 4), {Y}label of 0 or 1, or between, found 2"),
    "signs": (HEAD + "1,2\n-1,3\n", "found -1; turn labels -1 and 1 into (label + 1) / 2"),
    "text": (HEAD + "1,2\n1,high\n", f"{X}expected a number, found 'high'"),
    "word": (HEAD + "cat,2\n", f"row 1 (line 2), {Y}number, found 'cat'"),
    "nan": (HEAD + "1,2\n1,nan\n", f"{X}expected a finite number, found nan"),
    "nan label": (HEAD + "nan,2\n", f"row 1 (line 2), {Y}label"),
    "huge": (
        HEAD + "1,2\n1,-1e40\n",
        f"{X}expected a finite number within float32's 3.4e+38, found -1e+40",
    ),
    "inf": (HEAD + "1,2\n1,-inf\n", f"{X}expected a finite number, found -inf"),
    "lines in a text": (
        'text,label,raw_output\n"two\nlines",1,2\n"a\nb",1,nan\n',
        "row 2 (line 5), column 'raw_output': expected a finite number, found nan",
    ),
    "missing": (HEAD + "1,2\n1,\n", f"{X}the value is missing"),
    "longer": (HEAD + "1,2\n1,3,4\n", "row 2 (line 3): expected 2 columns, found 3"),
    "shorter": (HEAD + "1,2\n1\n", "row 2 (line 3): expected 2 columns, found 1"),
    "probabilities": (HEAD + "1,0.9\n0,0.2\n", "raw_output = log(p) - log1p(-p)"),
    "empty": ("", "the file is empty"),
    "header": (HEAD, "expected at least one raw output, found none"),
    "blank": ("\n", "the first line is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_csv_is_one_clear_line(tmp_path, case):
    text, message = BAD[case]
    path = tmp_path / "outputs.csv"
    path.write_text(text)
    with pytest.raises(BadOutputs) as caught:
        judge(from_file(path))
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert message in line
    assert "\n" not in line


def test_other_bad_files(tmp_path):
    def refused(name, write=None, **options):
        path = tmp_path / name
        if write:
            write(path)
        with pytest.raises(BadOutputs) as caught:
            judge(from_file(path, **options))
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(str(path))

    def parquet(**columns):
        return lambda path: pd.DataFrame(columns).to_parquet(path)

    def npz(**arrays):
        return lambda path: np.savez(path, **arrays)

    assert refused("absent.csv") == ": there is no such file"
    assert "expected a folder" not in refused("folder.csv", Path.mkdir)
    assert "expected a file ending in .csv, .parquet" in refused("a.xlsx", Path.touch)
    assert refused("b.csv", lambda p: p.write_text("label,raw_output\n", "utf-16")) == (
        ": expected text in UTF-8"
    )
    assert "not a Parquet file" in refused("b.parquet", lambda p: p.write_text("label"))
    assert ": row 2, column 'raw_output': the value is missing" in refused(
        "c.parquet", parquet(label=[1, 0], raw_output=[1.0, None])
    )
    assert ": row 3, column 'label': expected a number, found 'x'" in refused(
        "d.parquet", parquet(label=["1", "0", "x"], raw_output=[1.0, 2.0, 3.0])
    )
    assert "not a .npz file" in refused("b.npz", lambda p: p.write_text("label"))
    assert "the array 'label' is missing" in refused("c.npz", npz(raw_output=np.ones(2)))
    assert "of the same shape, found (2,) and (3,)" in refused(
        "d.npz", npz(raw_output=np.ones(2), label=np.ones(3))
    )
    maps = np.full((3, 4, 5), 2.0)
    maps[1, 2, 3] = np.nan
    assert ": raw_output[1, 2, 3] (row 2): expected a finite number, found nan" in refused(
        "e.npz", npz(raw_output=maps, label=np.ones(maps.shape))
    )

    def damaged(path):
        np.savez(path, label=np.ones(5000), raw_output=np.linspace(-3, 3, 5000))
        data = bytearray(path.read_bytes())
        data[len(data) * 3 // 4] ^= 255
        path.write_bytes(data)

    assert "damaged: " in refused("f.npz", damaged)
    assert "name the labels' file" in refused("a.npy", lambda p: np.save(p, np.ones(3)))


def test_the_first_of_several_bad_values_is_reported(tmp_path):
    n = 3_000_000
    x, y = np.ones(n, np.float32), np.ones(n)
    x[[900_000, 1_100_000, 1_900_000, n - 1]] = np.nan
    np.savez(tmp_path / "a.npz", label=y, raw_output=x)
    with pytest.raises(BadOutputs, match=r"row 900001\b"):
        count.run(from_file(tmp_path / "a.npz"), EDGES)
    # also where the file cannot be read to its end
    pairs = [(x[:1_000_000], y[:1_000_000]), (x[:5], y[:4])]
    with pytest.raises(BadOutputs, match=r"row 900001\b"):
        count.run(from_arrays(pairs), EDGES)
    x[900_000] = 1
    with pytest.raises(BadOutputs, match="same shape"):
        count.run(from_arrays(pairs), EDGES)


@pytest.mark.parametrize("ending", ["csv", "parquet", "npz"])
def test_the_row_of_a_bad_value_far_into_a_file(tmp_path, ending):
    n, bad = 700_000, 654_321
    x, y = drawn(n)
    x[bad], y[bad + 10_000] = np.nan, 7
    path = tmp_path / f"outputs.{ending}"
    table = pd.DataFrame({"label": y, "raw_output": x})
    if ending == "csv":
        table.to_csv(path, index=False, na_rep="nan")
    elif ending == "parquet":
        # pandas would write a missing value
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"label": y, "raw_output": x}), path)
    else:
        np.savez(path, label=y, raw_output=x)
    with pytest.raises(BadOutputs, match=rf"row {bad + 1}\b.*expected a finite number, found nan"):
        judge(from_file(path))


def test_arrays_that_do_not_fit():
    with pytest.raises(BadOutputs, match="same shape"):
        sigmoid_bce.verdict([1.0, 2.0], [1])
    with pytest.raises(BadOutputs, match="expected numbers, found <U1"):
        sigmoid_bce.verdict(["a"], [1])
    with pytest.raises(BadOutputs, match="at least one raw output"):
        sigmoid_bce.verdict([], [])
    with pytest.raises(BadOutputs, match="expected pairs"):
        sigmoid_bce.verdict([1.0, 2.0])
    with pytest.raises(BadOutputs, match=r"raw_output\[1\] \(row 2\)"):
        sigmoid_bce.verdict([1.0, np.inf], [1, 0])
    with pytest.raises(ValueError, match="label 1 lies within"):
        sigmoid_bce.verdict([[4.0, 0.2], [-3.0, 0.9]], [[1, 0], [0, 1]])
    assert sigmoid_bce.verdict([0.2, 0.9], [0, 1], really_raw=True).outputs["samples"].iloc[0] == 2


def test_one_class_is_a_warning():
    found = sigmoid_bce.verdict([3.0, -20.0], [1, 1])
    assert found.warnings == (
        "one class only: every label is 1, and the verdict says nothing of label 0",
    )
    assert "warning: one class only" in repr(found)


def test_thresholds_of_one_s_own(tmp_path):
    path = tmp_path / "thresholds.csv"
    part = RECORD[RECORD["framework"] == "NumPy"]
    part.to_csv(path, index=False)
    found = sigmoid_bce.verdict([3.0, -20.0], [1, 1], thresholds=path)
    assert set(found.to_frame()["framework"]) == {"NumPy"}
    part.drop(columns="loss_flat").to_csv(path, index=False)
    with pytest.raises(ValueError, match="'loss_flat' is missing"):
        sigmoid_bce.verdict([3.0, -20.0], [1, 1], thresholds=path)
    part.iloc[1:].to_csv(path, index=False)
    with pytest.raises(ValueError, match="expected a row for each label and side"):
        sigmoid_bce.verdict([3.0, -20.0], [1, 1], thresholds=path)


def test_reading_is_of_the_chunks_asked_for(tmp_path):
    x, y = drawn(600_000)
    np.savez(tmp_path / "a.npz", label=y, raw_output=x)
    sizes = [len(part) for part, _ in from_file(tmp_path / "a.npz").chunks]
    assert max(sizes) <= CHUNK
    assert sum(sizes) == len(x)


def test_texts_of_many_lines_beside_the_numbers(tmp_path):
    """Blocks of the file are cut between rows, not within a text."""
    text = '"' + "line\n" * 2000 + '"'
    path = tmp_path / "texts.csv"
    path.write_text("text,label,raw_output\n" + f"{text},1,-2.5\n" * 1500)
    assert path.stat().st_size > 3 * (4 << 20)
    x = np.concatenate([x for x, _ in from_file(path).chunks])
    assert x.shape == (1500, 1, 1)
    assert (x == -2.5).all()
