"""Raw outputs and labels as users hold them: masks, names, axes, missing values, tensors, texts."""

import csv
import math
import os
import random
import warnings
from decimal import Decimal

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import sigmoid_bce
from sigmoid_bce.verdicts import count, shares
from sigmoid_bce.verdicts.outputs import BadOutputs, from_arrays
from sigmoid_bce.verdicts.read import from_file

EDGES = shares.edges(shares.read())
X = np.array([3.5, -2.25, 17.0, -40.0])
Y = np.array([1, 0, 1, 1])
MAPS = np.arange(120.0).reshape(2, 5, 4, 3) - 60
FRAME = pd.DataFrame({"cat": X, "dog": -X})
LABELS = pd.DataFrame({"cat": Y, "dog": 1 - Y})


def read(outputs):
    """Return all raw outputs and labels, in order, without those that are left out; the notes."""
    masked = ((x, np.ma.array(count.without(y, outputs.ignore))) for x, y in outputs.chunks)
    x, y = zip(*masked, strict=True)
    x, y = np.concatenate(x), np.ma.concatenate(y)
    out = np.ma.getmaskarray(y)
    return x[~out].tolist(), y.data[~out].astype(float).tolist(), list(outputs.notes)


def refused(*arguments, **options):
    with pytest.raises(BadOutputs) as caught:
        sigmoid_bce.verdict(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Array:
    """What any library's array is to NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class Lazy(Array):
    """An array of Dask, which makes masked arrays."""

    def __array__(self, dtype=None, copy=None):
        return self.values


class Labelled(Array):
    """An array of xarray, as far as it is used."""

    def __init__(self, values, dims, **names):
        super().__init__(values)
        self.dims, self.indexes = dims, {key: pd.Index(index) for key, index in names.items()}


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def series(dtype):
    return lambda values: pd.Series(values).astype(dtype)


HOLDERS = {
    "list": list,
    "column": lambda v: v[:, None],
    "keepdims": lambda v: v[:, None, None],
    "big-endian": lambda v: v.astype(">f4"),
    "big-endian half": lambda v: v.astype(">f2"),
    "strided": lambda v: np.repeat(v, 3)[::3],
    "read-only": read_only,
    "objects": lambda v: v.astype(object),
    "decimals": lambda v: [Decimal(str(value)) for value in v.tolist()],
    "bfloat16": lambda v: v.astype(ml_dtypes.bfloat16),
    "series": pd.Series,
    "frame": lambda v: pd.DataFrame({"any name": v}),
    "Float64": series("Float64"),
    "Float32": series("Float32"),
    "pyarrow": series("double[pyarrow]"),
    "category": series("category"),
    "sparse": series(pd.SparseDtype(float, 0)),
    "arrow": pa.array,
    "chunked": lambda v: pa.chunked_array([v[:1], v[1:]]),
    "csr": lambda v: scipy.sparse.csr_matrix(v[:, None]),
    "duck": Array,
    "unmasked": np.ma.array,
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_any_holder_of_the_same_numbers_gives_the_same(holder):
    for x, y in ((holder(X), Y), (X, holder(Y)), (holder(X), holder(Y)), (holder(X), Y[:, None])):
        assert read(from_arrays(x, y)) == (read(from_arrays(X, Y)))


def test_byte_order_is_no_precision():
    (x, _), *_ = from_arrays(X.astype(">f4"), Y).chunks
    assert x.dtype == np.float32


TORCH = {
    "gradients": lambda torch, v: torch.tensor(v, requires_grad=True),
    "bfloat16": lambda torch, v: torch.tensor(v, dtype=torch.bfloat16, requires_grad=True),
    "float8": lambda torch, v: torch.tensor(v).to(torch.float8_e5m2),
    "sparse": lambda torch, v: torch.tensor(v).to_sparse(),
    "list": lambda torch, v: [torch.tensor(value, requires_grad=True) for value in v],
    "column": lambda torch, v: torch.tensor(v)[:, None],
    "a view": lambda torch, v: torch.tensor(-1j * v).conj().imag,
}


@pytest.mark.parametrize("holder", TORCH.values(), ids=TORCH)
def test_tensors_of_pytorch(holder):
    torch = pytest.importorskip("torch")
    x = np.array([3.5, -2.5, 16.0, -40.0])
    assert read(from_arrays(holder(torch, x), Y)) == read(from_arrays(x, Y))


def test_arrays_of_jax_and_masked_tensors():
    jnp = pytest.importorskip("jax.numpy")
    assert read(from_arrays(jnp.array(X, jnp.bfloat16), jnp.array(Y))) == read(from_arrays(X, Y))
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "a prototype"
        x = torch.masked.masked_tensor(torch.tensor(X), torch.tensor(Y == 1))
        assert read(from_arrays(x, Y))[0] == X[Y == 1].tolist()
    assert "found a Tensor" in refused(torch.ones(4, device="meta"), Y)


# --- masks, and labels that mark samples to be left out

MISSING = {
    "None": lambda y, out: [None if o else v for v, o in zip(y.tolist(), out, strict=True)],
    "boolean": lambda y, out: pd.Series(y == 1, dtype="boolean").mask(out),
    "Int64": lambda y, out: pd.Series(y, dtype="Int64").mask(out),
    "pyarrow": lambda y, out: pd.Series(y == 1).astype("bool[pyarrow]").mask(out),
    "category": lambda y, out: pd.Series(y).mask(out).astype("category"),
    "arrow": lambda y, out: pa.array(y == 1, mask=out),
    "nan": lambda y, out: np.where(out, np.nan, y),
}


@pytest.mark.parametrize("holder", MISSING.values(), ids=MISSING)
def test_missing_labels_are_refused_or_left_out_by_request(holder):
    out = np.array([False, True, False, False])
    y = holder(Y, out)
    message = refused(X, y)
    assert "label[1] (row 2)" in message
    assert "--ignore=nan" in message
    total = count.run(from_arrays(X, y, ignore=[math.nan]), EDGES).total()
    assert (total.samples, total.ones, total.left_out, total.low) == (3, 3, 1, -40)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Thresholds of a few implementations, which are soon compared."""
    path = tmp_path_factory.mktemp("few") / "thresholds.csv"
    shares.read().query("framework == 'SciPy'").to_csv(path, index=False)
    return path


MASKS = {
    "labels": lambda x, y, out: (x, np.ma.array(y, mask=out)),
    "raw outputs": lambda x, y, out: (np.ma.array(x, mask=out), y),
    "values": lambda x, y, out: (x, np.ma.masked_equal(np.where(out, 255, y), 255)),
    "hidden nan": lambda x, y, out: (np.ma.masked_invalid(np.where(out, np.nan, x)), y),
    "ignored": lambda x, y, out: (x, np.where(out, -1, y)),
    "both": lambda x, y, out: (np.where(out, np.nan, x), np.where(out, 255, y).astype(np.uint8)),
}


@pytest.mark.parametrize("masked", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("shape", [(60,), (20, 3), (3, 2, 5, 2)])
def test_masked_samples_are_left_out(masked, shape, few):
    rng = np.random.default_rng(len(shape))
    x, y = rng.normal(0, 12, shape), rng.integers(0, 2, shape)
    out = rng.random(shape) < 0.3
    out[0] = True  # a row of which nothing is left
    found = sigmoid_bce.verdict(*masked(x, y, out), ignore=[-1, 255], thresholds=few)
    assert found.outputs["left_out"].iloc[-1] == out.sum()
    assert "left out: " in found.warnings[0]
    assert found.outputs["samples"].iloc[-1] == (~out).sum()
    kept = sigmoid_bce.verdict(x[~out], y[~out], thresholds=few)
    whole = found.to_frame().query("label == 'all'").drop(columns="label").reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, kept.to_frame().drop(columns="label"))
    assert np.isclose(found.outputs["mean_loss"].iloc[-1], kept.outputs["mean_loss"].iloc[0])
    if len(shape) == 1:
        pd.testing.assert_frame_equal(found.batches, kept.batches)


def test_a_mean_over_pixels_is_of_those_that_are_not_left_out():
    from sigmoid_bce.verdicts.judge import judge

    x, y = MAPS[..., 0], (MAPS[..., 0] > 0).astype(int)
    out = np.arange(x.size).reshape(x.shape) % 3 == 0
    batches = judge(from_arrays(x, np.ma.array(y, mask=out)))[3]
    losses = np.logaddexp(0, np.where(y == 1, -x, x))
    wanted = [losses[i][~out[i]].mean() for i in range(2)]
    single = batches[batches["batch_size"] == 1]["bce_exact"]
    np.testing.assert_allclose(np.sort(single), np.sort(wanted))


def test_a_mask_in_a_list_and_one_of_unknown_meaning():
    assert read(from_arrays(X, [1, np.ma.masked, 1, 1]))[1] == [1, 1, 1]
    masked = [np.ma.masked_equal([1, 255], 255), np.ma.masked_equal([0, 1], 255)]
    assert read(from_arrays(X.reshape(2, 2), masked))[1] == [1, 0, 1]
    other = Array(Y)
    other.mask = Y == 0
    assert "numpy.ma.array(values, mask=mask)" in refused(X, other)
    assert read(from_arrays(X, Lazy(np.ma.array(Y, mask=Y == 0))))[1] == [1, 1, 1]
    padded = Array(MAPS[..., 0])
    padded._keras_mask = np.arange(5) < [[3], [5]]
    found = sigmoid_bce.verdict(padded, MAPS[..., 0] > 0)
    assert found.outputs["samples"].iloc[0] == 4 * 8
    assert "none: 4 are left out" in refused(X, np.ma.masked_all(4))
    no_dog = LABELS.assign(dog=np.nan)
    assert "of label dog, found none: 4 are" in refused(FRAME, no_dog, ignore=math.nan)


# --- names

PAIRED = {
    "columns in another order": (FRAME, LABELS[["dog", "cat"]]),
    "an index in another order": (
        pd.Series(X, index=list("abcd")),
        pd.Series(Y, index=list("abcd")).loc[list("dbca")],
    ),
    "both": (FRAME.set_axis(list("abcd")), LABELS.set_axis(list("abcd")).iloc[::-1, ::-1]),
    "beginnings as in a file": (
        FRAME.add_prefix("raw_output_"),
        LABELS.add_prefix("label_")[["label_dog", "label_cat"]],
    ),
    "axes": (
        Labelled(FRAME, ("sample", "label"), label=["cat", "dog"]),
        Labelled(LABELS.T, ("label", "sample"), label=["cat", "dog"]),
    ),
    "coordinates": (
        Labelled(FRAME, ("sample", "label"), label=["cat", "dog"]),
        Labelled(LABELS[["dog", "cat"]], ("sample", "label"), label=["dog", "cat"]),
    ),
    "arrow": (pa.table(FRAME), pa.table(LABELS[["dog", "cat"]])),
    "no names": (FRAME, LABELS.to_numpy()),
    "default names": (FRAME, pd.DataFrame(LABELS.to_numpy())),
    "the same index": (pd.Series(X, index=[7, 7, 8, 9]), pd.Series(Y, index=[7, 7, 8, 9])),
    "predictions and an index": (X, pd.Series(Y, index=[9, 3, 5, 1])),
}


@pytest.mark.parametrize("case", PAIRED)
def test_names_decide_what_belongs_together(case):
    x, y = PAIRED[case]
    plain = (
        (X, Y) if isinstance(x, pd.Series | np.ndarray) else (FRAME.to_numpy(), LABELS.to_numpy())
    )
    assert read(from_arrays(x, y)) == read(from_arrays(*plain))


def test_names_that_do_not_agree_are_refused_or_said():
    numbered, other = pd.Series(X), pd.Series(Y, index=[3, 1, 0, 2])
    assert "the same in another order" in refused(numbered, other)
    assert ".to_numpy()" in refused(
        pd.Series(X, index=list("abcd")), pd.Series(Y, index=list("abce"))
    )
    assert "the columns of raw outputs are cat, dog" in refused(
        FRAME, LABELS.rename(columns={"dog": "bird"})
    )
    for names in (["dog", "cat"], ["bird", "cat"]):
        assert "in the order of columns: cat, dog" in refused(FRAME, LABELS, labels=names)
    found = sigmoid_bce.verdict(numbered, pd.Series(Y, index=[12, 7, 3, 44]))
    assert any("paired by order" in text for text in found.warnings)
    chunks = [(FRAME, LABELS), (FRAME[["dog", "cat"]], LABELS)]
    assert "names its labels otherwise" in refused(chunks)
    assert from_arrays(FRAME.to_numpy(), LABELS).labels == ("cat", "dog")


def test_a_label_may_be_called_as_any_other(few):
    x, y = FRAME.to_numpy(), LABELS.to_numpy()
    plain = sigmoid_bce.verdict(x, y, labels=["a", "b"], thresholds=few)
    for names, unique in ((["all", "b"], ["all (2)", "b"]), (["a", "a"], ["a", "a (2)"])):
        found = sigmoid_bce.verdict(x, y, labels=names, thresholds=few)
        assert list(found.outputs["label"]) == [*unique, "all"]
        assert found.sentences[:2] == plain.sentences[:2]
        assert list(found.implementations.drop(columns="label").iloc[-1].dropna()) == list(
            plain.implementations.drop(columns="label").iloc[-1].dropna()
        )


def test_what_is_left_out_is_a_number_or_several():
    y = np.where(Y, Y, 10)
    for ignore in (10, "10", [10], {10.0}, iter([10])):
        found = sigmoid_bce.verdict(X, y, ignore=ignore)
        assert found.outputs["left_out"].iloc[0] == 1
    for ignore in (None, "ten", [None], object()):
        assert "ignore: expected labels as numbers" in refused(X, y, ignore=ignore)


LEFT_OUT = {
    "mask": lambda y, out: np.ma.array(y.to_numpy(), mask=out),
    "NA": lambda y, out: y.astype("Int64").mask(out),
    "value": lambda y, out: y.mask(out, 255),
    "nan": lambda y, out: y.mask(out, np.nan),
    "boolean": lambda y, out: y.astype("boolean").mask(out),
}


@settings(max_examples=60)
@given(data=st.data(), rows=st.integers(1, 6), columns=st.integers(1, 3))
def test_every_label_stays_with_its_raw_output(data, rows, columns):
    """An oracle: the label of a raw output is the one with its row's and its column's name."""
    shape, names = (rows, columns), list("abc")[:columns]
    index = data.draw(st.sampled_from([range(rows), range(7, 7 + rows), list("uvwxyz")[:rows]]))
    numbers = np.arange(rows * columns).reshape(shape)
    x = pd.DataFrame(numbers + 2.0, index, names)
    bits = data.draw(st.lists(st.booleans(), min_size=x.size, max_size=x.size))
    y = pd.DataFrame(np.reshape(bits, shape).astype(int), index, names)
    order = np.reshape(data.draw(st.permutations(range(x.size))), shape)
    out = pd.DataFrame(order < 2, index, names)
    kept = np.argwhere(order >= 2).tolist()
    label = {float(x.iat[i, j]): float(y.iat[i, j]) for i, j in kept}
    kind = data.draw(st.sampled_from(sorted(LEFT_OUT)))
    if kind != "mask":
        y = y.loc[data.draw(st.permutations(list(index))), data.draw(st.permutations(names))]
        out = out.loc[y.index, y.columns]
    holder = data.draw(st.sampled_from([pd.DataFrame, lambda f: f.astype("Float64"), pd.DataFrame]))
    try:
        found = read(from_arrays(holder(x), LEFT_OUT[kind](y, out), ignore=[255, math.nan]))
    except BadOutputs as error:
        assert "the same in another order" in str(error)  # noqa: PT017
        assert isinstance(x.index, pd.RangeIndex)
    else:
        assert dict(zip(found[0], found[1], strict=True)) == label


# --- shapes and axes

SHAPES = {
    ((4, 1), (4,)): "",
    ((4,), (4, 1)): "",
    ((4, 1, 1), (4,)): "",
    ((2, 5, 4, 1), (2, 5, 4)): "",
    ((2, 1, 5, 4), (2, 5, 4)): "",
    ((2, 1, 5, 4), (2, 5, 4, 1)): "",
    ((1, 1), (1,)): "",
    ((4, 1), (1, 4)): "write label.T",
    ((4,), (1, 4)): "write label[0]",
    ((1, 4), (4,)): "write raw_output[0]",
    ((4, 3), (3, 4)): "write label.T",
    ((4, 2), (4,)): "the second less the first",
    ((4, 3), (4,)): "label[..., None] == numpy.arange(3)",
    ((2, 5, 4, 3), (2, 5, 4)): "label[..., None] == numpy.arange(3)",
    ((2, 5, 4, 3), (2, 3, 5, 4)): "numpy.moveaxis(label, 1, -1)",
    ((2, 3, 5, 4), (2, 5, 4, 3)): "numpy.moveaxis(raw_output, 1, -1)",
    ((4,), (5,)): "found (4,) and (5,)",
    ((), ()): "expected an array of shape",
}


@pytest.mark.parametrize(("shapes", "message"), SHAPES.items())
def test_axes_of_length_1_make_no_difference_and_others_are_not_guessed(shapes, message):
    x, y = np.full(shapes[0], 7.0), np.ones(shapes[1])
    if message:
        assert message in refused(x, y)
    else:
        assert sigmoid_bce.verdict(x, y).outputs["samples"].iloc[-1] == x.size


def test_the_axes_of_maps_are_said():
    found = sigmoid_bce.verdict(MAPS, MAPS > 0)
    assert "of 3 labels in maps of 5 x 4 pixels (height x width)" in found.answer.about
    assert not found.warnings
    first = np.moveaxis(MAPS, -1, 1)
    assert "read as 3 x 5 pixels of 4 labels" in sigmoid_bce.verdict(first, first > 0).warnings[0]


# --- what is no number, and labels that are no labels

RECORDS = np.array([(1.0, 2.0)] * 4, [("a", float), ("b", float)])
NO_NUMBERS = {
    "complex": (X + 0j, "expected numbers, found complex128"),
    "times": (X.astype("m8[s]"), "expected numbers, found timedelta64[s]"),
    "texts": (["a"] * 4, "expected numbers, found <U1"),
    "text objects": (pd.Series(["1.5"] * 4), "expected numbers, found "),
    "records": (RECORDS, "name one of its fields"),
    "generator": ((v for v in X), "expected an array, found generator"),
    "mapping": ({"a": X}, "expected an array, found dict"),
    "ragged": ([[1.0], [2.0, 3.0]], "expected an array, found a list"),
    "huge": ([10**400] * 4, "expected an array, found a"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_no_number_is_one_clear_line(case):
    values, message = NO_NUMBERS[case]
    assert message in refused(values, Y)


ADVICE = {
    (-1, 1): ("turn labels -1 and 1 into (label + 1) / 2", "leave -1 out by --ignore=-1"),
    (0, 255): ("turn labels 0 and 255 into label / 255", "leave 255 out by --ignore=255"),
    (1, 2): ("turn labels 1 and 2 into label - 1",),
    (0, 1, -1): ("leave such samples out by --ignore=-1 ",),
    (0, 1, 255): ("leave such samples out by --ignore=255 ",),
    (0, 1, -100): ("leave such samples out by --ignore=-100 ",),
    (0, -1): ("leave such samples out by --ignore=-1 ",),
    (0, 0.3, 1, 255): ("leave such samples out by --ignore=255 ",),
    (0, 1, -1, 255): (
        '--ignore=-1 --ignore=255 (make: IGNORE="-1 255")',
        "the labels are -1, 0, 1, 255",
    ),
    (0, 1, 2, 3): ("make 1 of one class and 0 of the others",),
    (0, 1, math.nan): ("leave such samples out by --ignore=nan ",),
    tuple(range(256)): ("more than 20 values",),
    (-1e-7, 0, 1.0000001): ("found ", "can be clipped to [0, 1]"),
}


@pytest.mark.parametrize("labels", ADVICE)
@pytest.mark.parametrize("first", [0, -1])
def test_advice_is_from_all_labels_and_leaves_right_data(labels, first):
    """The bad label comes first or last, in a chunk of its own."""
    order = sorted(labels, key=lambda v: 0 <= v <= 1, reverse=first == -1)
    message = refused((np.array([9.0, -9.0]), np.array([value] * 2)) for value in order)
    for text in ADVICE[labels]:
        assert text in message
    assert ("/ 255" in message) == (labels == (0, 255))
    assert ("(label + 1)" in message) == (labels == (-1, 1))


def test_swapped_arguments_are_recognised():
    for x in (X, np.array([3, -2, 9, -7])):
        assert "are the two swapped?" in refused(Y, x)
        assert "swapped" not in refused(x, Y * 3 - 1)
    assert "are they labels" in refused(Y, Y)
    assert "swapped" not in refused([0.2, 0.8, 0.5, 0.1], [0, 1, -1, 255])


# --- files

WORDS = st.sampled_from(["True", "False", "true", "FALSE", "1", "0", "1.0", " 0", "0.25"])
NUMBER = st.floats(-(2.0**100), 2.0**100, width=32)
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)


def meant(word):
    return (
        {"true": 1.0, "false": 0.0}.get(word.strip().lower())
        if word.strip()[0] in "tTfF"
        else float(word)
    )


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(NUMBER, WORDS, CELL), min_size=1, max_size=9),
    more=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_a_table_says_what_its_texts_say(tmp_path_factory, rows, more, encoding):
    """An oracle: Python's own reading of the texts that were written."""
    path = tmp_path_factory.getbasetemp() / "oracle.csv"
    table = pd.DataFrame(rows, columns=["raw_output_a", "label_a", "label_notes"])
    if more:
        table["raw"], table["label"] = table["label_notes"], 7
    table.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC, encoding=encoding)
    outputs = from_file(path)
    assert outputs.labels == ("a",)
    x, y, _ = read(outputs)
    assert x == [float(value) for value, *_ in rows]
    assert y == [meant(word) for _, word, _ in rows]


def seeds(folder):
    table = pd.DataFrame({"label": Y, "raw_output": X, "text": list("abcd")})
    table.to_csv(folder / "a.csv", index=False)
    (folder / "b.csv").write_text('t,label,raw_output\n"a\nb",True,2\n\n"c""d",0,-3.5e3\n')
    table.to_parquet(folder / "a.parquet")
    np.savez(folder / "a.npz", label=Y, raw_output=X)
    np.savez_compressed(folder / "b.npz", label=Y, raw_output=X)
    np.save(folder / "a.npy", X)
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.iterdir())]


TOKENS = [
    b"nan",
    b"inf",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"1e999",
    b"True",
    b" ",
    b"x" * 200_000,
]


def spoiled(data, rng):
    """Return bytes with some replaced, taken out, put in or cut off."""
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.randrange(len(data) + 1)
        end = at + rng.choice([0, 0, 1, 9, len(data)])
        token = rng.choice([b"", rng.randrange(256), rng.choice(TOKENS)])
        token = bytes([token]) if isinstance(token, int) else token
        data = data[:at] + token + data[end:]
    return data


def test_spoiled_files_are_read_or_refused_in_one_line(tmp_path):
    (tmp_path / "seeds").mkdir()
    rng, kinds = random.Random(0), seeds(tmp_path / "seeds")
    np.save(tmp_path / "label.npy", Y)
    for _ in range(400):
        suffix, data = rng.choice(kinds)
        path = tmp_path / f"spoiled{suffix}"
        path.write_bytes(spoiled(data, rng))
        label = str(tmp_path / "label.npy") if suffix == ".npy" else "label"
        try:
            count.run(from_file(path, label, ignore=[rng.choice([255, math.nan])]), EDGES)
        except BadOutputs as error:
            assert str(error).startswith(str(path))  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017


def test_the_error_path_reads_what_the_data_path_reads(tmp_path):
    path = tmp_path / "a.csv"

    def message(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadOutputs) as caught:
            count.run(from_file(path), EDGES)
        return str(caught.value).removeprefix(str(path))

    long, head = "x" * 200_000, "t,label,raw_output\n"
    for text in (long, "x" * 5_000_000):
        assert message(f"{head}{text},1,2\n{text},1,nan\n").startswith(": row 2 (line 3)")
    assert (
        message(f"{head}{long},1,2\n{long},1\n") == ": row 2 (line 3): expected 3 columns, found 2"
    )
    # a blank before a number is read, so it is not to blame
    assert "row 2 (line 3), column 'raw_output'" in message(f"{head}a,1, 2\nb,1,high\n")
    assert "row 2 (line 3), column 'label'" in message(head.encode() + b"\xff,1,2\n\xff,\xfe,2\n")
    assert "write 0 for one of 'no' and 'yes'" in message(f"{head}a,yes,2\nb,no,3\n")
    # beside numbers, two words are no classes
    assert message(f"{head}a,none,2\nb,null,3\nc,1,4\n").endswith("empty and write --ignore=nan")
    assert message(f"{head}a,1,2\nb,O,3\nc,l,4\n").endswith("found 'O'")
    assert message(head.strip()) == ": expected lines below the first"
    many = "a,1,2\n" * 800_000
    assert message(f"{head}{many}\n\nb,1\n").startswith(": row 800001 (line 800004)")


def test_further_columns_are_ignored(tmp_path):
    columns = {"label_cat": Y, "label_source": "web", "raw_output_cat": X, "label": 7, "other": "x"}
    table = pd.DataFrame(columns)
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("a,a,label_source,label_source,label,raw_output\n,,,,1,2\n")
    for name, labels in (("a.csv", ("cat",)), ("a.parquet", ("cat",)), ("b.csv", ("",))):
        outputs = from_file(tmp_path / name)
        assert outputs.labels == labels
        assert set(read(outputs)[1]) <= {0, 1}


PARQUET = {
    "texts": (["1", "0", "True", "false"], ""),
    "dictionary": (pa.array(["1", "0", "1", "0"]).dictionary_encode(), ""),
    "nulls": (pa.array([True, None, False, True]), ""),
    "words": (["yes", "no", "yes", "no"], "found 'yes'; write 0 for one of 'no' and 'yes', and"),
    "views": (pa.array(["1", "0", "1", "0"], pa.string_view()), ""),
    "structs": ([{"x": 1}] * 4, "a column of struct"),
    "lists": ([[1]] * 4, "a column of list"),
    "times": (pa.array([0, 1, 0, 1], pa.timestamp("s")), "a column of timestamp"),
}


@pytest.mark.parametrize("case", PARQUET)
def test_columns_of_parquet_are_numbers_or_one_clear_line(tmp_path, case):
    labels, message = PARQUET[case]
    parquet.write_table(pa.table({"label": labels, "raw_output": X}), tmp_path / "a.parquet")
    outputs = from_file(tmp_path / "a.parquet", ignore=[math.nan])
    if not message:
        assert set(read(outputs)[1]) == {0, 1}
        return
    with pytest.raises(BadOutputs, match=f"row 1, column 'label': .*{message}"):
        count.run(outputs, EDGES)


def test_a_file_may_have_any_name(tmp_path):
    table = pd.DataFrame({"label": [1.0, 0], "raw_output": [2.5, -3]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    for ending in ("csv", "parquet"):
        path = tmp_path / os.fsdecode(b"a\n\xff." + ending.encode())
        (tmp_path / f"a.{ending}").rename(path)
        outputs = from_file(path)
        assert read(outputs)[0] == [2.5, -3]
        assert outputs.name.isprintable()
        with pytest.raises(BadOutputs, match=r"a\\n\\udcff.*: the column 'y' is missing"):
            from_file(path, label="y")


def test_labels_of_files_can_be_left_out(tmp_path):
    table = pd.DataFrame({"label": [1.0, 255, np.nan, 0], "raw_output": X})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", label=table["label"], raw_output=X)
    for ending in ("csv", "parquet", "npz"):
        outputs = from_file(tmp_path / f"a.{ending}", ignore=[255, math.nan])
        total = count.run(outputs, EDGES).total()
        assert (total.samples, total.left_out, total.low) == (2, 2, -40)
